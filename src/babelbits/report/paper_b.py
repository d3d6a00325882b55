"""Paper B's tests as reported beside paired ones, as rows for a table and as a Markdown page.

The page stands beside a study's report and repeats none of it. Numbers come from `analysis.paper_b`
(every matrix against the English one; harm is negative) and from the report's own contrasts of
calibration languages over draws of text.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from babelbits.analysis import AnalysisSettings
from babelbits.analysis import format as shown
from babelbits.analysis.calibrations import calibrations_of
from babelbits.analysis.paper_b import MatrixComparison, matrix_comparisons
from babelbits.analysis.results import CalibrationContrast
from babelbits.results.results import Results
from babelbits.stats.reported import COMPARISONS, bonferroni_alpha

REFERENCE = "en"
"""The paper's question is about English matrices."""
HEADS = (
    "recipe",
    "matrix",
    "asked",
    "items",
    "Δ",
    "t-test p",
    "binomial p",
    "sees",
    "p",
    "p (Holm)",
    "interval",
    "sees",
    "verdict",
)
DRAW_HEADS = (
    *("recipe", "task", "asked", "matrix", "Δ to English", "interval", "p", "p (Holm)"),
    "sd of draws",
)


def compared(report: Results) -> tuple[MatrixComparison, ...]:
    """Every matrix against the English one; empty where a study has no two to compare."""
    settings = AnalysisSettings(
        alpha=report.study.alpha,
        margins=report.study.margins,
        loss_caps=report.study.loss_caps,
        reference=REFERENCE,
        calibrations=calibrations_of(report.manifests),
        seed=report.study.seed,
    )
    return matrix_comparisons(report.cells, settings)


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


def levels(comparisons: Sequence[MatrixComparison], *, alpha: float) -> list[Level]:
    """One row a suite and recipe, in order."""
    places = dict.fromkeys((one.effect.task, one.recipe) for one in comparisons)
    return [
        _level([one for one in comparisons if (one.effect.task, one.recipe) == place], alpha=alpha)
        for place in places
    ]


def _level(ones: Sequence[MatrixComparison], *, alpha: float) -> Level:
    verdicts = Counter(one.effect.verdict for one in ones)
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
        smallest_p=_smallest([one.effect.p_adjusted for one in ones]),
        different=verdicts["worse"] + verdicts["better"],
        equivalent=verdicts["equivalent"],
        undecided=verdicts["undecided"],
        paired_sees=_largest([one.effect.minimal_detectable_effect for one in ones]),
    )


def _smallest(values: Sequence[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _largest(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) else None


def over_draws(report: Results) -> list[CalibrationContrast]:
    """Languages of the matrix judged against draws of text; those with one draw say nothing."""
    return [one for one in report.analysis.calibrations if one.p_value is not None]


# --- the page ------------------------------------------------------------------------------------


def to_markdown(report: Results) -> str:
    """Every comparison, suite by suite, then the languages against draws of text."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Results) -> Iterator[str]:
    comparisons = compared(report)
    yield f"# {report.study.name}: importance matrices against the English one"
    yield ""
    if report.study.smoke or report.analysis.smoke:
        yield "**SMOKE run: a few items a task. Nothing here is a result.**"
        yield ""
    yield from explanation(report)
    for suite in dict.fromkeys(one.effect.task for one in comparisons):
        ones = [one for one in comparisons if one.effect.task == suite]
        unit = shown.unit_word(ones[0].effect.unit)
        yield from ("", f"## {suite}, {unit}", "")
        yield from _table(HEADS, [_row(one) for one in ones])
    draws = over_draws(report)
    if draws:
        yield from ("", "## Languages of the matrix against draws of text", "")
        yield from _table(DRAW_HEADS, [draw_row(one) for one in draws])


def explanation(report: Results) -> Iterator[str]:
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
        "*sees*: the smallest difference shown with 80 % power; "
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
        str(effect.n_items),
        shown.signed(effect.delta, unit),
        shown.p_value(one.t_test_p),
        shown.p_value(one.monte_carlo_p),
        shown.score(one.unpaired_minimal_effect, unit),
        shown.p_value(effect.p_value),
        shown.p_value(effect.p_adjusted),
        shown.interval(effect.interval, unit),
        shown.score(effect.minimal_detectable_effect, unit),
        effect.verdict,
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
