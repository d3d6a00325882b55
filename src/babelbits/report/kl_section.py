"""What `babelbits kl` measured, as plain values for the page: maps of the mean, and a table of all.

Divergences are printed in millinats a token; more is further from the baseline. They are distances
and get no verdict. Pure: no markup, no files.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from babelbits.analysis import format as numbers
from babelbits.records import Interval
from babelbits.report import commands
from babelbits.report.views import STRONGEST_TINT
from babelbits.results.results import Results
from babelbits.stats.divergence import DivergenceSummary
from babelbits.study.planning.divergence_files import RecordedDivergence as Kept
from babelbits.study.planning.divergence_files import select_most_exact
from babelbits.words import agreeing, plural

EVERY_TOKEN = 1_000_000
"""More than any vocabulary has."""
NEARLY_ALL = 0.999
"""Kept probability from which on a bound is called a divergence."""

HEADS = (
    "mean KL, millinats",
    "99th percentile, millinats",
    "same top token, %",
    "perplexity ratio",
    "kept, %",
    "tokens",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KlCell:
    """A mean divergence, and how strongly it is tinted."""

    mean: str
    tint: str
    about: str
    """Its interval, for the pointer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KlMap:
    """A suite: languages × variants, the furthest language first; None where nothing is known."""

    suite: str
    variants: tuple[str, ...]
    rows: tuple[tuple[str, tuple[KlCell | None, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KlRow:
    """The values of `HEADS` for a variant in a language."""

    variant: str
    suite: str
    language: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KlSection:
    """All that the page shows of divergences."""

    maps: tuple[KlMap, ...]
    rows: tuple[KlRow, ...]
    label: str
    """Whether the numbers are bounds, and how loose they are."""


def make_section(report: Results) -> KlSection | None:
    """The section; None where nothing was measured."""
    best = [
        one for one in select_most_exact(report.divergences) if one.language in report.languages
    ]
    if not best:
        return None
    suites = dict.fromkeys(one.suite for one in best)
    return KlSection(
        maps=tuple(_map([one for one in best if one.suite == suite]) for suite in suites),
        rows=tuple(_row(one, one.summary) for one in best if one.summary is not None),
        label=_label(best, report),
    )


def _map(kept: Sequence[Kept]) -> KlMap:
    variants = tuple(dict.fromkeys(one.variant for one in kept))
    means = {
        (one.variant, one.language): one.summary.mean for one in kept if one.summary is not None
    }
    by_place = {(one.variant, one.language): one for one in kept}
    reach = max(means.values())
    worst = {
        code: max(mean for (_, language), mean in means.items() if language == code)
        for _, code in means
    }
    return KlMap(
        suite=kept[0].suite,
        variants=variants,
        rows=tuple(
            (code, tuple(_cell(by_place.get((variant, code)), reach) for variant in variants))
            for code in sorted(worst, key=lambda code: -worst[code])
        ),
    )


def _cell(one: Kept | None, reach: float) -> KlCell | None:
    if one is None or one.summary is None:
        return None
    mean = one.summary.mean
    return KlCell(
        mean=_number(1e3 * mean),
        tint=f"{STRONGEST_TINT * mean / reach if reach else 0:.2f}",
        about=_with("", one.summary.mean_interval, scale=1e3, digits=2).strip() or "one document",
    )


def _number(value: float) -> str:
    """Three digits that count, or fewer."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _row(one: Kept, summary: DivergenceSummary) -> KlRow:
    worst = next(quantile.value for quantile in summary.quantiles if quantile.share == 0.99)
    same, ratio = summary.same_top, summary.perplexity_ratio
    return KlRow(
        variant=one.variant,
        suite=one.suite,
        language=one.language,
        cells=(
            _with(f"{1e3 * summary.mean:.2f}", summary.mean_interval, scale=1e3, digits=2),
            f"{1e3 * worst:.1f}",
            _with(f"{100 * same:.1f}", summary.same_top_interval, scale=100, digits=1),
            _with(f"{ratio:.4f}", summary.perplexity_ratio_interval, scale=1, digits=4),
            f"{100 * summary.kept:.1f}",
            f"{summary.n_tokens:,}",
        ),
    )


def _with(text: str, interval: Interval | None, *, scale: float, digits: int) -> str:
    if interval is None:
        return text
    low, high = (f"{scale * edge:.{digits}f}" for edge in (interval.low, interval.high))
    return f"{text} [{low}, {high}]".replace("-", numbers.MINUS)


# --- how far a bound is to be trusted ------------------------------------------------------------


def _label(best: Sequence[Kept], report: Results) -> str:
    loose = [one for one in best if one.summary and one.summary.kept < NEARLY_ALL]
    measured = _shortfall(report.divergences)
    if not loose:
        return "KL over the whole vocabulary." + (f" {measured}" if measured else "")
    kept = [100 * one.summary.kept for one in loose if one.summary]
    sizes = sorted({one.k for one in loose})
    count = " or ".join(f"{k:,}" for k in sizes)
    text = (
        f"KL is a lower bound: the {count} "
        f"{agreeing(sizes[-1], 'token', 'tokens')} kept of each distribution hold "
        f"{min(kept):.1f} to {max(kept):.1f} % of the baseline's probability, and where they hold "
        "less the bound is further below the true value. Compare variants within a language; do "
        "not compare languages by it. "
    )
    if measured:
        return text + measured
    return text + (
        "How far below it is was not measured here: run "
        f"{commands.divergence(report.study, top=EVERY_TOKEN)} (which keeps 8 bytes of every token "
        "of the vocabulary for every token of text) and build the report again."
    )


def _shortfall(divergences: Sequence[Kept]) -> str:
    """How short bounds fell of the same divergences over the whole vocabulary; '' if not known."""
    exact = {
        (one.variant, one.suite, one.language): one.summary.mean
        for one in divergences
        if one.summary and one.summary.kept >= NEARLY_ALL and one.summary.mean > 0
    }
    shares: dict[int, list[float]] = {}
    for one in divergences:
        full = exact.get((one.variant, one.suite, one.language))
        if one.summary and one.summary.kept < NEARLY_ALL and full:
            shares.setdefault(one.k, []).append(100 * (1 - one.summary.mean / full))
    return " ".join(
        f"With {plural(k, 'token')} kept it is too low by {min(these):.0f} to "
        f"{max(these):.0f} % here "
        "(measured)."
        for k, these in sorted(shares.items())
    )
