"""From what a judge said to votes: one for each pair of each variant.

Identical pairs were never shown to a judge: their vote is a tie by construction, and says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from babelbits.preferences.answer_pairs import AnswerPair
from babelbits.preferences.votes import JudgeKind, Verdict, Vote

IDENTICAL = "identical"
"""Reason of a vote that nobody gave: both arms wrote the same."""
UNKNOWN = "unknown raters"
"""Whom votes are ascribed to where nobody says who gave them: a group, not one rater."""


class Comparable(Protocol):
    """What ties of identical pairs need to know of a pair."""

    @property
    def pair_id(self) -> str:
        """Hash of prompt and answers."""

    @property
    def source_id(self) -> str:
        """Of the prompt."""

    @property
    def language(self) -> str:
        """Canonical code."""

    @property
    def variant(self) -> str:
        """Label."""

    @property
    def identical(self) -> bool:
        """Whether both arms wrote the same."""


class PairJudgment(Protocol):
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
    said: Mapping[str, PairJudgment],
    *,
    judge: str,
    kind: JudgeKind,
) -> tuple[Vote, ...]:
    """Votes in the order of the pairs.

    Parameters
    ----------
    said : mapping
        Judgments by `pair_id`, of every pair that is not identical.
    """
    return tuple(
        _vote(pair, None if pair.identical else said[pair.pair_id], judge=judge, kind=kind)
        for pair in pairs
    )


def _vote(pair: AnswerPair, judgment: PairJudgment | None, *, judge: str, kind: JudgeKind) -> Vote:
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


def make_identical_ties(judged: Sequence[Vote], pairs: Sequence[Comparable]) -> list[Vote]:
    """Votes that no person gave: identical pairs, in proportion to the others that were judged.

    Identical pairs are prompts on which nobody prefers either answer: without them net preference
    would be about the prompts alone on which the models differ. Where a part of the other pairs was
    judged, as large a part of the identical ones counts. Those that were shown and judged are
    among the votes already.

    Parameters
    ----------
    pairs : sequence
        All pairs that could have been shown.
    """
    spoken = {vote.language for vote in judged}
    said = {(vote.variant, vote.language, vote.pair_id) for vote in judged}
    ties: list[Vote] = []
    for variant, language in dict.fromkeys((pair.variant, pair.language) for pair in pairs):
        mine = [one for one in pairs if (one.variant, one.language) == (variant, language)]
        unlike = {one.pair_id for one in mine if not one.identical}
        n_judged = sum((variant, language, pair_id) in said for pair_id in unlike)
        identical = sorted((one for one in mine if one.identical), key=lambda one: one.pair_id)
        share = n_judged / len(unlike) if unlike else float(language in spoken)
        shown = [one for one in identical if (variant, language, one.pair_id) in said]
        silent = [one for one in identical if (variant, language, one.pair_id) not in said]
        n_more = max(0, round(len(identical) * share) - len(shown))
        ties += [_tie(one) for one in silent[:n_more]]
    return ties


def _tie(pair: Comparable) -> Vote:
    return Vote(
        pair_id=pair.pair_id,
        source_id=pair.source_id,
        language=pair.language,
        variant=pair.variant,
        judge=IDENTICAL,
        kind="human",
        verdict="tie",
        value=0.0,
        reasons=(IDENTICAL,),
    )
