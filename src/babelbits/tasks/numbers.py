"""The first number in a text, in the digits of any script.

Digits are those to which Unicode gives a decimal value (ASCII, Arabic-Indic, Devanagari, Malayalam,
full-width, ...). Number words ('twelve', '十二') are not numbers here. Thousands may be grouped in
threes or the Indian way (12,34,567). A mark followed by anything but whole groups is a decimal
mark: '1.234' is 1234, '1.5' is one and a half, '0.125' an eighth.

A plain space groups where the language writes so (French, Russian, Norwegian, ...) and all that
follows is whole groups: there '12 345' is 12345, and '2024 300' and '1 234 5' stay apart. In other
languages, and where none is named, it separates. No-break and thin spaces group in every language.
"""

import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from functools import cache

_MINUS = "\u2212\ufe63\uff0d-"  # minus sign, small and full-width hyphen-minus, hyphen-minus
_GROUPERS = ",.'\u2019\u066c\uff0c\uff0e"  # apostrophes, Arabic and full-width marks
_SPACES = "\u00a0\u202f\u2009\u2007\u2008\u200a"  # no-break, thin, figure, hair: none ends a word
_DECIMAL_MARKS = ".,\u066b\uff0e\uff0c"  # Arabic and full-width marks after the ASCII ones
_CURRENCY = "$\u20ac\u00a3\u00a5\uffe5\u20b9\u20a9\u20bd\u0e3f\u09f3"  # may follow the minus
_DIRECTION_MARKS = dict.fromkeys(map(ord, "\u061c\u200e\u200f\u2066\u2067\u2068\u2069"))

_SPACED = re.compile(
    r"(?:af|ba|be|bg|br|cs|cv|eo|et|fi|fr|hu|hy|ka|kab|kk|ky|lt|lv|nb|nn|no|oc|os|pl|ru|sah|se|sk"
    r"|sma|smj|smn|sms|sq|sv|tg|tk|tt|uk|uz|xh)(?:-.*)?|de-AT|es-CR|pt-PT"
)
"""Languages whose thousands are grouped by spaces. Source: Unicode CLDR, `symbols/group`."""

_PLAIN_SPACE = r"""
      | (?<![0-9][:/hH])  # not the minutes of a time, nor the lower part of a fraction
        [1-9][0-9]{0,2}(?:\ [0-9]{3})+(?![0-9]|\ [0-9])"""


@cache
def _number(*, spaced: bool) -> re.Pattern[str]:
    return re.compile(
        rf"""
        (?:(?<!\w)(?P<minus>[{_MINUS}])[{_CURRENCY}]?)?  # not the hyphen between words or numbers
        (?P<whole>
            [1-9][0-9]{{0,2}}(?P<mark>[{_GROUPERS}{_SPACES}])[0-9]{{3}}
            (?:(?P=mark)[0-9]{{3}})*(?![0-9])
          | [1-9][0-9]?(?:,[0-9]{{2}})+,[0-9]{{3}}(?![0-9])
          {_PLAIN_SPACE if spaced else ""}
          | [0-9]+
        )
        (?:(?!(?P=mark))[{_DECIMAL_MARKS}](?P<fraction>[0-9]+))?
        """,
        re.VERBOSE,
    )


def find_first_number(text: str, language: str | None = None) -> Decimal | None:
    """The first number in `text`; None if it holds none.

    Parameters
    ----------
    text : str
        Anything.
    language : str, optional
        Canonical code of the text's language; None: a plain space separates numbers.

    Examples
    --------
    >>> find_first_number("الجواب: ١٢ تفاحة")
    Decimal('12')
    >>> find_first_number("no more than 2,125 blocks")
    Decimal('2125')
    >>> find_first_number("il en reste 12 345", "fr")
    Decimal('12345')
    """
    return next(_numbers(text, language), None)


def find_all_numbers(text: str, language: str | None = None) -> list[Decimal]:
    """Every number in `text`, in order; `language` as for `find_first_number`."""
    return list(_numbers(text, language))


def _numbers(text: str, language: str | None) -> Iterator[Decimal]:
    pattern = _number(spaced=_SPACED.fullmatch(language or "") is not None)
    for match in pattern.finditer(_with_ascii_digits(text.translate(_DIRECTION_MARKS))):
        whole = "".join(filter(str.isdigit, match["whole"]))
        sign = "-" if match["minus"] else ""
        yield Decimal(f"{sign}{whole}.{match['fraction'] or '0'}").normalize() + 0


def _with_ascii_digits(text: str) -> str:
    return "".join(_ascii_digit(char) for char in text)


def _ascii_digit(char: str) -> str:
    value = unicodedata.decimal(char, None)
    return char if value is None else str(value)
