"""Graded answers as finished cells, whose score is the grade.

`judge_grade` in [0, 1] for answers held against gold answers, `judge_acc` (right or wrong) for
written choices; of a sampled item, the mean. An item without a grade in one arm is left out of
both by `compare`; `fill_missing_grades` says what it would be worth at worst and at best.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean
from typing import Literal

from babelbits.analysis import CellResult
from babelbits.judge.grading.answers import (
    AskedItem,
    find_kind,
    is_reference,
    list_asked,
    make_label,
)
from babelbits.judge.grading.grader import Grade
from babelbits.records import Failure, ItemRow, Metric, TaskInfo

GRADE, ACCURACY = "judge_grade", "judge_acc"
Side = Literal["worst", "best"]
"""For the variant."""
Value = Callable[[ItemRow], float | None]


def make_metric(info: TaskInfo) -> Metric:
    """What the judge's grades of a task are."""
    if find_kind(info.suite) == "grade":
        return Metric(name=GRADE, kind="bounded")
    # A letter drawn at random is worth the same whoever reads it.
    return Metric(name=ACCURACY, kind="binary", chance=info.metric(info.primary).chance)


def find_value(row: ItemRow, grades: Mapping[AskedItem, Grade], *, suite: str) -> float | None:
    """The item's grade, of samples the mean; None where one has none."""
    values = [grades[one].value(row.target) for one in list_asked(row, suite=suite)]
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None


def graded(
    cells: Sequence[CellResult], grades: Mapping[AskedItem, Grade]
) -> tuple[CellResult, ...]:
    """The cells with the grade as their only score."""
    return tuple(
        _rescored(cell, partial(find_value, grades=grades, suite=cell.meta.task.suite))
        for cell in cells
    )


def fill_missing_grades(
    cells: Sequence[CellResult], grades: Mapping[AskedItem, Grade], *, side: Side
) -> tuple[CellResult, ...]:
    """The same cells with every missing grade at its worst, or best, for the variant.

    An answer that both arms share is worth the same in both, whatever that is.
    """
    against, favour = (1.0, 0.0) if side == "worst" else (0.0, 1.0)
    shared = _ungraded_of_baselines(cells, grades)

    def filled(cell: CellResult) -> CellResult:
        suite = cell.meta.task.suite
        ours = shared.get(cell.meta.baseline, {})

        def value(row: ItemRow) -> float:
            known = find_value(row, grades, suite=suite)
            if known is not None:
                return known
            if is_reference(cell.meta) or ours.get(row.item_id) == list_asked(row, suite=suite):
                return against
            return favour

        return _rescored(cell, value)

    return tuple(map(filled, cells))


def find_ungraded(
    cells: Sequence[CellResult], grades: Mapping[AskedItem, Grade]
) -> dict[tuple[str, str], set[str]]:
    """Items with an answer and no grade, by label of the variant and task."""
    return {
        (make_label(cell.meta), cell.meta.task.name): {
            row.item_id
            for row in cell.rows
            if row.failure is None and find_value(row, grades, suite=cell.meta.task.suite) is None
        }
        for cell in cells
    }


def _ungraded_of_baselines(
    cells: Sequence[CellResult], grades: Mapping[AskedItem, Grade]
) -> dict[str, dict[str, tuple[AskedItem, ...]]]:
    """By label of each baseline, its items with an answer and no grade."""
    found: dict[str, dict[str, tuple[AskedItem, ...]]] = {}
    for cell in cells:
        if is_reference(cell.meta):
            suite = cell.meta.task.suite
            found.setdefault(cell.meta.variant, {}).update(
                (row.item_id, list_asked(row, suite=suite))
                for row in cell.rows
                if row.failure is None and find_value(row, grades, suite=suite) is None
            )
    return found


def _rescored(cell: CellResult, value: Value) -> CellResult:
    info = cell.meta.task
    metric = make_metric(info)
    task = replace(info, metrics=(metric,), primary=metric.name, scorer_version="judge")
    return CellResult(
        meta=replace(cell.meta, task=task),
        rows=tuple(_row(row, metric.name, value) for row in cell.rows),
    )


def _row(row: ItemRow, metric: str, value: Value) -> ItemRow:
    if row.failure is not None:
        return replace(row, scores={metric: None}, statistics={})
    score = value(row)
    failure = Failure(kind="scoring_failed", message="no grade") if score is None else None
    return replace(row, scores={metric: score}, statistics={}, failure=failure)
