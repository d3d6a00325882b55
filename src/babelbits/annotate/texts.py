"""What raters see of a text: normalised where it could tell the arms apart, and its direction.

White space and invisible characters at the ends, and kinds of line ends, are tells that are no
quality; they go. Remains of a chat template, broken characters and everything else in a text is
quality, and stays.
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
_VIRAMA = 9
"""Canonical combining class."""
_BLANKS = "\u2800\u3164\uffa0\u115f\u1160\u034f"
"""Letters and marks by their category that draw nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A text as a page shows it."""

    text: str
    lang: str
    """For the attribute `lang`; empty where the text is clearly not in the expected script."""
    dir: Direction


def normalised(text: str) -> str:
    """`text` without the tells, and storable."""
    storable = _UNSTORABLE.sub("\ufffd", _LINE_ENDS.sub("\n", text))
    start, end = 0, len(storable)
    while start < end and _is_invisible(storable[start]):
        start += 1
    while end > start and _is_invisible(storable[end - 1]) and not _shapes(storable, end - 1):
        end -= 1
    return storable[start:end]


def _is_invisible(letter: str) -> bool:
    """White space, controls, and formats such as U+200B, U+FEFF, U+00AD and marks of direction."""
    tag = 0xE0020 <= ord(letter) <= 0xE007F  # part of an emoji's flag
    blank = unicodedata.category(letter) in ("Cc", "Cf", "Zs", "Zl", "Zp") or letter in _BLANKS
    return (blank or letter.isspace()) and not tag


def _shapes(text: str, place: int) -> bool:
    """Whether a joiner changes the letter before it: behind a virama, as in Malayalam's chillu."""
    joins = text[place] in "\u200c\u200d"
    return joins and place > 0 and unicodedata.combining(text[place - 1]) == _VIRAMA


def prepare_text(text: str, language: str) -> Shown:
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
