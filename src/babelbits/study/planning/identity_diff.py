"""Two identities to words: what changed since this was last run."""

from collections.abc import Iterator, Mapping
from typing import Any

_HASHES = {
    "base": "the base model's files",
    "content": "the variant's files",
    "text": "the calibration text",
    "task": "the items or prompts",
    "scorer": "the scorer",
}
"""Parts whose values are hashes and say nothing to people."""

_MOST = 3


def describe_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """The differences of two identities in words; None if there are none.

    Examples
    --------
    >>> describe_changes({"parameters": {"group_size": 64}}, {"parameters": {"group_size": 128}})
    'group_size 64 → 128'
    """
    old, new = dict(_leaves(before)), dict(_leaves(after))
    keys = [key for key in dict.fromkeys([*new, *old]) if old.get(key) != new.get(key)]
    words = list(dict.fromkeys(_words(key, old.get(key), new.get(key)) for key in keys))
    if len(words) > _MOST:
        words = [*words[:_MOST], f"and {len(words) - _MOST} more"]
    return ", ".join(words) or None


def _leaves(value: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any]]:
    for key, inner in value.items():
        path = (*prefix, str(key))
        if isinstance(inner, Mapping):
            yield from _leaves(inner, path)
        else:
            yield path, inner


def _words(path: tuple[str, ...], old: object, new: object) -> str:
    name = path[-1]
    if name in _HASHES:
        return f"{_HASHES[name]} changed"
    return f"{name} {_shown(old)} → {_shown(new)}"


def _shown(value: object) -> str:
    return "none" if value is None else str(value)
