"""A worker that gives rows back and records nothing: for machines that only read the run folder.

Variants that it makes it writes where all machines see them. Never prints.
"""

import time
from collections.abc import Callable, Sequence

from babelbits.engines.base import Engine
from babelbits.records import Item, ItemRow
from babelbits.study.execution.evaluate_cell import answer
from babelbits.study.execution.events import CellFailed
from babelbits.study.execution.shards import Message, RunShard, ShardJob, ShardRows
from babelbits.study.execution.worker import Prepare, RunContext, Worker, describe_reason
from babelbits.study.planning.plan_types import CellStep
from babelbits.tasks.base import Task

_OUT_OF_MEMORY = ("OutOfMemoryError", "MemoryError")
"""Names of what libraries raise; torch's class is not imported for its name."""


_LOST = ("CUDA error", "HIP error", "device-side assert", "Xid ")
"""What drivers say when a process cannot use its GPU any more, whatever it asks next."""


class DeviceLostError(Exception):
    """The GPU of this process is of no use to it any more; another process may have it again."""


class RowWorker:
    """Does shards of cells; the engine of the last one stays loaded.

    Parameters
    ----------
    find_task : callable
        The task of a cell, with its items built.
    tell : callable
        Told what happens, rows among it.
    stopping : callable
        Asked between batches whether to stop.
    """

    def __init__(
        self,
        site: RunContext,
        *,
        find_task: Callable[[CellStep], Task],
        tell: Callable[[Message], None],
        stopping: Callable[[], bool],
    ) -> None:
        self._worker = Worker(site, find_task=find_task, emit=tell, stopping=stopping)
        self._find_task = find_task
        self._tell = tell
        self._stopping = stopping

    def do(self, job: ShardJob) -> None:
        """Do a job; whatever breaks it is told, not raised.

        Raises
        ------
        StoreError
            If the run folder is full or cannot be written while a variant is made.
        DeviceLostError
            If this process must end, because its GPU answers nothing any more.
        """
        if isinstance(job, Prepare):
            self._worker.do(job)
            return
        engine = self._worker.load(job.cell)
        if engine is None:
            return
        try:
            self._run(job, engine)
        except Exception as error:
            if is_device_lost(error):
                raise DeviceLostError(describe_reason(error)) from error
            self._tell(CellFailed(cell=job.cell.number, reason=describe_reason(error)))

    def close(self) -> None:
        """Free the loaded engine."""
        self._worker.close()

    def _run(self, job: RunShard, engine: Engine) -> None:
        cell = job.cell.cell
        task = self._find_task(cell)
        items = task.items()
        for batch, indices in job.batches:
            if self._stopping():
                return
            started = time.perf_counter()
            wanted = [items[index] for index in indices]
            rows = answer_in_memory(
                task, wanted, engine, variant=cell.variant, replicate=cell.replicate
            )
            seconds = time.perf_counter() - started
            self._tell(ShardRows(cell=job.cell.number, batch=batch, rows=rows, seconds=seconds))


def is_device_lost(error: BaseException) -> bool:
    """Whether an error of the driver ends all work of this process on its GPU.

    Memory that is out is none: the next batch may fit.
    """
    told = str(error)
    if type(error).__name__ in _OUT_OF_MEMORY or "out of memory" in told:
        return False
    return type(error).__name__ == "AcceleratorError" or any(sign in told for sign in _LOST)


def answer_in_memory(
    task: Task, items: Sequence[Item], engine: Engine, *, variant: str, replicate: int
) -> list[ItemRow]:
    """As `evaluate_cell.answer`; where memory is out, with half as many items at a time.

    Raises
    ------
    Exception
        What the engine raised, where one item alone is too much.
    """
    try:
        return answer(task, items, engine, variant=variant, replicate=replicate)
    except Exception as error:
        if type(error).__name__ not in _OUT_OF_MEMORY or len(items) == 1:
            raise
    half = len(items) // 2
    return [
        row
        for part in (items[:half], items[half:])
        for row in answer_in_memory(task, part, engine, variant=variant, replicate=replicate)
    ]
