"""What a judge's reply says: a verdict, a score, a grade, an option, a refusal, or nothing.

Only the reply is read, never the question; only after the marker that the question asks for, which
bears the question's nonce; and the last marker decides. What is no verdict gets no value: a reply
that cannot be read is no loss, no win and no tie.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from babelbits.engines.chat import ChatAnswer, ChatFailure
from babelbits.engines.thinking import cut_thinking

Mode = Literal["pairwise", "direct", "grade", "option"]
"""Which of two answers is better; how good one is, from 1 to 5; how far it agrees with gold
answers, from 0 to 1; which of several options it chooses."""
Outcome = Literal[
    "A",
    "B",
    "tie",
    "score",
    "grade",
    "option",
    "no_option",
    "refused",
    "unparsed",
    "error",
]
"""no_option: the answer chooses none, which is a verdict. The last three are none."""
NO_VERDICT: tuple[Outcome, ...] = ("refused", "unparsed", "error")

_WORDS: Mapping[str, Outcome] = {"A": "A", "B": "B", "TIE": "tie"}
_MARKERS: Mapping[Mode, str] = {
    "pairwise": "VERDICT",
    "direct": "SCORE",
    "grade": "GRADE",
    "option": "OPTION",
}
_TAIL: Mapping[Mode, str] = {
    "pairwise": "A|B|TIE|NONE",
    "direct": r"[1-5]|NONE",
    "grade": r"0(?:[.,]\d+)?|1(?:[.,]0+)?|NONE",
    "option": r"[A-Z]|NO[ _-]?OPTION|NONE",
}
_OPENING = r"[\s*_`\"'\[\](){}<>]*"
_DECORATION = r"[\s*_`\"'\[\](){}<>.]*"
"""What models put around a word: bold, brackets, quotes, a full stop. No full stop before a grade:
'.1' is no 1."""
_REFUSAL = re.compile(
    r"\bI(?:'|’)?(?:m| am)? ?(?:sorry|unable|cannot|can(?:'|’)t|won(?:'|’)t|must decline)"
    r"|\bas an AI\b|\bcannot (?:assist|help|comply)",
    re.IGNORECASE,
)
_BEGINNING = 300
"""Characters in which a refusal is looked for: it comes first, if it comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one reply says."""

    outcome: Outcome
    score: int | None = None
    """1 to 5 where `outcome` is 'score'."""
    grade: float | None = None
    """0 to 1 where `outcome` is 'grade'."""
    option: str = ""
    """The letter where `outcome` is 'option'."""
    reason: str = ""
    """Why there is no verdict."""


def read(answer: ChatAnswer, *, nonce: str, mode: Mode) -> Reading:
    """What an answer of a chat model says.

    A reply that was cut off is not read: its verdict would have been its last line.
    """
    if isinstance(answer, ChatFailure):
        outcome: Outcome = "refused" if answer.kind == "filtered" else "error"
        return Reading(outcome=outcome, reason=f"{answer.kind}: {answer.message}")
    if answer.finish_reason == "length":
        return Reading(outcome="unparsed", reason="cut off before its end")
    return parse(answer.text, nonce=nonce, mode=mode)


def parse(text: str, *, nonce: str, mode: Mode) -> Reading:
    """What a whole reply says.

    Parameters
    ----------
    text : str
        The reply; thinking is left out.
    nonce : str
        Of the question: a marker without it is somebody else's.
    """
    said = cut_thinking(text)
    marker = rf"{_MARKERS[mode]}{_DECORATION}{re.escape(nonce)}{_DECORATION}[:：]"
    markers = list(re.finditer(marker, said, re.IGNORECASE))
    if not markers:
        if _REFUSAL.search(said.strip()[:_BEGINNING]):
            return Reading(outcome="refused", reason="declined in words")
        return Reading(outcome="unparsed", reason="no verdict line")
    line = said[markers[-1].end() :].lstrip().partition("\n")[0]
    opening = _OPENING if mode == "grade" else _DECORATION
    verdict = re.fullmatch(f"{opening}({_TAIL[mode]}){_DECORATION}", line, re.IGNORECASE)
    if verdict is None:
        return Reading(outcome="unparsed", reason=f"no verdict after the marker: {line[:60]!r}")
    return _reading(verdict[1].upper(), mode)


def _reading(word: str, mode: Mode) -> Reading:
    if word == "NONE":
        return Reading(outcome="refused", reason="says that it cannot judge")
    match mode:
        case "direct":
            return Reading(outcome="score", score=int(word))
        case "grade":
            return Reading(outcome="grade", grade=float(word.replace(",", ".")))
        case "option" if len(word) == 1:
            return Reading(outcome="option", option=word)
        case "option":
            return Reading(outcome="no_option")
        case "pairwise":
            return Reading(outcome=_WORDS[word])
