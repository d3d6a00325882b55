"""What judges graded of a run, as it is recorded beside it: a folder for each judge.

Reading changes nothing. A folder without a summary is a judge that has not finished, and is left
out. A grade belongs to the cells that it was given to: a run that was made anew has none.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelbits.errors import StoreError
from babelbits.judge.grading.grade_effects import GradedEffect
from babelbits.judge.grading.rule_agreement import Coverage, RuleAgreement
from babelbits.judge.ledger import SUMMARY
from babelbits.records.effects import group_fields
from babelbits.store.codec import from_json

EFFECTS = "effects.jsonl"
_HINT = "grade again, or move the folder away"


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeBook:
    """All grades of one judge."""

    name: str
    effects: tuple[GradedEffect, ...]
    coverage: tuple[Coverage, ...]
    accords: tuple[RuleAgreement, ...]


def read_grades(parent: Path, *, cells: Collection[str]) -> tuple[GradeBook, ...]:
    """Every judge's grades of these cells, in the order of the judges' names.

    Parameters
    ----------
    parent : Path
        RUN/grades.
    cells : collection of str
        Ids of the run's cells; grades of others are left out.

    Raises
    ------
    StoreError
        If a record is damaged.
    """
    if not parent.is_dir():
        return ()
    folders = [folder for folder in sorted(parent.iterdir()) if (folder / SUMMARY).is_file()]
    books = [book for folder in folders if (book := _read(folder, cells)) is not None]
    return tuple(sorted(books, key=lambda book: book.name))


def _read(folder: Path, cells: Collection[str]) -> GradeBook | None:
    path = folder / SUMMARY
    try:
        summary = json.loads(path.read_text("utf-8"))
        if not set(summary["cells"]) <= set(cells):
            return None
        lines = (folder / EFFECTS).read_text("utf-8").splitlines()
        effects = [json.loads(line) for line in lines]
        coverage, accords = summary["coverage"], summary["agreement"]
        name = str(summary["judge"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"the record of a judge's grades cannot be read: {error}", where=str(path), hint=_HINT
        ) from error

    def records(kind: Any, values: Collection[Any]) -> tuple[Any, ...]:
        return tuple(from_json(kind, one, where=str(path), hint=_HINT) for one in values)

    return GradeBook(
        name=name,
        effects=records(GradedEffect, [_grouped(one) for one in effects]),
        coverage=records(Coverage, coverage),
        accords=records(RuleAgreement, accords),
    )


def _grouped(line: dict[str, Any]) -> dict[str, Any]:
    """A recorded effect with its fields in their groups."""
    return {**line, "effect": group_fields(line["effect"])}
