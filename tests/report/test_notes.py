"""Notes of tasks in the report: told once for the languages that share them."""

from dataclasses import replace

from babelbits.analysis import CellResult
from babelbits.report.build import list_task_notes
from report import synthetic


def noted(cell: CellResult, *notes: str) -> CellResult:
    return replace(cell, meta=replace(cell.meta, task=replace(cell.meta.task, notes=notes)))


def test_a_note_is_told_once_with_its_languages() -> None:
    cells = synthetic.make().cells
    suite = cells[0].meta.task.suite
    ours = [noted(cell, "shared") for cell in cells if cell.meta.task.suite == suite]
    found = list_task_notes(ours)
    codes = dict.fromkeys(cell.meta.task.language for cell in ours)
    assert [(one.suite, set(one.languages), one.text) for one in found] == [
        (suite, set(codes), "shared")
    ]


def test_variants_notes_are_not_told_again() -> None:
    cells = [noted(cell, f"of {cell.meta.variant}") for cell in synthetic.make().cells]
    assert {one.text for one in list_task_notes(cells)} == {"of baseline"}
