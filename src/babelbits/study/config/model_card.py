"""The languages that a model's card names: `language:` in the front matter of its README.md.

A claim is what the model's makers say there, and no measurement. Only the card beside the weights
is read; it is text from outside, of which nothing but language codes is used. Values that are no
language ('multilingual', 'code') are left out.
"""

from collections.abc import Iterator
from pathlib import Path

from babelbits.errors import UnknownNameError
from babelbits.languages import resolve

CARD = "README.md"
_KEYS = ("language", "languages")
_MOST_BYTES = 65_536
"""Of the card's beginning: front matter is short."""


def read_card_languages(folder: Path) -> tuple[str, ...] | None:
    """Canonical codes in the card's order; None where there is no card or it names none.

    Parameters
    ----------
    folder : Path
        Of the model's files.
    """
    try:
        with (folder / CARD).open("rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
    found: dict[str, None] = {}
    for word in _values(text):
        try:
            found[resolve(word).code] = None
        except UnknownNameError:
            continue
    return tuple(found) or None


def _values(text: str) -> Iterator[str]:
    """The values of the key, written as one, in brackets, or a line each."""
    lines = text.lstrip("\ufeff").splitlines()
    if not lines or lines[0].strip() != "---":
        return
    inside = False
    for line in lines[1:]:
        bare = line.partition(" #")[0].strip()
        if bare in ("---", "..."):
            return
        if inside and bare.startswith("-"):
            yield _plain(bare[1:])
            continue
        if not bare or line[:1] in (" ", "\t"):
            continue
        key, colon, rest = bare.partition(":")
        inside = bool(colon) and key.strip() in _KEYS
        if inside and rest.strip():
            yield from map(_plain, rest.strip().strip("[]").split(","))


def _plain(word: str) -> str:
    return word.strip().strip("'\"")
