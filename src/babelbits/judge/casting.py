"""From what a judge said to votes: one for each pair of each variant.

Identical pairs were never shown to a judge: their vote is a tie by construction, and says so.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from babelbits.judge.pairs import AnswerPair
from babelbits.judge.votes import JudgeKind, Verdict, Vote

IDENTICAL = "identical"
"""Reason of a vote that nobody gave: both arms wrote the same."""


class Judgment(Protocol):
    """What was said of one pair."""

    @property
    def verdict(self) -> Verdict:
        """In words."""

    @property
    def value(self) -> float | None:
        """In [-1, 1]; None: no verdict."""

    @property
    def reason(self) -> str:
        """Why there is no verdict."""


def cast_votes(
    pairs: Iterable[AnswerPair],
    said: Mapping[str, Judgment],
    *,
    judge: str,
    kind: JudgeKind,
) -> tuple[Vote, ...]:
    """Votes in the order of the pairs.

    Parameters
    ----------
    said : mapping
        Judgments by `pair_id`, of every pair that is not identical.
    judge : str
        Name of the judge.
    """
    return tuple(
        _vote(pair, None if pair.identical else said[pair.pair_id], judge=judge, kind=kind)
        for pair in pairs
    )


def _vote(pair: AnswerPair, judgment: Judgment | None, *, judge: str, kind: JudgeKind) -> Vote:
    verdict: Verdict = "tie"
    value: float | None = 0.0
    reasons: tuple[str, ...] = (IDENTICAL,)
    if judgment is not None:
        verdict, value = judgment.verdict, judgment.value
        reasons = (judgment.reason,) if judgment.reason else ()
    return Vote(
        pair_id=pair.pair_id,
        source_id=pair.source_id,
        language=pair.language,
        variant=pair.variant,
        judge=judge,
        kind=kind,
        verdict=verdict,
        value=value,
        reasons=reasons,
    )
