"""Bits of single modules: `modules = { down_proj = 8, lm_head = 16 }` on a recipe.

A pattern is one or more whole parts of a module's name, with `*` and `?` inside a part: 'lm_head',
'layers.0.mlp', 'layers.*.self_attn.v_proj'. Where several fit a module, the last counts. 16 leaves
a module as it is. Pure, no torch.
"""

import re
from collections.abc import Iterable, Mapping

from babelbits.errors import RecipeError, StudyError
from babelbits.suggest import did_you_mean

LEFT = 16
"""Bits of a module that is not quantized."""
PARAMETER = "modules"
REASON = "the study leaves it as it is"
_INTEGERS = (4, 8)
_PATTERN = re.compile(r"[\w*?]+(\.[\w*?]+)*")


def parse(written: str) -> dict[str, int]:
    """Bits by pattern, in the order that they were written in.

    Parameters
    ----------
    written : str
        As in 'down_proj=8,lm_head=16'; '' for none.

    Raises
    ------
    StudyError
        If it is not written so.
    """
    found: dict[str, int] = {}
    for part in filter(None, (one.strip() for one in written.split(","))):
        pattern, equals, bits = (one.strip() for one in part.partition("="))
        if not (equals and _PATTERN.fullmatch(pattern) and bits.isdecimal()):
            raise StudyError(
                f"'{PARAMETER}' has {part!r}, which is no module=bits",
                hint="for example: modules = { down_proj = 8, lm_head = 16 }",
            )
        found.pop(pattern, None)
        found[pattern] = int(bits)
    return found


def find_problem(written: str, *, integers: bool) -> str | None:
    """What is wrong with what a study says, as the end of a sentence; None if nothing is.

    Parameters
    ----------
    written : str
        As for `parse`.
    integers : bool
        Whether the recipe's weights are integers, which may have other bits.
    """
    allowed = (*_INTEGERS, LEFT) if integers else (LEFT,)
    try:
        found = parse(written)
    except StudyError as error:
        return f"must be bits by module, e.g. {{ down_proj = 8, lm_head = 16 }}: {error.what}"
    for pattern, bits in found.items():
        if bits not in allowed:
            words = "4, 8 or 16 bits" if integers else "16 bits in this format"
            return f"may give '{pattern}' only {words} (16: left as it is)"
        if bits != LEFT and re.search(r"(^|\.)(embed\w*|wte|wpe)$", pattern):
            return (
                f"cannot quantize '{pattern}': llm-compressor's recipes leave embeddings as they "
                "are; llama.cpp's types have `tensor_types`"
            )
    return None


def find_bits(module: str, bits: Mapping[str, int]) -> int | None:
    """The bits that a study gives a module; None where it says nothing of it."""
    given = [value for pattern, value in bits.items() if make_expression(pattern).search(module)]
    return given[-1] if given else None


def make_expression(pattern: str) -> re.Pattern[str]:
    """A pattern as a regular expression that is searched for in a module's name."""
    body = re.escape(pattern).replace(r"\*", r"[^.]*").replace(r"\?", "[^.]")
    return re.compile(rf"(^|\.){body}(\.|$)")


def check_names(bits: Mapping[str, int], modules: Iterable[str]) -> None:
    """Raise if a pattern fits no module of a model.

    Parameters
    ----------
    bits : mapping
        As `parse` gives it.
    modules : iterable of str
        Names of modules with weights, e.g. 'model.layers.0.mlp.down_proj'.

    Raises
    ------
    RecipeError
        Names the pattern and the nearest names.
    """
    names = list(modules)
    for pattern in bits:
        if not any(make_expression(pattern).search(name) for name in names):
            parts = dict.fromkeys(
                part for name in names for part in name.split(".") if not part.isdigit()
            )
            last = pattern.rpartition(".")[2]
            known = dict.fromkeys(name.rpartition(".")[2] for name in names)
            guess = did_you_mean(last, parts)
            said = f"its modules: {', '.join(known)}"
            raise RecipeError(
                f"no module of this model is called '{pattern}', to which '{PARAMETER}' gives bits",
                hint=f"{guess} {said}" if guess else said,
            )
