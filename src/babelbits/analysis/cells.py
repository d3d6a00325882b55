"""Finished cells, as they come in. Loads neither numpy nor scipy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from babelbits.records import CellMeta, ItemRow

BASELINE = "baseline"
"""Label of the unquantized model; its replicate 1 is the A/A cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """One finished cell: what it is and its item rows."""

    meta: CellMeta
    rows: Sequence[ItemRow]
    """A tuple, or what makes rows as they are asked for; never changed."""


@runtime_checkable
class KnowsFailed(Protocol):
    """Rows that find those with a failure without making the others."""

    def failed(self) -> Iterator[ItemRow]:
        """Rows with a failure, in order."""


def select_failed(rows: Sequence[ItemRow]) -> Iterator[ItemRow]:
    """The rows of a cell that have a failure."""
    if isinstance(rows, KnowsFailed):
        return rows.failed()
    return (row for row in rows if row.failure is not None)


_WITHOUT_BYTES = "text 1"
"""Scorer of texts that kept bits per byte of each document, and not how long it was."""


def rename_by_content(cell: CellResult) -> CellResult:
    """The cell; where the bytes of documents were not kept, what it has is the *mean* over them.

    Cells of former versions call it `bits_per_byte`, which is the total of bits over bytes.
    """
    task = cell.meta.task
    if not task.scorer_version.startswith(_WITHOUT_BYTES):
        return cell
    old, new = "bits_per_byte", "mean_bits_per_byte"
    metrics = tuple(replace(one, name=new) if one.name == old else one for one in task.metrics)
    primary = new if task.primary == old else task.primary
    rows = tuple(
        replace(row, scores={new if k == old else k: value for k, value in row.scores.items()})
        for row in cell.rows
    )
    meta = replace(cell.meta, task=replace(task, metrics=metrics, primary=primary))
    return CellResult(meta=meta, rows=rows)


def describe_place(cell: CellResult) -> str:
    """Which cell a message is about, e.g. 'w8 · mgsm_direct_ja'."""
    repeat = " again (A/A)" if cell.meta.variant == BASELINE and cell.meta.replicate else ""
    return f"{cell.meta.variant}{repeat} · {cell.meta.task.name}"
