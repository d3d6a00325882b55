"""How far a run folder is, looked at from anywhere while somebody else writes to it.

Reads what is durably recorded; asks no process. Counts are items; a failed cell is one whose
finished items have no score at all.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from babelbits.records import CellMeta
from babelbits.store.cells import DONE, JOURNAL
from babelbits.store.store import Store

_RECENT = 600.0
"""Seconds: journals that grew since are being written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantProgress:
    """One variant's cells."""

    variant: str
    cells: int
    cells_done: int
    items: int
    items_done: int
    active: int
    """Cells whose journal grew in the last ten minutes."""
    damaged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """A run folder as it is now."""

    variants: tuple[VariantProgress, ...]
    seconds_since: float | None
    """Since the last record; None where nothing was ever recorded."""

    @property
    def items(self) -> int:
        """Asked, over all variants."""
        return sum(one.items for one in self.variants)

    @property
    def items_done(self) -> int:
        """Recorded."""
        return sum(one.items_done for one in self.variants)

    @property
    def complete(self) -> bool:
        """Whether every cell is finished."""
        return all(one.cells_done == one.cells for one in self.variants)


def read_progress(store: Store, *, now: float | None = None) -> RunProgress:
    """How far a run is.

    Parameters
    ----------
    now : float, optional
        Seconds since the epoch; None: by the clock.

    Raises
    ------
    StoreError
        If the plan cannot be read.
    """
    now = time.time() if now is None else now
    metas: dict[str, list[CellMeta]] = {}
    for meta in store.planned():
        metas.setdefault(meta.variant, []).append(meta)
    newest = [changed for found in metas.values() for changed in _changes(store, found)]
    return RunProgress(
        variants=tuple(_variant(store, label, found, now) for label, found in metas.items()),
        seconds_since=max(0.0, now - max(newest)) if newest else None,
    )


def _variant(store: Store, label: str, metas: Iterable[CellMeta], now: float) -> VariantProgress:
    found = [(meta, store.status(meta)) for meta in metas]
    return VariantProgress(
        variant=label,
        cells=len(found),
        cells_done=sum(status.state == "done" for _meta, status in found),
        items=sum(meta.n_items for meta, _status in found),
        items_done=sum(
            meta.n_items if status.state == "done" else status.n_recorded for meta, status in found
        ),
        active=sum(
            status.state != "done" and any(now - t < _RECENT for t in _changes(store, [meta]))
            for meta, status in found
        ),
        damaged=sum(status.state == "damaged" for _meta, status in found),
    )


def _changes(store: Store, metas: Iterable[CellMeta]) -> list[float]:
    """When cells were last written to, seconds since the epoch."""
    found = []
    for meta in metas:
        folder = store.cell_folder(meta.cell_id)
        for name in (JOURNAL, DONE):
            try:
                found.append((folder / name).stat().st_mtime)
            except OSError:
                continue
    return found
