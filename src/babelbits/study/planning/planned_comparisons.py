"""What a study will compare, known before anything is built or run: for planning its power.

Counts the items of our own tasks, whose data are at hand, and takes published numbers for public
benchmarks; everything else is unknown. Loads neither torch nor lm-eval.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from babelbits.records import TaskInfo
from babelbits.study.config.spec import Study, SuiteSpec
from babelbits.study.planning.plan import build_light
from babelbits.tasks import catalogue
from babelbits.tasks.base import TaskOptions
from babelbits.tasks.published_sizes import find_published_size


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTask:
    """One suite in one language."""

    suite: str
    language: str
    n_items: int | None
    """None: unknown until the task is built."""
    unit: str
    """Of its primary metric."""
    binary: bool
    """Whether an item is right or wrong, so that a churn says all about its spread."""
    parallel: bool
    tests: int
    """Size of the Holm family of its comparison: one variant's languages unless declared."""
    margin: float | None


def list_planned_comparisons(study: Study) -> tuple[PlannedTask, ...]:
    """Every task of a study, with its margin and the size of its family.

    Raises
    ------
    TaskError
        If the data of one of our own tasks cannot be read.
    """
    return tuple(
        plan_comparison(
            suite.suite,
            language,
            options=suite.options,
            tests=_family(study, suite),
            margins=study.analysis.margins,
        )
        for suite in study.suites
        for language in suite.languages
    )


def plan_comparison(
    suite: str,
    language: str,
    *,
    options: TaskOptions,
    tests: int,
    margins: Mapping[str, float],
) -> PlannedTask:
    """One task, by its suite's name and its language's canonical code."""
    task = build_light(suite, language, options)
    if task is None:
        suite_info = catalogue.find_info(
            suite, include_path=options.include_path, data=options.data
        )
        size, limit = find_published_size(suite, language), options.limit
        n_items = size if size is None or limit is None else min(size, limit)
        # The primary metrics of lm-eval's tasks here: exact match and accuracy.
        unit, binary, parallel = "fraction", True, suite_info.parallel
    else:
        info: TaskInfo = task.info
        primary = info.metric(info.primary)
        n_items, unit = len(task.items()), primary.unit
        binary, parallel = primary.kind == "binary", info.parallel
    return PlannedTask(
        suite=suite,
        language=language,
        n_items=n_items,
        unit=unit,
        binary=binary,
        parallel=parallel,
        tests=tests,
        margin=margins.get(suite, margins.get(unit)),
    )


def _family(study: Study, suite: SuiteSpec) -> int:
    """How many comparisons of single languages are adjusted together (see `analysis.families`)."""
    declared = study.analysis.confirmatory
    if declared is None:
        return len(suite.languages)
    variants = [one.label for one in study.compared]
    family = sum(
        len(one.languages)
        for label in variants
        for one in study.suites
        if declared.covers(label, one.suite)
    )
    return max(1, family) if any(declared.covers(one, suite.suite) for one in variants) else 1
