"""What a variant is called: `w4-g@nb[group_size=64]`, unless the study names it.

One of several draws of the same calibration text has its number at the end: `q4_k_s@nb#2`.

Labels are for people; a variant's identity is in `identity`.
"""

import re
from collections.abc import Mapping, Sequence

from babelbits.recipes.catalogue import RECIPES

NAME = re.compile(r"[\w.][\w.@#=,+\[\]()-]{0,63}")
"""What a label may look like: no spaces, slashes or control characters; at most 64 characters."""


def make_label(
    recipe: str,
    parameters: Mapping[str, object],
    *,
    language: str | None,
    draw: int | None = None,
    kv_cache: str | None = None,
) -> str:
    """The label of a recipe with its calibration language and the parameters that are not default.

    Parameters
    ----------
    recipe : str
        Canonical name.
    parameters : mapping
        All parameters of the recipe.
    language : str or None
        Language of the calibration text, if the recipe sees one.
    draw : int, optional
        Which of several draws of that text it sees, from 1.
    kv_cache : str, optional
        Type of the engine's KV cache, if the variant names one.
    """
    info = RECIPES[recipe].parameters
    special = [
        f"{name}={_short(value)}"
        for name, value in sorted(parameters.items())
        if value != info[name].default
    ]
    special += [f"kv_cache={kv_cache}"] if kv_cache is not None else []
    place = f"@{language}" if language else ""
    number = f"#{draw}" if draw is not None else ""
    return recipe + place + (f"[{','.join(special)}]" if special else "") + number


def make_path_label(path: str, *, kv_cache: str | None = None) -> str:
    """The label of a variant that somebody made or serves: the last part of its path or name.

    Characters that no label has become '-'.
    """
    last = path.rstrip("/").replace("\\", "/").rpartition("/")[2].removesuffix(".gguf")
    cache = "" if kv_cache is None else f"[kv_cache={kv_cache}]"
    plain = re.sub(r"[^\w.@#=,+\[\]()-]+", "-", last)[: 64 - len(cache)]
    return (plain if NAME.fullmatch(plain) else "variant") + cache


def _short(value: object) -> str:
    """A parameter's value as TOML writes it, without quotes."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def find_label(name: str, labels: Sequence[str]) -> str | None:
    """The label that a name stands for: itself, or the only one that begins with it.

    'w8a8-sq' stands for 'w8a8-sq@en' where no other variant is made by that recipe.
    """
    if name in labels:
        return name
    near = [one for one in labels if one.partition("@")[0].partition("[")[0] == name]
    return near[0] if len(near) == 1 else None
