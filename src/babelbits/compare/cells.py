"""Finished cells, as they come in. Loads neither numpy nor scipy."""

from dataclasses import dataclass

from babelbits.records import CellMeta, ItemRow

BASELINE = "baseline"
"""Label of the unquantized model; its replicate 1 is the A/A cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """One finished cell: what it is and its item rows."""

    meta: CellMeta
    rows: tuple[ItemRow, ...]


def place(cell: CellResult) -> str:
    """Which cell a message is about, e.g. 'w8 · mgsm_direct_ja'."""
    repeat = " again (A/A)" if cell.meta.variant == BASELINE and cell.meta.replicate else ""
    return f"{cell.meta.variant}{repeat} · {cell.meta.task.name}"
