r"""Whether a text follows an instruction that a rule can check, in the language of the text.

The instructions are IFEval's (Zhou et al. 2023, arXiv 2311.07911), which Multi-IF (He et al. 2024,
arXiv 2410.15553) asks in more languages, under the same ids. On English text the rules are those of
lm-eval's `ifeval`; elsewhere they differ where a rule for English is wrong:

- a word is a run of letters with their marks (`\w+` alone cuts Hindi and Malayalam words in two),
  and is not counted where words are not set apart by spaces;
- a comma is the script's comma too, a quotation mark the language's;
- sentences end at the script's marks; Thai and Lao have none;
- capitals are asked for only where the script has them.

What cannot be checked is None with the reason, never a guess. Texts are hostile: instructions hold
keywords, which are never read as patterns.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from babelbits.languages import resolve
from babelbits.tasks.confusion import identify_text
from babelbits.tasks.language_id import Identifier, is_same_language

VERSION = 1
"""Changes whenever the same answer could be judged differently."""
NO_SPACES = frozenset({"Thai", "Laoo", "Khmr", "Mymr", "Tibt", "Jpan", "Hans", "Hant", "Hani"})
"""Scripts in which words are not set apart by spaces."""
NO_STOPS = frozenset({"Thai", "Laoo"})
"""Scripts in which sentences end without a mark."""
CASED = frozenset({"Latn", "Cyrl", "Grek", "Armn"})
COMMAS = ",،，、﹐︐፣՝"
_STOPS = ".!?。！？।॥؟۔።။។…"
_QUOTES = ('""', "“”", "„“", "„”", "«»", "»«", "「」", "『』", "””")
_ANSWERS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
Kwargs = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a rule says of one instruction."""

    followed: bool | None
    reason: str = ""
    """Why it cannot be checked; '' where it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """An instruction with all that a rule needs beside the text."""

    kwargs: Kwargs
    prompt: str
    language: str
    script: str
    identifier: Identifier | None

    def whole(self, name: str) -> int:
        return int(self.kwargs[name])

    def text(self, name: str) -> str:
        return str(self.kwargs[name])


def check(
    instruction: str,
    text: str,
    *,
    kwargs: Kwargs,
    prompt: str,
    language: str,
    identifier: Identifier | None,
) -> Checked:
    """Whether a text follows an instruction.

    Parameters
    ----------
    instruction : str
        IFEval's id, e.g. 'length_constraints:number_words'.
    text : str
        What the model wrote.
    kwargs : mapping
        The instruction's, as IFEval's files have them; None values are left out.
    prompt : str
        As it was asked.
    language : str
        Canonical code of the language that is written.
    identifier : Identifier or None
        Names the language of a text, for the one instruction that asks for one.
    """
    rule = RULES.get(instruction)
    if rule is None:
        return Checked(followed=None, reason=f"no rule is known for '{instruction}'")
    known = resolve(language)
    asked = _Asked(
        kwargs={name: value for name, value in kwargs.items() if value is not None},
        prompt=prompt,
        language=known.code,
        script=known.script,
        identifier=identifier,
    )
    why = explain_unchecked(instruction, language=language)
    if why is not None:
        return Checked(followed=None, reason=why)
    try:
        found = rule(text, asked)
    except (KeyError, TypeError, ValueError) as error:
        return Checked(followed=None, reason=f"{instruction}: its arguments are wrong: {error!r}")
    return (
        Checked(followed=found[0], reason=found[1])
        if isinstance(found, tuple)
        else Checked(followed=found)
    )


def explain_unchecked(instruction: str, *, language: str) -> str | None:
    """Why an instruction cannot be checked in a language; None: it can.

    Of `language:response_language` only a text can tell.
    """
    known = resolve(language)
    name = instruction.partition(":")[2]
    if known.script in NO_SPACES and name in ("number_words", "nth_paragraph_first_word"):
        return f"{name}: not checkable in {known.name}: words are not separated by spaces"
    if known.script in NO_STOPS and name == "number_sentences":
        return f"{name}: not checkable in {known.name}: sentences end without a mark"
    if known.script not in CASED and instruction.startswith("change_case:"):
        return f"{name}: not checkable in {known.name}: its script has no capital letters"
    if name == "constrained_response" and known.code != "en":
        return f"{name}: not checkable in {known.name}: the answers to choose from are English"
    return None


# --- counting ----------------------------------------------------------------------------------


def find_words(text: str) -> list[str]:
    """Runs of letters, digits and their marks; the marks are left out."""
    bare = "".join(
        one for one in text if unicodedata.category(one)[0] not in "M" and one not in _JOINERS
    )
    return re.findall(r"\w+", bare)


_JOINERS = "\u200c\u200d"


def find_sentences(text: str) -> int:
    """Stretches with a letter or digit that end at a mark or with the text.

    A mark inside a number or between letters ends nothing: 3.5, example.com.
    """
    flat = re.sub(r"(?<=\w)\.(?=\w)", "", " ".join(text.split()))
    parts = re.split(f"[{_STOPS}]+", flat)
    return sum(any(map(str.isalnum, one)) for one in parts)


def has_word(text: str, word: str, *, script: str) -> bool:
    """Whether a word stands in a text by itself, whatever its case.

    Where words are not set apart by spaces: whether it stands there at all.
    """
    place = -1
    haystack, needle = text.casefold(), word.casefold()
    while (place := haystack.find(needle, place + 1)) >= 0 and needle:
        end = place + len(needle)
        before = haystack[place - 1 : place]
        if script in NO_SPACES or not (_in_word(before) or _in_word(haystack[end : end + 1])):
            return True
    return False


def _in_word(character: str) -> bool:
    return bool(character) and (
        character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M"
    )


def _compared(count: int, asked: _Asked, least: str, relation: str = "relation") -> bool:
    said = asked.text(relation)
    if said == "less than":
        return count < asked.whole(least)
    if said == "at least":
        return count >= asked.whole(least)
    raise ValueError(f"'{relation}' must be 'less than' or 'at least', found {said!r}")


# --- the rules ---------------------------------------------------------------------------------

Verdict = bool | tuple[bool | None, str]
Rule = Callable[[str, _Asked], Verdict]


def _language(text: str, asked: _Asked) -> Verdict:
    wanted = resolve(asked.text("language"))
    if asked.identifier is None or not asked.identifier.knows(wanted.code):
        return None, f"response_language: no identifier here knows {wanted.name}"
    guess = identify_text(text, asked.identifier)
    return guess is not None and is_same_language(guess.code, wanted.code)


def _keywords(text: str, asked: _Asked) -> Verdict:
    return all(str(one).casefold() in text.casefold() for one in asked.kwargs["keywords"])


def _keyword_count(text: str, asked: _Asked) -> Verdict:
    count = text.casefold().count(asked.text("keyword").strip().casefold())
    return _compared(count, asked, "frequency")


def _forbidden(text: str, asked: _Asked) -> Verdict:
    given = asked.kwargs["forbidden_words"]
    return not any(has_word(text, str(one), script=asked.script) for one in given)


def _letters(text: str, asked: _Asked) -> Verdict:
    letter = asked.text("letter").strip().lower()
    if len(letter) != 1:
        return None, f"letter_frequency: {letter!r} is no single letter"
    return _compared(text.lower().count(letter), asked, "let_frequency", "let_relation")


def _paragraphs(text: str, asked: _Asked) -> Verdict:
    parts = re.split(r"\s?\*\*\*\s?", text)
    if any(not one.strip() for one in parts[1:-1]):
        return False
    return sum(bool(one.strip()) for one in parts) == asked.whole("num_paragraphs")


def _first_word(text: str, asked: _Asked) -> Verdict:
    parts = text.split("\n\n")
    count = sum(bool(one.strip()) for one in parts)
    number = asked.whole("nth_paragraph")
    if number > count or not parts[number - 1].strip():
        return False
    first = parts[number - 1].split()[0].lstrip("'").lstrip('"')
    word = re.split(r"[.,?!'\"،。？！]", first)[0].lower()
    return count == asked.whole("num_paragraphs") and word == asked.text("first_word").lower()


def _placeholders(text: str, asked: _Asked) -> Verdict:
    return len(re.findall(r"\[.*?\]", text)) >= asked.whole("num_placeholders")


def _postscript(text: str, asked: _Asked) -> Verdict:
    marker = asked.text("postscript_marker").strip()
    pattern = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}.get(marker)
    return bool(re.search(pattern or re.escape(marker.lower()), text.lower()))


def _bullets(text: str, asked: _Asked) -> Verdict:
    stars = re.findall(r"^\s*\*[^\*].*$", text, flags=re.MULTILINE)
    dashes = re.findall(r"^\s*-.*$", text, flags=re.MULTILINE)
    return len(stars) + len(dashes) == asked.whole("num_bullets")


def _highlights(text: str, asked: _Asked) -> Verdict:
    once = [one for one in re.findall(r"\*[^\n\*]*\*", text) if one.strip("*").strip()]
    twice = [one for one in re.findall(r"\*\*[^\n\*]*\*\*", text) if one.strip("*").strip()]
    return len(once) + len(twice) >= asked.whole("num_highlights")


def _sections(text: str, asked: _Asked) -> Verdict:
    mark = re.escape(asked.text("section_spliter").strip())
    return len(re.findall(rf"\s?{mark}\s?\d+\s?", text)) >= asked.whole("num_sections")


def _json(text: str, _asked: _Asked) -> Verdict:
    bare = re.sub(r"^```(?:json|Json|JSON)?", "", text.strip()).removesuffix("```").strip()
    try:
        json.loads(bare)
    except (ValueError, RecursionError):
        return False
    return True


def _two_responses(text: str, _asked: _Asked) -> Verdict:
    parts = [one.strip() for one in text.split("******")]
    if not all(parts[1:-1]):
        return False
    said = [one for one in parts if one]
    return len(said) == 2 and said[0] != said[1]


def _repeats(text: str, asked: _Asked) -> Verdict:
    wanted = asked.text("prompt_to_repeat").strip().lower()
    return text.strip().lower().startswith(wanted)


def _ends(text: str, asked: _Asked) -> Verdict:
    return text.strip().strip('"').lower().endswith(asked.text("end_phrase").strip().lower())


def _title(text: str, _asked: _Asked) -> Verdict:
    return any(one.strip("<>").strip() for one in re.findall(r"<<[^\n]+>>", text))


def _capital_words(text: str, asked: _Asked) -> Verdict:
    count = sum(one.isupper() for one in find_words(text))
    return _compared(count, asked, "capital_frequency", "capital_relation")


def _quoted(text: str, _asked: _Asked) -> Verdict:
    bare = text.strip()
    return len(bare) > 1 and bare[0] + bare[-1] in _QUOTES


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "keywords:existence": _keywords,
        "keywords:frequency": _keyword_count,
        "keywords:forbidden_words": _forbidden,
        "keywords:letter_frequency": _letters,
        "language:response_language": _language,
        "length_constraints:number_sentences": lambda text, asked: _compared(
            find_sentences(text), asked, "num_sentences"
        ),
        "length_constraints:number_paragraphs": _paragraphs,
        "length_constraints:number_words": lambda text, asked: _compared(
            len(find_words(text)), asked, "num_words"
        ),
        "length_constraints:nth_paragraph_first_word": _first_word,
        "detectable_content:number_placeholders": _placeholders,
        "detectable_content:postscript": _postscript,
        "detectable_format:number_bullet_lists": _bullets,
        "detectable_format:constrained_response": lambda text, _: any(
            one in text for one in _ANSWERS
        ),
        "detectable_format:number_highlighted_sections": _highlights,
        "detectable_format:multiple_sections": _sections,
        "detectable_format:json_format": _json,
        "detectable_format:title": _title,
        "combination:two_responses": _two_responses,
        "combination:repeat_prompt": _repeats,
        "startend:end_checker": _ends,
        "startend:quotation": _quoted,
        "change_case:capital_word_frequency": _capital_words,
        "change_case:english_capital": lambda text, _: text.isupper(),
        "change_case:english_lowercase": lambda text, _: text.islower(),
        "punctuation:no_comma": lambda text, _: not any(one in text for one in COMMAS),
    }
)
"""IFEval's id to its rule."""
