"""Importance matrices in several languages: a published study's tests beside paired ones.

Borgersen & Goodwin (2025, arXiv 2503.03592; "Paper B") quantized a model to three levels, each with
a matrix computed on English, Norwegian and Malayalam text, and tested every other matrix against
the English one. Their tests are RECONSTRUCTED here, for comparison and never for a verdict: by one
account an independent t-test, by another a Monte Carlo binomial model, both against 0.05 / 12. They
ignore that both models answered the same items, which loses most of the power there is. Beside them
stands what `compare` says anywhere, and the languages judged over draws of text.

The English matrix is the baseline here, not the unquantized model: ``delta = other - English`` of
an oriented score, negative where the other matrix harms more. One text a language is compared: what
differs are these texts; languages are told apart by `calibrations`, over draws of text. p-values
are two-sided. The page stands beside a study's report and repeats none of it.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from babelbits.analysis import AnalysisSettings
from babelbits.analysis import format as shown
from babelbits.analysis.calibrations import read_calibrations
from babelbits.analysis.cell_index import sort_cells
from babelbits.analysis.cells import BASELINE, CellResult
from babelbits.analysis.effects import conclude, draft
from babelbits.analysis.inference import Inference, infer
from babelbits.analysis.paired_samples import Part, Sample, select_part
from babelbits.analysis.results import CalibrationContrast
from babelbits.records import Effect, Metric
from babelbits.results.results import Results
from babelbits.stats.binary import paired_table
from babelbits.stats.detectable import ALPHA, POWER
from babelbits.stats.multiplicity import holm
from babelbits.stats.paired_scores import paired_differences

REFERENCE = "en"
"""The paper's question is about English matrices."""
HEADS = (
    "recipe",
    "matrix",
    "language",
    "items",
    "Δ",
    "t-test p",
    "binomial p",
    "MDE",
    "p",
    "p (Holm)",
    "interval",
    "MDE",
    "verdict",
)
DRAW_HEADS = (
    *("recipe", "task", "language", "matrix", "Δ to English", "interval", "p", "p (Holm)"),
    "sd of draws",
)


# --- the tests as reported ---------------------------------------------------------------------

COMPARISONS = 12
"""3 quantization levels x 2 evaluation languages x 2 alternative matrices (an inference)."""


def bonferroni_alpha(alpha: float = ALPHA, *, comparisons: int = COMPARISONS) -> float:
    """`alpha` shared out equally; 0.05 / 12 = 0.00417 is the study's adjusted level."""
    return alpha / comparisons


def independent_t_test(baseline: ArrayLike, variant: ArrayLike) -> float:
    """P of Student's t test as if two different sets of items had been answered (reconstruction).

    Returns 1.0 if no score varies in either run and the means are equal, and 0.0 if they differ.

    Raises
    ------
    UnpairedItemsError
        If the runs are not about equally many items, or a score is missing.
    """
    delta = paired_differences(baseline, variant)
    first, second = np.asarray(baseline, float), np.asarray(variant, float)
    if first.size < 2:
        raise ValueError("a t test needs two items in each run")
    if np.ptp(first) == 0 and np.ptp(second) == 0:
        return 1.0 if delta[0] == 0 else 0.0
    moments = (v for run in (second, first) for v in (run.mean(), run.std(ddof=1), run.size))
    return float(stats.ttest_ind_from_stats(*moments).pvalue)


def monte_carlo_binomial(
    baseline: ArrayLike, variant: ArrayLike, *, rng: np.random.Generator, draws: int = 10_000
) -> float:
    """P from simulated accuracies of two binomials with the pooled share (reconstruction).

    The share of draws whose difference is at least as large as the observed one; (k + 1) /
    (draws + 1), so that it is valid and never 0.

    Parameters
    ----------
    baseline, variant : shape (n_items,)
        0 or 1 per item.
    """
    table = paired_table(baseline, variant)
    n = table.n_items
    pooled = (2 * table.both_right + table.broke + table.fixed) / (2 * n)
    drawn = rng.binomial(n, pooled, size=(2, draws))
    hits = int(np.sum(np.abs(drawn[1] - drawn[0]) >= abs(table.fixed - table.broke)))
    return (hits + 1) / (draws + 1)


def unpaired_mean_minimal_effect(
    n_items: int, *, sd: float, alpha: float = ALPHA, power: float = POWER
) -> float:
    """Smallest difference of two independent means that is shown with `power`, in the unit of `sd`.

    (z + z) sd sqrt(2 / n), the usual approximation; n items in each run, `sd` between items.
    """
    z = float(stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power))
    return z * sd * math.sqrt(2 / n_items)


# --- every matrix against the English one ------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixComparison:
    """One matrix against the reference one: the same recipe, the same items."""

    recipe: str
    calibration: str
    reference: str
    """Languages of the two texts."""
    t_test_p: float | None
    """As reported, reconstruction; None with one item."""
    monte_carlo_p: float | None
    """As reported, reconstruction; None where items are not right or wrong."""
    unpaired_minimal_effect: float | None
    """What an unpaired test would show with 80 % power at `alpha`, in the metric's unit; None where
    the scores of the reference do not vary."""
    effect: Effect
    """The paired analysis; its family is all comparisons of the suite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """A comparison before its numbers."""

    recipe: str
    calibration: str
    sample: Sample


def compare_matrices(
    cells: Sequence[CellResult], settings: AnalysisSettings
) -> tuple[MatrixComparison, ...]:
    """Every matrix against the one of the reference language, in each language asked.

    Parameters
    ----------
    cells : sequence of CellResult
        Of a study; what was not calibrated is left out.
    settings : AnalysisSettings
        `calibrations` says which text a variant saw; of several draws the first is taken.
        Without a `reference` nothing is compared.

    Returns
    -------
    tuple of MatrixComparison
        Suite by suite; empty where no recipe was calibrated on the reference language and another.
    """
    pairs = list(_pairs(cells, settings))
    suites = list(dict.fromkeys(one.sample.info.suite for one in pairs))
    pairs.sort(key=lambda one: suites.index(one.sample.info.suite))
    found = infer([one.sample for one in pairs], settings)
    adjusted = _adjusted(pairs, found)
    return tuple(
        _comparison(pair, inference, adjusted.get(index), settings)
        for index, (pair, inference) in enumerate(zip(pairs, found, strict=True))
    )


def _pairs(cells: Sequence[CellResult], settings: AnalysisSettings) -> Iterator[_Pair]:
    """Recipe by recipe, each other matrix, each task that both were asked."""
    first: dict[str, dict[str, str]] = defaultdict(dict)
    for label, seen in settings.calibrations.items():
        first[seen.recipe].setdefault(seen.language, label)
    for recipe, labels in first.items():
        english = labels.pop(settings.reference or "", None)
        if english is None:
            continue
        desk = sort_cells(
            [_as_baseline(one) for one in cells if one.meta.variant == english]
            + [_against_it(one) for one in cells if one.meta.variant in labels.values()]
        )
        for language, label in labels.items():
            for paired in desk.pairs(desk.variants.get(label, {})).values():
                for cell, pairs in paired:
                    found = select_part(pairs, _primary(cell), settings=settings)
                    if found is not None:
                        yield _Pair(
                            recipe=recipe, calibration=language, sample=_sample(label, found)
                        )


def _as_baseline(cell: CellResult) -> CellResult:
    return replace(cell, meta=replace(cell.meta, variant=BASELINE, baseline=BASELINE, replicate=0))


def _against_it(cell: CellResult) -> CellResult:
    """Compared with the English matrix, whatever its verdicts are about."""
    return replace(cell, meta=replace(cell.meta, baseline=BASELINE))


def _primary(cell: CellResult) -> Metric:
    return cell.meta.task.metric(cell.meta.task.primary)


def _sample(label: str, found: Part) -> Sample:
    return Sample(variant=label, scope="language", group=None, parts=(found,))


def _adjusted(pairs: Sequence[_Pair], found: Sequence[Inference]) -> dict[int, float]:
    """Holm over the comparisons of a suite, by their place in `pairs`."""
    families: dict[str, dict[int, float]] = defaultdict(dict)
    for index, (pair, inference) in enumerate(zip(pairs, found, strict=True)):
        if inference.p_value is not None:
            families[pair.sample.info.suite][index] = inference.p_value
    return {
        index: p
        for members in families.values()
        for index, p in zip(members, holm(list(members.values())), strict=True)
    }


def _comparison(
    pair: _Pair, inference: Inference, p_adjusted: float | None, settings: AnalysisSettings
) -> MatrixComparison:
    [one] = pair.sample.parts
    found = draft(pair.sample, inference, settings=settings, noise={})
    binary = pair.sample.kind == "binary"
    rng = np.random.default_rng(settings.seed)
    n_items, sd = one.baseline.size, float(np.std(one.baseline))
    return MatrixComparison(
        recipe=pair.recipe,
        calibration=pair.calibration,
        reference=settings.reference or "",
        t_test_p=independent_t_test(one.baseline, one.variant) if n_items > 1 else None,
        monte_carlo_p=monte_carlo_binomial(one.baseline, one.variant, rng=rng) if binary else None,
        unpaired_minimal_effect=unpaired_mean_minimal_effect(n_items, sd=sd, alpha=settings.alpha)
        if sd > 0
        else None,
        effect=conclude(
            found,
            family=f"matrices · {pair.sample.info.suite}",
            p_adjusted=p_adjusted,
            settings=settings,
        ),
    )


def compare_with_english(report: Results) -> tuple[MatrixComparison, ...]:
    """Every matrix against the English one; empty where a study has no two to compare."""
    settings = AnalysisSettings(
        alpha=report.study.alpha,
        margins=report.study.margins,
        loss_caps=report.study.loss_caps,
        reference=REFERENCE,
        calibrations=read_calibrations(report.manifests),
        seed=report.study.seed,
    )
    return compare_matrices(report.cells, settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """All comparisons of one recipe on one suite, in short."""

    suite: str
    recipe: str
    unit: str
    smallest_t_test_p: float | None
    smallest_monte_carlo_p: float | None
    reported: int
    """Comparisons with a t-test p of at most the Bonferroni level."""
    unpaired_sees: float | None
    """What every unpaired test would show with 80 % power; None where that is unknown of some."""
    smallest_p: float | None
    """Paired, Holm over the suite."""
    different: int
    equivalent: int
    undecided: int
    paired_sees: float | None
    """The same for the paired tests; None where some could show no loss."""


def count_levels(comparisons: Sequence[MatrixComparison], *, alpha: float) -> list[Level]:
    """One row a suite and recipe, in order."""
    places = dict.fromkeys((one.effect.task, one.recipe) for one in comparisons)
    return [
        _level([one for one in comparisons if (one.effect.task, one.recipe) == place], alpha=alpha)
        for place in places
    ]


def _level(ones: Sequence[MatrixComparison], *, alpha: float) -> Level:
    verdicts = Counter(one.effect.decision.verdict for one in ones)
    first = ones[0]
    level = bonferroni_alpha(alpha)
    return Level(
        suite=first.effect.task,
        recipe=first.recipe,
        unit=first.effect.unit,
        smallest_t_test_p=_smallest([one.t_test_p for one in ones]),
        smallest_monte_carlo_p=_smallest([one.monte_carlo_p for one in ones]),
        reported=sum(one.t_test_p is not None and one.t_test_p <= level for one in ones),
        unpaired_sees=_largest([one.unpaired_minimal_effect for one in ones]),
        smallest_p=_smallest([one.effect.inference.p_adjusted for one in ones]),
        different=verdicts["worse"] + verdicts["better"],
        equivalent=verdicts["equivalent"],
        undecided=verdicts["undecided"],
        paired_sees=_largest([one.effect.inference.minimal_detectable_effect for one in ones]),
    )


def _smallest(values: Sequence[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _largest(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) else None


def compare_over_draws(report: Results) -> list[CalibrationContrast]:
    """Languages of the matrix judged against draws of text; those with one draw say nothing."""
    return [one for one in report.analysis.calibrations if one.p_value is not None]


# --- the page ------------------------------------------------------------------------------------


def to_markdown(report: Results) -> str:
    """Every comparison, suite by suite, then the languages against draws of text."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Results) -> Iterator[str]:
    comparisons = compare_with_english(report)
    yield f"# {report.study.name}: importance matrices against the English one"
    yield ""
    if report.study.smoke or report.analysis.smoke:
        yield "**SMOKE run: a few items a task. Nothing here is a result.**"
        yield ""
    yield from explain_columns(report)
    for suite in dict.fromkeys(one.effect.task for one in comparisons):
        ones = [one for one in comparisons if one.effect.task == suite]
        unit = shown.unit_word(ones[0].effect.unit)
        yield from ("", f"## {suite}, {unit}", "")
        yield from _table(HEADS, [_row(one) for one in ones])
    draws = compare_over_draws(report)
    if draws:
        yield from ("", "## Languages of the matrix against draws of text", "")
        yield from _table(DRAW_HEADS, [draw_row(one) for one in draws])


def explain_columns(report: Results) -> Iterator[str]:
    """How to read the columns, for the page."""
    level = bonferroni_alpha(report.study.alpha)
    yield "Δ: the matrix named less the English one, on the same items; negative is harm."
    yield (
        "*t-test p* and *binomial p* are RECONSTRUCTIONS of the tests of arXiv 2503.03592, which "
        f"calls significant what is below {report.study.alpha:g} / {COMPARISONS} = {level:.5f}; "
        "they treat the two models as if they had answered different items."
    )
    yield (
        "*p*, *interval* and *verdict* are of the same items, pair by pair; *p (Holm)* is "
        "adjusted over the comparisons of the task."
    )
    yield (
        "*MDE*: minimum detectable effect, the smallest difference shown with 80 % power; "
        f"{shown.NOTHING}: so few answers changed that none could be."
    )
    yield "These compare texts, one a language; only draws of text tell a language from a text."


def _row(one: MatrixComparison) -> tuple[str, ...]:
    effect = one.effect
    unit = effect.unit
    return (
        one.recipe,
        one.calibration,
        effect.language or "all",
        str(effect.counts.n_items),
        shown.signed(effect.delta, unit),
        shown.p_value(one.t_test_p),
        shown.p_value(one.monte_carlo_p),
        shown.score(one.unpaired_minimal_effect, unit),
        shown.p_value(effect.inference.p_value),
        shown.p_value(effect.inference.p_adjusted),
        shown.interval(effect.inference.interval, unit),
        shown.score(effect.inference.minimal_detectable_effect, unit),
        effect.decision.verdict,
    )


def draw_row(one: CalibrationContrast) -> tuple[str, ...]:
    """One contrast of calibration languages, as text."""
    return (
        one.recipe,
        one.suite,
        one.language or "all",
        one.calibration,
        shown.amount(one.difference, one.unit),
        shown.interval(one.interval, one.unit),
        shown.p_value(one.p_value),
        shown.p_value(one.p_adjusted),
        shown.score(one.draw_sd, one.unit),
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A Markdown table whose columns line up in a terminal too."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for number, row in enumerate((heads, *rows)):
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        yield f"| {' | '.join(cells)} |"
        if number == 0:
            yield f"|{'|'.join('-' * (width + 2) for width in widths)}|"
