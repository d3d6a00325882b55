"""What of a translation can be checked without knowing the language. Pure.

Every check compares a piece with its source and says in words what differs, so that a model that is
asked again knows what to mend. Numbers are compared by their digits, whatever the script and the
separators: '1,234.5', '1 234,5' and '१२३४.५' are one number.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from babelbits.translate.units import Unit
from babelbits.words import plural

_LETTERS_TO_DIFFER = 15
"""A text with fewer letters may be the same in both languages: a name, a unit."""
_LETTERS_OF_A_PIECE = 40
"""One piece of several may stay as it is (a title), if it is shorter than this."""
_BYTES_FOR_LENGTH = 60
_SHORTEST, _LONGEST = 0.25, 6.0
"""Bytes of a translation, relative to its source; Malayalam takes about 3 times English."""

_PLACEHOLDER = re.compile(
    r"\{\{.*?\}\}|\{[\w.:,-]*\}|%\(\w+\)[sdf]|%[sdif](?![a-z])|\$\{\w+\}|</?[A-Za-z][^<>\n]{0,80}>"
    r"|\[\[?[A-Z_]{2,}\]?\]|_{1,}(?=\W|$)"
)
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_MATHS = re.compile(r"\$\$.+?\$\$|(?<![\w$])\$[^$\n]*[\\^_={}][^$\n]*\$|\\[a-zA-Z]+", re.DOTALL)
_ADDRESS = re.compile(r"https?://[^\s<>\"')\]]+|www\.[^\s<>\"')\]]+|[\w.+-]+@[\w-]+\.[\w.-]+\w")
_NUMBER = re.compile(
    r"\d+(?:[.,'\u2019\u066b\u066c\uff0c\uff0e]\d+|[ \u00a0\u202f\u2009]\d{3}(?!\d))*"
)
_OPTION = re.compile(r"^[ \t]*([(\[]?[A-J][.)\]])(?=\s)", re.MULTILINE)
_META = re.compile(
    r"^\W*(?:here(?:'s| is| are)\b.{0,60}\btranslat|sure\b[,!. ]|certainly\b[,!. ]|of course\b[,!]"
    r"|translation\s*:|translated text\b|note\s*:|as an ai\b|i(?:'m| am) (?:sorry|unable|an ai)\b"
    r"|i can(?:not|'t|’t)\b.{0,40}\b(?:translat|assist|help|provide|fulfil|comply)"
    r"|(?:assistant|user|system)\s*:|oversettelse\s*:|traduction\s*:|traducci[óo]n\s*:"
    r"|[üu]bersetzung\s*:|翻訳\s*[:：]|翻译\s*[:：]|번역\s*[:：]|अनुवाद\s*:|الترجمة\s*:|перевод\s*:)"
    r"|^\W*(?:note|translator'?s? note)\s*:|\bI (?:have|'ve) (?:kept|translated|preserved)\b"
    r"|<\|?(?:im_start|im_end|endoftext|eot_id)\|?>|<think>",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationProblem:
    """Something wrong with a translation."""

    check: str
    message: str


def check(unit: Unit, translated: Mapping[str, str]) -> list[TranslationProblem]:
    """Everything that the structure of a translation shows; empty where it passes.

    Parameters
    ----------
    unit : Unit
        With its source.
    translated : mapping
        Name to translation, of every piece of the unit.
    """
    failures = [
        TranslationProblem(
            check=name, message=f"{piece}: {message}" if len(unit.texts) > 1 else message
        )
        for piece, source in unit.texts.items()
        for name, message in _of_piece(source, translated[piece])
    ]
    return failures + list(_of_unit(unit, translated))


def _of_piece(source: str, text: str) -> Iterator[tuple[str, str]]:
    if not text.strip():
        yield "empty", "the translation is empty"
        return
    for name, checks in _KEPT.items():
        difference = _difference(checks(source), checks(text))
        if difference:
            yield name, f"{name} must stay as they are: {difference}"
    yield from _lines(source, text)
    if _META.search(text) and not _META.search(source):
        found = _META.search(text)
        yield "meta", f"not a translation but talk about it: {_short(found[0] if found else text)}"
    ratio = len(text.encode()) / len(source.encode())
    if len(source.encode()) >= _BYTES_FOR_LENGTH and not _SHORTEST <= ratio <= _LONGEST:
        yield "length", f"{ratio:.2g} times as long as the source in bytes"


def _lines(source: str, text: str) -> Iterator[tuple[str, str]]:
    ours, theirs = source.split("\n"), text.split("\n")
    if len(ours) != len(theirs):
        yield "lines", f"{plural(len(theirs), 'line')} in place of {len(ours)}"
    elif [not line.strip() for line in ours] != [not line.strip() for line in theirs]:
        yield "lines", "blank lines are in other places"


def _of_unit(unit: Unit, translated: Mapping[str, str]) -> Iterator[TranslationProblem]:
    texts = unit.texts
    same = [name for name, source in texts.items() if _flat(source) == _flat(translated[name])]
    whole = " ".join(texts.values())
    long = [name for name in same if count_letters(texts[name]) >= _LETTERS_OF_A_PIECE]
    if len(same) == len(texts) and count_letters(whole) >= _LETTERS_TO_DIFFER:
        yield TranslationProblem(check="identical", message="the text was not translated")
    elif long:
        yield TranslationProblem(check="identical", message=f"not translated: {', '.join(long)}")
    for names in unit.lists:
        sources = {_flat(texts[name]) for name in names}
        if len({_flat(translated[name]) for name in names}) < len(sources):
            yield TranslationProblem(
                check="distinct", message="values that differ became the same in translation"
            )


# --- what must be kept ---------------------------------------------------------------------------


def find_placeholders(text: str) -> Counter[str]:
    """Slots, tags, format directives and blanks."""
    return Counter(_PLACEHOLDER.findall(_CODE.sub(" ", text)))


def find_code(text: str) -> Counter[str]:
    """Code between back-ticks."""
    return Counter(_CODE.findall(text))


def find_formulas(text: str) -> Counter[str]:
    """TeX between dollars, and its commands."""
    return Counter(_MATHS.findall(text))


def find_addresses(text: str) -> Counter[str]:
    """URLs and mail addresses."""
    return Counter(address.rstrip(".,;:!?") for address in _ADDRESS.findall(text))


def find_numbers(text: str) -> Counter[str]:
    """Numbers by their ASCII digits, without separators; those in URLs, code and tags left out."""
    bare = _ADDRESS.sub(" ", _CODE.sub(" ", text))
    ascii_digits = "".join(_ascii(character) for character in bare)
    return Counter(re.sub(r"\D", "", number) for number in _NUMBER.findall(ascii_digits))


def find_option_letters(text: str) -> Counter[str]:
    """'A.', '(B)' at the beginnings of lines."""
    return Counter(_OPTION.findall(text))


_KEPT: Mapping[str, Callable[[str], Counter[str]]] = {
    "placeholders": find_placeholders,
    "code": find_code,
    "formulas": find_formulas,
    "addresses": find_addresses,
    "numbers": find_numbers,
    "option letters": find_option_letters,
}
CHECKS = (
    *("reply", "empty", *_KEPT, "lines", "meta", "length", "identical", "distinct"),
    *("language", "back_translation"),
)
"""Names of all checks, as rows and failures have them."""


def count_letters(text: str) -> int:
    """How many letters a text has."""
    return sum(character.isalpha() for character in text)


def _ascii(character: str) -> str:
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)


def _difference(source: Counter[str], text: Counter[str]) -> str:
    missing, added = source - text, text - source
    parts = []
    if missing:
        parts.append(f"missing {_listed(missing)}")
    if added:
        parts.append(f"added {_listed(added)}")
    return "; ".join(parts)


def _listed(counted: Counter[str]) -> str:
    return ", ".join(_short(item) for item in list(counted.elements())[:5])


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 60 else f"{flat[:60]}…"


def _flat(text: str) -> str:
    return " ".join(text.casefold().split())
