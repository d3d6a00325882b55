"""One judge grades the answers of one run folder, and everything is kept in the judge's folder.

    RUN/grades/ID/
      judge.json       which judge: model, templates, settings; what its grades depend on
      answers.sqlite   each reply, written as soon as it is known
      journal.jsonl    failures, with their cost
      grades.jsonl     a line an answer of the last run, with the grade and the rule's score
      effects.jsonl    a line an effect of the last run, whole
      summary.json     effects, coverage and agreement of the last run

Costs are in the currency of the user's price.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from babelbits.analysis import AnalysisSettings, CellResult, Problem
from babelbits.analysis.tables import make_effect_row
from babelbits.judge.asking import Progress
from babelbits.judge.grading.answers import AskedItem, list_asked, make_label
from babelbits.judge.grading.grade_effects import GradedEffect, compute_graded_effects
from babelbits.judge.grading.grade_store import EFFECTS
from babelbits.judge.grading.graded import find_value
from babelbits.judge.grading.grader import Grade, Grader, grade_answers
from babelbits.judge.grading.rule_agreement import (
    Coverage,
    RuleAgreement,
    count_coverage,
    measure_agreement,
)
from babelbits.judge.ledger import SUMMARY, Ledger, judge_id
from babelbits.records import JSON, ItemRow, canonical_json
from babelbits.records.effects import flatten_effect
from babelbits.store.atomic import write_atomically
from babelbits.store.codec import to_json

SCHEMA = "babelbits.grades/1"
GRADES = "grades.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeResult:
    """What a judge graded, and what it shows."""

    judge: str
    identity: Mapping[str, Any]
    folder: Path
    effects: tuple[GradedEffect, ...]
    coverage: tuple[Coverage, ...]
    accords: tuple[RuleAgreement, ...]
    problems: tuple[Problem, ...]
    reasons: Mapping[str, int]
    """Why distinct answers have no grade, in the judge's or the endpoint's words, counted."""
    n_errors: int
    """Distinct answers that could be asked about again."""
    spent: float | None
    """By all runs of this judge, in the price's currency; None where no price is known."""
    settings: AnalysisSettings
    cells: tuple[str, ...]
    """Ids of the cells whose answers were graded."""
    smoke: bool
    """Some cell was limited in items: nothing here is a result."""


def run_grading(
    grader: Grader,
    cells: Sequence[CellResult],
    *,
    parent: Path,
    settings: AnalysisSettings,
    progress: Progress | None = None,
) -> GradeResult:
    """Grade recorded answers; what is recorded in `parent` already is not asked again.

    Raises
    ------
    StoreError
        If the folder cannot be written, is in use, or its journal is damaged.
    """
    folder = grade_folder(parent, grader)
    record = {**grader.identity, "name": grader.name, "babelbits": version("babelbits")}
    with Ledger(folder, identity=record) as ledger:
        answers = [one for _, _, asked in _answered(cells) for one in asked]
        grades = grade_answers(answers, grader, ledger, progress=progress)
        analysis = compute_graded_effects(cells, grades, settings)
        result = GradeResult(
            judge=grader.name,
            identity=grader.identity,
            folder=folder,
            effects=analysis.effects,
            coverage=count_coverage(cells, grades),
            accords=measure_agreement(cells, grades),
            problems=analysis.problems,
            reasons=Counter(one.reason for one in grades.values() if not one.is_graded),
            n_errors=sum(one.outcome == "error" for one in grades.values()),
            spent=ledger.spent_in_all(grader.spent),
            settings=settings,
            cells=tuple(cell.meta.cell_id for cell in cells),
            smoke=any(cell.meta.smoke for cell in cells),
        )
        lines = [f"{canonical_json(one)}\n" for one in _lines(cells, grades)]
        write_atomically(folder / GRADES, "".join(lines).encode())
        effects = [f"{canonical_json(_recorded(one))}\n" for one in result.effects]
        write_atomically(folder / EFFECTS, "".join(effects).encode())
        write_atomically(folder / SUMMARY, canonical_json(as_object(result)).encode() + b"\n")
    return result


def grade_folder(parent: Path, grader: Grader) -> Path:
    """Where a judge keeps its grades."""
    return parent / judge_id(grader.identity)


def _answered(
    cells: Sequence[CellResult],
) -> Iterator[tuple[CellResult, ItemRow, tuple[AskedItem, ...]]]:
    """Cell, row and what is to be graded, of every row with an answer."""
    for cell in cells:
        for row in cell.rows:
            if row.failure is None:
                yield cell, row, list_asked(row, suite=cell.meta.task.suite)


def _lines(cells: Sequence[CellResult], grades: Mapping[AskedItem, Grade]) -> Iterator[JSON]:
    for cell, row, asked in _answered(cells):
        task = cell.meta.task
        yield {
            "variant": make_label(cell.meta),
            "suite": task.suite,
            "task": task.name,
            "language": task.language,
            "item_id": row.item_id,
            "source_id": row.source_id,
            "kind": asked[0].kind,
            "value": find_value(row, grades, suite=task.suite),
            "rule": {task.primary: row.scores.get(task.primary)},
            "answers": [to_json(grades[one]) for one in asked],
        }


def as_object(result: GradeResult) -> JSON:
    """The result as JSON; fractions, harm negative."""
    return {
        "schema": SCHEMA,
        "judge": result.judge,
        "identity": dict(result.identity),
        "folder": str(result.folder),
        "spent": result.spent,
        "alpha": result.settings.alpha,
        "margins": dict(result.settings.margins),
        "seed": result.settings.seed,
        "cells": list(result.cells),
        "smoke": result.smoke,
        "effects": [_row(one) for one in result.effects],
        "coverage": [
            {**to_json(one), "ungraded_share": one.ungraded_share} for one in result.coverage
        ],
        "agreement": [
            {**to_json(one), "n": one.n, "agreement": one.agreement} for one in result.accords
        ],
        "ungraded": dict(result.reasons),
        "n_errors": result.n_errors,
        "problems": [to_json(one) for one in result.problems],
    }


def _recorded(one: GradedEffect) -> JSON:
    """As it stands on disk: the effect's groups are in memory only."""
    return {**to_json(one), "effect": flatten_effect(one.effect)}


def _row(one: GradedEffect) -> JSON:
    return {
        **make_effect_row(one.effect),
        "n_ungraded": one.n_ungraded,
        "bounds": None if one.bounds is None else list(one.bounds),
    }
