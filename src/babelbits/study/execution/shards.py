"""Cells cut into shards of batches, so that one large cell fills many workers on many machines.

Workers return rows; this process alone writes them to the run folder, batch by batch as they come.
What a worker had in hand when it died is done again, nothing that was recorded is. A cell that may
stop early is handed out one batch at a time, in order, because its verdict decides about the next.
"""

import platform
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from babelbits.analysis.early_stopping import Watch
from babelbits.records import ItemRow
from babelbits.store import Store
from babelbits.store.cells import CellWriter
from babelbits.study.execution.events import (
    CellFailed,
    Finished,
    Recorded,
    VariantFailed,
    WorkerEvent,
    WorkerLost,
)
from babelbits.study.execution.interrupt import Stop
from babelbits.study.execution.scheduler import Scheduler
from babelbits.study.execution.worker import Prepare, RunCell, find_library_versions

BATCHES = 4
"""Most batches of a shard: what at most is computed again where a worker dies. Towards the end of
the open cells shards get smaller, so that no worker is left with the last of them."""
DEATHS = 3
"""So many workers that die over one cell or variant, and it has failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunShard:
    """Some batches of a cell; the rows come back."""

    cell: RunCell
    batches: tuple[tuple[int, range], ...]
    """Number of each batch, and its items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardRows:
    """A batch that was computed, not recorded yet."""

    cell: int
    batch: int
    rows: Sequence[ItemRow]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """A worker has done what it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Died:
    """A worker is gone; whatever it had in hand is to be done again."""

    why: str


Message = WorkerEvent | ShardRows | Idle | Died
ShardJob = Prepare | RunShard


class Member(Protocol):
    """One worker, seen from the process that hands out work."""

    job: ShardJob | None
    """What it has in hand."""
    loaded: str | None
    """Label of the variant that it has loaded."""

    @property
    def ready(self) -> bool:
        """Whether it can be given a job."""

    def give(self, job: ShardJob) -> None:
        """Let it begin a job."""

    def stop(self) -> None:
        """Let it end its job after the batch in hand."""


class Pool(Protocol):
    """Workers, wherever they are."""

    @property
    def members(self) -> Sequence[Member]:
        """All that are there or will be; one that died is replaced."""

    def listen(self) -> Sequence[tuple[Member, Message]]:
        """What has happened; returns after a moment at most.

        Raises
        ------
        StoreError, EngineError
            If nothing can go on.
        """


@dataclass(slots=True)
class _OpenCell:
    """A cell that is being computed."""

    job: RunCell
    writer: CellWriter
    watch: Watch
    left: list[tuple[int, range]]
    """Batches that nobody has in hand."""
    in_hand: set[int] = field(default_factory=set)


class Shards:
    """Which shard is next, and the record of what comes back.

    Parameters
    ----------
    workers : int
        That ask for work.
    emit : callable
        Told what happens, as by a local worker.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        store: Store,
        *,
        workers: int,
        emit: Callable[[WorkerEvent], None],
    ) -> None:
        self._workers = workers
        self._scheduler = scheduler
        self._store = store
        self._emit = emit
        self._cells: dict[int, _OpenCell] = {}
        self._deaths: Counter[str] = Counter()

    def next(self, *, loaded: str | None) -> ShardJob | None:
        """The next job for a worker: of the variant that it has loaded, if there is any."""
        if shard := self._shard(lambda cell: cell.job.step.label == loaded):
            return shard
        job = self._scheduler.next(loaded=loaded)
        if isinstance(job, RunCell):
            self._open(job)
            return self._shard(lambda cell: cell.job.number == job.number) or self.next(
                loaded=loaded
            )
        return job or self._shard(lambda _cell: True)

    def _open(self, job: RunCell) -> None:
        if job.cell.meta is None:
            raise ValueError("a cell is run when its task is built")
        writer = self._store.writer(job.cell.meta, weights_hash=job.weights_hash)
        writer.__enter__()
        watch = Watch(None, ())
        if job.cell.meta.stop is not None and job.baseline is not None:
            watch = Watch(job.cell.meta, self._store.rows(job.baseline))
            watch.see(writer.recorded())
        self._cells[job.number] = _OpenCell(
            job=job, writer=writer, watch=watch, left=list(writer.missing_batches())
        )
        self._finish_if_done(job.number)

    def _shard(self, wanted: Callable[[_OpenCell], bool]) -> RunShard | None:
        """Batches of the open cell with most left to do."""
        able = [
            cell
            for cell in self._cells.values()
            if cell.left and wanted(cell) and not (cell.watch.active and cell.in_hand)
        ]
        if not able:
            return None
        cell = max(able, key=lambda one: len(one.left))
        left = sum(len(one.left) for one in self._cells.values())
        fair = max(1, left // (2 * self._workers))
        number = 1 if cell.watch.active else min(BATCHES, fair)
        taken, cell.left = cell.left[:number], cell.left[number:]
        cell.in_hand.update(batch for batch, _items in taken)
        return RunShard(cell=cell.job, batches=tuple(taken))

    def note(self, message: WorkerEvent | ShardRows) -> None:
        """Take notice of what a worker did."""
        match message:
            case ShardRows():
                self._record(message)
            case CellFailed(cell=number):
                self._close(number)
                self._emit(message)
            case VariantFailed(variant=label):
                for number, cell in list(self._cells.items()):
                    if cell.job.step.label == label:
                        self._close(number)
                self._emit(message)
            case _:
                self._emit(message)

    def _record(self, found: ShardRows) -> None:
        cell = self._cells.get(found.cell)
        if cell is None or found.batch not in cell.in_hand:
            return  # of a cell that has failed meanwhile
        cell.in_hand.discard(found.batch)
        if not cell.watch.known:
            cell.writer.append(found.batch, found.rows, seconds=found.seconds)
            self._emit(Recorded(cell=found.cell, n_items=len(found.rows)))
            cell.watch.see(found.rows)
        self._finish_if_done(found.cell)

    def _finish_if_done(self, number: int) -> None:
        cell = self._cells[number]
        known = cell.watch.known
        if cell.in_hand or (cell.left and not known):
            return
        skipped = sum(len(items) for _batch, items in cell.left)
        cell.writer.finish(
            machine=platform.node(), library_versions=find_library_versions(), early=known
        )
        self._close(number)
        self._emit(Finished(cell=number, n_skipped=skipped))

    def returned(self, job: ShardJob, *, why: str | None = None) -> None:
        """A job has ended; what of it was not done goes back.

        Parameters
        ----------
        why : str, optional
            What its worker died of; None where it did not.
        """
        if isinstance(job, Prepare):
            if why is not None:
                self._emit(WorkerLost(why=why, n_items=0))
                self._prepare_again(job, why)
            return
        number = job.cell.number
        cell = self._cells.get(number)
        if cell is None:
            return
        back = [one for one in job.batches if one[0] in cell.in_hand]
        cell.in_hand.difference_update(batch for batch, _items in back)
        cell.left = sorted([*cell.left, *back], key=lambda one: one[0])
        if why is not None:
            self._emit(WorkerLost(why=why, n_items=sum(len(items) for _batch, items in back)))
        if why is not None and self._too_often(f"cell {number}"):
            self.note(CellFailed(cell=number, reason=f"{DEATHS} workers died over it: {why}"))

    def _prepare_again(self, job: Prepare, why: str) -> None:
        label = job.step.label
        if self._too_often(f"variant {label}"):
            reason = f"{DEATHS} workers died while it was made: {why}"
            self.note(VariantFailed(variant=label, reason=reason))
        else:
            self._scheduler.again(label)

    def _too_often(self, what: str) -> bool:
        self._deaths[what] += 1
        return self._deaths[what] >= DEATHS

    def _close(self, number: int) -> None:
        cell = self._cells.pop(number, None)
        if cell is not None:
            cell.writer.__exit__()

    def close(self) -> None:
        """Close the journals of cells that are not complete; they go on in the next run."""
        for number in list(self._cells):
            with suppress(OSError):
                self._close(number)


def work_in_shards(
    pool: Pool,
    scheduler: Scheduler,
    store: Store,
    *,
    emit: Callable[[WorkerEvent], None],
    stop: Stop,
) -> None:
    """Do all jobs of a scheduler with a pool's workers; this process alone writes results.

    Raises
    ------
    StoreError
        If the run folder cannot be written; what was recorded is kept.
    """
    shards = Shards(scheduler, store, workers=len(pool.members), emit=emit)
    try:
        while not stop.is_requested():
            _hand_out(pool, shards)
            if not any(member.job for member in pool.members):
                return
            _hear(pool, shards)
        for member in pool.members:
            if member.job is not None:
                member.stop()
        while any(member.job for member in pool.members):
            _hear(pool, shards)
    finally:
        shards.close()


def _hand_out(pool: Pool, shards: Shards) -> None:
    for member in pool.members:
        if member.job is None and member.ready:
            job = shards.next(loaded=member.loaded)
            if job is not None:
                member.job = job
                member.loaded = job.cell.step.label if isinstance(job, RunShard) else None
                member.give(job)


def _hear(pool: Pool, shards: Shards) -> None:
    for member, message in pool.listen():
        match message:
            case Idle() | Died():
                job, member.job = member.job, None
                if job is not None:
                    shards.returned(job, why=message.why if isinstance(message, Died) else None)
            case _:
                shards.note(message)
