"""The section of bounds, ranks and variation: worst language, ranks, joint estimates, variation.

Pure: no markup, no files. Nothing in it is a verdict, and it says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from babelbits.analysis import format as numbers
from babelbits.analysis.results import SuiteBeside, VariantRank, Variation
from babelbits.analysis.variation import RATERS
from babelbits.languages import Language
from babelbits.preferences.preference_summary import PreferenceSummary
from babelbits.preferences.to_votes import IDENTICAL, UNKNOWN
from babelbits.report.views import LONGEST_TABLE
from babelbits.results.results import Results
from babelbits.stats.raters import spread_of_raters
from babelbits.words import plural

BOUND_COLUMNS = ("variant", "task", "no language loses more than", "mean", "sd between languages")
RANK_COLUMNS = ("variant", "task", "language", "Δ", "rank", "Δ shrunk towards the mean")
VARIANT_COLUMNS = ("task", "variant", "Δ", "rank")
VARIATION_COLUMNS = ("task", "source of variation", "sd of the mean", "estimated from")

Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JointEstimatesSection:
    """Four tables; a table without rows is not shown."""

    bounds: Rows
    ranks: Rows
    variants: Rows
    variation: Rows


def make_section(report: Results) -> JointEstimatesSection | None:
    """The tables of a report; None where there is nothing beside verdicts."""
    analysis = report.analysis
    found = JointEstimatesSection(
        bounds=tuple(map(_bound, analysis.beside)),
        ranks=tuple(_ranks(analysis.beside, report.languages))[:LONGEST_TABLE],
        variants=tuple(_variants(analysis.variant_ranks)),
        variation=tuple(map(_variation, (*analysis.variation, *_rater_variation(report.voices)))),
    )
    return found if any((found.bounds, found.variants, found.variation)) else None


def describe_bound(one: SuiteBeside) -> str:
    """'no language of math loses more than 3.2 points (95 % certain)', or why that is not known."""
    if one.bound is None:
        return (
            f"how much the worst language of {one.suite} may lose is not known: {one.bound_reason}"
        )
    level = numbers.percent(one.bound_level, digits=0)
    lost = numbers.size(-one.bound, one.unit)
    return f"no language of {one.suite} loses more than {lost} ({level} confidence)"


def _bound(one: SuiteBeside) -> tuple[str, ...]:
    if one.bound is None:
        bound = f"not known: {one.bound_reason}"
    else:
        bound = numbers.size(-one.bound, one.unit)
    spread = numbers.NOTHING if one.tau is None else f"sd {numbers.size(one.tau, one.unit)}"
    return one.variant, one.suite, bound, numbers.signed(one.mean, one.unit), spread


def _ranks(
    suites: tuple[SuiteBeside, ...], languages: Mapping[str, Language]
) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for suite in suites:
        for one in sorted(suite.languages, key=lambda language: language.delta):
            name = languages[one.language].name if one.language in languages else one.language
            rows.append(
                (
                    suite.variant,
                    suite.suite,
                    name,
                    numbers.signed(one.delta, suite.unit),
                    _rank(one.hardest, one.mildest),
                    numbers.signed(one.pooled, suite.unit),
                )
            )
    return rows


def _rank(first: int | None, last: int | None) -> str:
    if first is None or last is None:
        return numbers.NOTHING
    return f"{first}" if first == last else f"{first} to {last}"


def _variants(found: tuple[VariantRank, ...]) -> list[tuple[str, ...]]:
    return [
        (suite, one.variant, numbers.signed(one.delta, one.unit), _rank(one.best, one.worst))
        for suite, ones in groupby(found, key=lambda one: one.suite)
        for one in sorted(ones, key=lambda one: -one.delta)
    ]


def _variation(one: Variation) -> tuple[str, ...]:
    amount = f"sd {numbers.size(one.sd, one.unit)}"
    return one.suite, one.source, amount, plural(one.n, one.kind)


def _rater_variation(voices: PreferenceSummary | None) -> list[Variation]:
    """How far people's tastes move a net preference: of one rater, in points of it."""
    rows = []
    for voice in () if voices is None else voices.voices:
        votes = [
            (vote.value, vote.judge)
            for vote in voice.book.votes
            if vote.kind == "human"
            and vote.value is not None
            and vote.judge != UNKNOWN
            and IDENTICAL not in vote.reasons
        ]
        spread = spread_of_raters([v for v, _ in votes], [w for _, w in votes]) if votes else None
        if spread is not None:
            rows.append(
                Variation(
                    source=f"{RATERS}, one each",
                    suite=f"{voice.book.name}, net preference",
                    unit="fraction",
                    sd=spread,
                    n=len({who for _, who in votes}),
                    kind="rater",
                )
            )
    return rows
