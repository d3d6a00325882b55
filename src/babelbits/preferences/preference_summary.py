"""What judges and people said, side by side, and how far they agree. Nothing is pooled.

A metric counts items, a judge prefers texts, people prefer others: three units that no number
converts into each other. They are shown next to each other because their *disagreement* is the
finding (Marchisio et al. 2024, arXiv 2407.03211: people saw far more damage than metrics did).
Sign: positive prefers the variant, so harm is negative. Fractions, not points.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from babelbits.preferences.agreement import JudgeAndPeople, judge_and_people
from babelbits.preferences.summary import SummarySettings, VoteSummary, summarise
from babelbits.preferences.to_votes import IDENTICAL, UNKNOWN
from babelbits.preferences.vote_store import RecordedVotes
from babelbits.preferences.votes import Vote
from babelbits.records import Interval
from babelbits.stats.agreement import (
    RaterAgreement,
    alpha_interval,
    krippendorff_alpha,
    leave_one_out,
    raw_agreement,
)
from babelbits.stats.bradley_terry import BradleyTerry, bradley_terry
from babelbits.stats.paired_scores import FloatArray

_BASELINE = "baseline"
_RESAMPLES = 500
"""Of an agreement's interval, which nobody reads to the third digit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """How far the raters of one language agree with each other."""

    language: str
    n_raters: int
    """Those who are known."""
    n_unknown: int
    """Votes of unknown raters: agreement among raters cannot be computed from them."""
    n_pairs: int
    """Pairs with a verdict of at least one rater."""
    n_shared: int
    """Pairs with verdicts of two or more."""
    alpha: float | None
    """Krippendorff's, ordinal over loss, tie and win; None where it is undefined."""
    interval: Interval | None
    raw: float | None
    """Share of pairs of ratings that are the same."""
    raters: tuple[RaterAgreement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VoterSummary:
    """One judge, or one panel of people."""

    book: RecordedVotes
    summaries: tuple[VoteSummary, ...]
    panels: tuple[Panel, ...]
    """A row a language; empty for models."""
    strengths: BradleyTerry | None
    """Of all variants on one scale, over all languages; None with fewer than two variants, or
    where one of them never lost or never won."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeHumanAgreement:
    """A judge against a panel."""

    judge: str
    people: str
    rows: tuple[JudgeAndPeople, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceSummary:
    """Everybody who judged a run."""

    voices: tuple[VoterSummary, ...]
    accords: tuple[JudgeHumanAgreement, ...]

    @property
    def simulated(self) -> tuple[str, ...]:
        """Names of those whose votes a program made up."""
        return tuple(voice.book.name for voice in self.voices if voice.book.simulated)


def summarise_preferences(
    books: Sequence[RecordedVotes], settings: SummarySettings
) -> PreferenceSummary:
    """Summarise every book by itself, then hold each judge against each panel.

    Parameters
    ----------
    settings : SummarySettings
        Margin, level and seed; the same for all, since all are net preferences.
    """
    people = [book for book in books if book.kind == "human"]
    judges = [book for book in books if book.kind != "human"]
    return PreferenceSummary(
        voices=tuple(_voice(book, settings) for book in books),
        accords=tuple(
            JudgeHumanAgreement(judge=judge.name, people=panel.name, rows=rows)
            for judge in judges
            for panel in people
            if (rows := judge_and_people(judge.votes, panel.votes))
        ),
    )


def _voice(book: RecordedVotes, settings: SummarySettings) -> VoterSummary:
    rng = np.random.default_rng([settings.seed, len(book.votes)])
    panels: tuple[Panel, ...] = ()
    if book.kind == "human":
        languages = sorted({vote.language for vote in book.votes})
        panels = tuple(_panel(book.votes, language, rng) for language in languages)
    return VoterSummary(
        book=book,
        summaries=summarise(book.votes, settings),
        panels=panels,
        strengths=_strengths(book.votes, rng),
    )


def _panel(votes: Iterable[Vote], language: str, rng: np.random.Generator) -> Panel:
    spoken = [
        vote
        for vote in votes
        if vote.language == language and vote.value is not None and IDENTICAL not in vote.reasons
    ]
    known = [vote for vote in spoken if vote.judge != UNKNOWN]
    raters, ratings = _matrix(known)
    seen = (~np.isnan(ratings)).sum(axis=0)
    return Panel(
        language=language,
        n_raters=len(raters),
        n_unknown=len(spoken) - len(known),
        n_pairs=len({(vote.variant, vote.pair_id) for vote in spoken}),
        n_shared=int((seen > 1).sum()),
        alpha=krippendorff_alpha(ratings, measurement="ordinal"),
        interval=alpha_interval(ratings, measurement="ordinal", rng=rng, resamples=_RESAMPLES),
        raw=raw_agreement(ratings),
        raters=leave_one_out(ratings, raters=raters, measurement="ordinal"),
    )


def _matrix(votes: Sequence[Vote]) -> tuple[tuple[str, ...], FloatArray]:
    """A row a rater, a column a pair, -1, 0 or 1; NaN where a rater did not see a pair."""
    raters = tuple(sorted({vote.judge for vote in votes}))
    units = sorted({(vote.variant, vote.pair_id) for vote in votes})
    rows = {rater: place for place, rater in enumerate(raters)}
    columns = {unit: place for place, unit in enumerate(units)}
    ratings = np.full((len(raters), len(units)), np.nan)
    for vote in votes:
        value = np.nan if vote.value is None else np.sign(vote.value)
        ratings[rows[vote.judge], columns[vote.variant, vote.pair_id]] = value
    return raters, ratings


def _strengths(votes: Iterable[Vote], rng: np.random.Generator) -> BradleyTerry | None:
    """Every vote compares a variant with the baseline, which has the strength 0."""
    spoken = [vote for vote in votes if vote.value is not None]
    variants = {vote.variant for vote in spoken}
    if len(variants) < 2:
        return None
    return bradley_terry(
        [vote.variant for vote in spoken],
        [_BASELINE] * len(spoken),
        [float(np.sign(vote.value or 0.0)) for vote in spoken],
        reference=_BASELINE,
        rng=rng,
        prompts=[vote.source_id for vote in spoken],
    )
