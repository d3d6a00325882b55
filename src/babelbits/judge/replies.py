"""What a judge's reply says: a verdict, a score, a refusal, or nothing that can be read.

Only the reply is read, never the question; only after the marker that the question asks for, which
bears the question's nonce; and the last marker decides. What is no verdict gets no value: a reply
that cannot be read is no loss, no win and no tie.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from babelbits.engines.chat import ChatAnswer, ChatFailure

Outcome = Literal["A", "B", "tie", "score", "refused", "unparsed", "error"]
NO_VERDICT: tuple[Outcome, ...] = ("refused", "unparsed", "error")

_WORDS: Mapping[str, Outcome] = {"A": "A", "B": "B", "TIE": "tie", "NONE": "refused"}
_MARKERS = {"pairwise": "VERDICT", "direct": "SCORE"}
_TAIL = {"pairwise": "A|B|TIE|NONE", "direct": r"[1-5]|NONE"}
_DECORATION = r"[\s*_`\"'\[\](){}<>.]*"
"""What models put around a word: bold, brackets, quotes, a full stop."""
_THOUGHT = "</think>"
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
    reason: str = ""
    """Why there is no verdict."""


def read(answer: ChatAnswer, *, nonce: str, mode: Literal["pairwise", "direct"]) -> Reading:
    """What an answer of a chat model says.

    A reply that was cut off is not read: its verdict would have been its last line.
    """
    if isinstance(answer, ChatFailure):
        outcome: Outcome = "refused" if answer.kind == "filtered" else "error"
        return Reading(outcome=outcome, reason=f"{answer.kind}: {answer.message}")
    if answer.finish_reason == "length":
        return Reading(outcome="unparsed", reason="cut off before its end")
    return parse(answer.text, nonce=nonce, mode=mode)


def parse(text: str, *, nonce: str, mode: Literal["pairwise", "direct"]) -> Reading:
    """What a whole reply says.

    Parameters
    ----------
    text : str
        The reply; thoughts before `</think>` are left out.
    nonce : str
        Of the question: a marker without it is somebody else's.
    """
    said = text.rpartition(_THOUGHT)[2]
    marker = rf"{_MARKERS[mode]}{_DECORATION}{re.escape(nonce)}{_DECORATION}[:：]"
    found = list(re.finditer(marker, said, re.IGNORECASE))
    if not found:
        if _REFUSAL.search(said.strip()[:_BEGINNING]):
            return Reading(outcome="refused", reason="declined in words")
        return Reading(outcome="unparsed", reason="no verdict line")
    line = said[found[-1].end() :].lstrip().partition("\n")[0]
    verdict = re.fullmatch(f"{_DECORATION}({_TAIL[mode]}){_DECORATION}", line, re.IGNORECASE)
    if verdict is None:
        return Reading(outcome="unparsed", reason=f"no verdict after the marker: {line[:60]!r}")
    return _reading(verdict[1].upper())


def _reading(word: str) -> Reading:
    if word.isdigit():
        return Reading(outcome="score", score=int(word))
    outcome = _WORDS[word]
    reason = "says that it cannot judge" if outcome == "refused" else ""
    return Reading(outcome=outcome, reason=reason)
