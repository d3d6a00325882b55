"""What keeps an analysis from being whole: missing, failed, mismatched and noisy cells."""

from collections import Counter
from collections.abc import Iterable, Sequence

from babelbits.analysis.cells import BASELINE, CellResult, describe_place, select_failed
from babelbits.analysis.format import size
from babelbits.analysis.results import Problem, ProblemKind
from babelbits.errors import UnpairedItemsError
from babelbits.records import Effect, TaskInfo
from babelbits.words import plural

RUN_AGAIN = "run the study again; only what is missing runs"


def make_problem(
    cell: CellResult, kind: ProblemKind, message: str, *, hint: str, severe: bool = True
) -> Problem:
    """A problem with one cell."""
    return Problem(
        kind=kind,
        severity="error" if severe else "warning",
        message=f"{describe_place(cell)}: {message}",
        hint=hint,
        variant=cell.meta.variant,
        suite=cell.meta.task.suite,
        language=cell.meta.task.language,
    )


def report_duplicate(cell: CellResult) -> Problem:
    """The same cell came twice; the first is used."""
    return make_problem(
        cell,
        "duplicate_cell",
        "came twice; the first one is used",
        hint="give variants different names",
    )


def find_early_stopping(effects: Sequence[Effect]) -> list[Problem]:
    """Suites whose languages ran for as long as their own results made them."""
    suites = dict.fromkeys(effect.task for effect in effects if effect.counts.n_planned is not None)
    return [
        Problem(
            kind="could_stop",
            severity="warning",
            message=f"{suite}: cells stopped when their verdict was known, so differences are "
            "overestimated a little and groups of languages are not contrasted",
            hint="run the study without --early-stopping for that",
            suite=suite,
        )
        for suite in suites
    ]


def report_missing_baseline(cell: CellResult) -> Problem:
    """Nothing to compare a cell with."""
    if cell.meta.is_baseline or cell.meta.baseline == BASELINE:
        return make_problem(
            cell, "missing_baseline", "the baseline has no such cell", hint=RUN_AGAIN
        )
    return make_problem(
        cell,
        "missing_baseline",
        f"{cell.meta.baseline}, which it is compared with, has no such cell",
        hint=f"{RUN_AGAIN}; or set `baseline_by_engine = false` under [analysis] before that",
    )


def report_unpaired(cell: CellResult, error: UnpairedItemsError) -> Problem:
    """A cell about other items than the baseline's."""
    hint = error.hint or "run baseline and variant on the same items"
    return make_problem(cell, "unpaired_items", error.what, hint=hint)


def find_different_scorer(cell: CellResult, baseline: TaskInfo) -> Problem | None:
    """Scores of two scorer versions, or of other metrics, are not comparable."""
    task = cell.meta.task
    if (task.scorer_version, task.metrics) == (baseline.scorer_version, baseline.metrics):
        return None
    message = (
        f"scored by version {task.scorer_version} ({_names(task)}), "
        f"the baseline by {baseline.scorer_version} ({_names(baseline)})"
    )
    return make_problem(cell, "different_scorer", message, hint="run the older cell again")


def _names(task: TaskInfo) -> str:
    return ", ".join(metric.name for metric in task.metrics)


def find_failed_items(cell: CellResult) -> Problem | None:
    """Items without an answer: counted and shown, and left out of the pairs."""
    kinds = Counter(row.failure.kind for row in select_failed(cell.rows) if row.failure is not None)
    if not kinds:
        return None
    causes = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    message = f"{kinds.total()} of {plural(len(cell.rows), 'item')} failed ({causes})"
    hint = "they are left out of the pairs; look at them with `babelbits show`"
    return make_problem(cell, "failed_items", message, hint=hint, severe=False)


def report_no_pairs(cell: CellResult, metric: str) -> Problem:
    """No item has a score in both arms."""
    message = f"no item has a value of {metric} both here and at baseline"
    return make_problem(cell, "no_pairs", message, hint="see why the items failed")


def find_missing_cells(
    variants: Iterable[str], tasks: Sequence[TaskInfo], have: set[tuple[str, str]]
) -> list[Problem]:
    """Tasks that the baseline has and a variant lacks."""
    return [
        Problem(
            kind="missing_cell",
            severity="error",
            message=f"{variant} · {task.name}: not run or not finished",
            hint=RUN_AGAIN,
            variant=variant,
            suite=task.suite,
            language=task.language,
        )
        for variant in variants
        for task in tasks
        if (variant, task.name) not in have
    ]


def find_missing_aa(tasks: Sequence[TaskInfo], have: set[str]) -> list[Problem]:
    """Suites whose noise floor is unknown, in whole or for some languages."""
    lacking: dict[str, list[str]] = {}
    for task in tasks:
        if task.name not in have:
            lacking.setdefault(task.suite, []).append(task.language)
    return [
        Problem(
            kind="no_aa",
            severity="warning",
            message=f"{suite}: no A/A run for {', '.join(languages)}; the noise floor is unknown",
            hint="set `aa = true` under [analysis] and run the study again",
            variant=BASELINE,
            suite=suite,
        )
        for suite, languages in lacking.items()
    ]


def find_noisy_aa(effects: Iterable[Effect], primary: dict[str, str]) -> list[Problem]:
    """The baseline against itself moves by more than the margin: noise hides what is asked."""
    return [
        Problem(
            kind="aa_beyond_margin",
            severity="error",
            message=f"{effect.task} · {effect.language}: the baseline run twice differs by "
            f"{size(abs(effect.delta), effect.unit)}, more than the margin of "
            f"{size(effect.decision.margin, effect.unit)}",
            hint="use a wider margin, more items or float32; differences of this size are noise",
            variant=BASELINE,
            suite=effect.task,
            language=effect.language,
        )
        for effect in effects
        if effect.scope == "language"
        and effect.metric == primary[effect.task]
        and effect.decision.margin is not None
        and abs(effect.delta) > effect.decision.margin
    ]
