"""What the tasks have to say about themselves, so that their scores are read with it in mind.

A note that several languages of a suite share is told once. Pure; the template escapes texts.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from babelbits.analysis import BASELINE, CellResult


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskNote:
    """A note and where it holds."""

    suite: str
    languages: tuple[str, ...]
    """Codes, in the report's order."""
    text: str


def task_notes(cells: Iterable[CellResult]) -> tuple[TaskNote, ...]:
    """The notes of the baseline's tasks, by suite, each with its languages."""
    found: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        if cell.meta.variant == BASELINE and cell.meta.replicate == 0:
            for note in cell.meta.task.notes:
                found.setdefault((cell.meta.task.suite, note), []).append(cell.meta.task.language)
    return tuple(
        TaskNote(suite=suite, languages=tuple(dict.fromkeys(codes)), text=text)
        for (suite, text), codes in sorted(found.items(), key=lambda one: one[0][0])
    )
