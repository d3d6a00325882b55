"""Scheduling of shards with engines of known service time: `python bench/scaling.py`.

Engines are threads that sleep, so that only what the driver does is measured: which shard is next,
rows taken in, journals written and finished. A cell's items each take `SERVICE` seconds of an
engine. Printed: the share of the engines' time that was work, and the driver's seconds of CPU for
10,000 items beside what one engine needs for them at `TOKENS_A_SECOND`.
"""

import argparse
import queue
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from babelbits.records import CellMeta, ItemRow, Metric, TaskInfo, digest
from babelbits.store import Store
from babelbits.study.config.spec import BASELINE, VariantSpec
from babelbits.study.execution.events import Recorded, WorkerEvent
from babelbits.study.execution.interrupt import Stop
from babelbits.study.execution.scheduler import Scheduler
from babelbits.study.execution.shards import (
    Idle,
    Message,
    RunShard,
    ShardJob,
    ShardRows,
    work_in_shards,
)
from babelbits.study.planning.base_model import BaseModel
from babelbits.study.planning.plan_types import CellStep, VariantStep

TOKENS_A_SECOND = 8_000
"""Of prompts, one engine: an 8B model on one GPU; assumed."""
TOKENS_AN_ITEM = 1_000
SERVICE = TOKENS_AN_ITEM / TOKENS_A_SECOND
PROMPT = "word " * 800


class Sleeper:
    """An engine that takes its time and answers nothing new."""

    ready = True

    def __init__(self, heard: "queue.Queue[tuple[Sleeper, Message]]", service: float) -> None:
        self.job: ShardJob | None = None
        self.loaded: str | None = None
        self._heard = heard
        self._service = service
        self._todo: queue.Queue[ShardJob] = queue.Queue()
        threading.Thread(target=self._work, daemon=True).start()

    def give(self, job: ShardJob) -> None:
        """Begin a job."""
        self._todo.put(job)

    def stop(self) -> None:
        """A shard is short."""

    def _work(self) -> None:
        while True:
            job = self._todo.get()
            assert isinstance(job, RunShard)
            for batch, indices in job.batches:
                time.sleep(self._service * len(indices))
                rows = [row(job.cell.cell, index) for index in indices]
                message = ShardRows(cell=job.cell.number, batch=batch, rows=rows, seconds=1.0)
                self._heard.put((self, message))
            self._heard.put((self, Idle()))


class SleeperPool:
    """Engines of this process. See `shards.Pool`."""

    def __init__(self, workers: int, service: float) -> None:
        self._heard: queue.Queue[tuple[Sleeper, Message]] = queue.Queue()
        self.members = [Sleeper(self._heard, service) for _ in range(workers)]

    def listen(self) -> Sequence[tuple[Any, Message]]:
        """The next message."""
        try:
            return [self._heard.get(timeout=0.2)]
        except queue.Empty:
            return []


def row(cell: CellStep, index: int) -> ItemRow:
    """A row of usual size."""
    return ItemRow(
        item_id=f"{cell.language} {index}",
        source_id=str(index),
        task=cell.suite,
        language=cell.language,
        variant=cell.variant,
        target="A",
        output="A",
        scores={"acc": float(index % 2)},
        choice_logprobs=(-1.0, -2.0, -3.0, -4.0),
        prompt_hash="0" * 16,
        prompt=PROMPT,
        prompt_tokens=TOKENS_AN_ITEM,
        output_tokens=4,
        finish_reason=None,
    )


def cell(language: int, *, items: int, batch: int) -> CellStep:
    """A cell of the baseline that nobody has begun."""
    name = f"l{language}"
    metric = Metric(name="acc", kind="binary", chance=0.25)
    task = TaskInfo(
        name=f"synthetic_{name}",
        suite="synthetic",
        language=name,
        metrics=(metric,),
        primary="acc",
        output_type="choice",
        parallel=True,
        scorer_version="1",
        origin="bench",
    )
    identity = {"recipe": BASELINE, "task": name}
    meta = CellMeta(
        cell_id=digest(identity),
        identity=identity,
        variant=BASELINE,
        variant_id=BASELINE,
        replicate=0,
        task=task,
        n_items=items,
        chunk=batch,
        smoke=False,
    )
    return CellStep(
        variant=BASELINE,
        variant_id=BASELINE,
        recipe=BASELINE,
        suite="synthetic",
        language=name,
        replicate=0,
        task=None,
        meta=meta,
        n_items=items,
        n_done=0,
        state="missing",
        reason="missing",
        seconds=None,
    )


def measure(
    workers: int, *, cells: int, items: int, batch: int, speed: float
) -> tuple[float, float]:
    """Share of the engines' time that was work, and CPU seconds of this process an item."""
    steps = tuple(cell(number, items=items, batch=batch) for number in range(cells))
    variant = VariantStep(
        spec=VariantSpec(label=BASELINE, recipe=BASELINE),
        variant_id=BASELINE,
        identity={},
        state="done",
        needed=True,
        reason="",
        bytes=None,
        manifest=None,
    )
    base = BaseModel(folder=Path(), hash="weights", config={}, label="none")
    recorded = 0

    def emit(event: WorkerEvent) -> None:
        nonlocal recorded
        recorded += event.n_items if isinstance(event, Recorded) else 0

    with tempfile.TemporaryDirectory() as place:
        store = Store(Path(place))
        pool = SleeperPool(workers, SERVICE / speed)
        scheduler = Scheduler((variant,), steps, base=base)
        began, spent = time.perf_counter(), time.process_time()
        work_in_shards(pool, scheduler, store, emit=emit, stop=Stop())  # type: ignore[arg-type]  # a list of members
        took, spent = time.perf_counter() - began, time.process_time() - spent
    assert recorded == cells * items
    return recorded * SERVICE / speed / (workers * took), spent / recorded


def main() -> None:
    """Print a line for each number of engines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4, 16, 64])
    parser.add_argument("--speed", type=float, default=1.0, help="engines so many times as fast")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each measurement")
    options = parser.parse_args()
    print(f"{'engines':>8}{'items':>9}{'efficiency':>12}{'driver, s per 10,000 items':>28}")
    for workers in options.workers:
        cells, batch = 4, 16
        wanted = options.seconds * workers * options.speed / SERVICE / cells
        items = max(batch, round(wanted / batch) * batch)
        share, each = measure(workers, cells=cells, items=items, batch=batch, speed=options.speed)
        print(f"{workers:>8}{cells * items:>9}{share:>12.3f}{10_000 * each:>28.2f}")
    print(f"one engine takes {10_000 * SERVICE:,.0f} s for 10,000 items")


if __name__ == "__main__":
    main()
