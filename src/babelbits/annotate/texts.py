"""What raters see of a text: normalised where it could tell the arms apart, and its direction.

Trailing white space, leading line feeds and kinds of line ends are tells that are no quality; they
go. Remains of a chat template, broken characters and everything else in a text is quality, and
stays.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from babelbits.languages import Language, resolve

Direction = Literal["ltr", "rtl"]

_LINE_ENDS = re.compile("\r\n?")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""PostgreSQL takes no NUL, UTF-8 no lone surrogates."""
_CLEAR_MAJORITY = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A text as a page shows it."""

    text: str
    lang: str
    """For the attribute `lang`; empty where the text is clearly not in the expected script."""
    dir: Direction


def normalised(text: str) -> str:
    """`text` without the tells, and storable."""
    return _UNSTORABLE.sub("\ufffd", _LINE_ENDS.sub("\n", text)).strip()


def shown(text: str, language: str) -> Shown:
    """A text that is expected in `language`, with the attributes it needs.

    The direction is the language's own, from the table: guessing it from the first letter turns an
    Arabic answer around that begins with "GPT-4". Only where at least four fifths of the letters
    run the other way is the text in another script, and follows its letters.
    """
    known = resolve(language)
    direction = _direction_of(text, known)
    return Shown(text=text, lang=known.code if direction == known.direction else "", dir=direction)


def _direction_of(text: str, language: Language) -> Direction:
    classes = [unicodedata.bidirectional(letter) for letter in text]
    left = classes.count("L")
    right = sum(found in ("R", "AL") for found in classes)
    opposed, direction = (left, "ltr") if language.direction == "rtl" else (right, "rtl")
    if left + right and opposed >= _CLEAR_MAJORITY * (left + right):
        return "ltr" if direction == "ltr" else "rtl"
    return language.direction
