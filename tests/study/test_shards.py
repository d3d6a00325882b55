"""Cells in shards: rows come back and one process records them, whatever happens to workers.

Expected rows are those of the plain run of the same study in one process.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from babelbits.engines.base import EngineSettings
from babelbits.records import ItemRow
from babelbits.store import Store
from babelbits.study import load
from babelbits.study.execution.events import CellFailed, Finished, Recorded, WorkerEvent
from babelbits.study.execution.interrupt import Stop
from babelbits.study.execution.ray_cluster import without_task
from babelbits.study.execution.ray_resources import count_workers, find_needs
from babelbits.study.execution.row_worker import RowWorker, answer_in_memory
from babelbits.study.execution.run import execute
from babelbits.study.execution.scheduler import Scheduler
from babelbits.study.execution.shards import (
    BATCHES,
    DEATHS,
    Died,
    Idle,
    Message,
    RunShard,
    ShardJob,
    work_in_shards,
)
from babelbits.study.execution.worker import RunContext
from babelbits.study.execution.worker_pool import Tasks
from babelbits.study.planning.base_model import locate
from babelbits.study.planning.plan import build_light, make_plan
from babelbits.study.planning.plan_types import Plan
from kill_and_resume import results
from study_files import write_study

TinyModel = Callable[[str], Path]


def planned(folder: Path, model: Path, *, items: int = 24, chunk: int = 2) -> tuple[Plan, Store]:
    folder.mkdir()
    study = load(write_study(folder, model=model, items=items, chunk=chunk))
    store = Store(study.folder, smoke=study.smoke)
    return make_plan(study, store, base=locate(study.model), build=build_light), store


class Inline:
    """A worker in this process; dies where `dies(job, message)` says so."""

    def __init__(self, site: RunContext, dies: Callable[[ShardJob, Message], bool]) -> None:
        self.job: ShardJob | None = None
        self.loaded: str | None = None
        self.ready = True
        self.heard: deque[Message] = deque()
        self.done: list[ShardJob] = []
        self.stopped = False
        self._dies = dies
        self._worker = RowWorker(
            site,
            find_task=Tasks(site).find,
            tell=self.heard.append,
            stopping=lambda: self.stopped,
        )

    def give(self, job: ShardJob) -> None:
        self.done.append(job)
        self.stopped = False
        self._worker.do(without_task(job))
        self.heard.append(Idle())

    def stop(self) -> None:
        self.stopped = True

    def next_message(self) -> Message:
        message = self.heard.popleft()
        assert self.job is not None
        if self._dies(self.job, message):
            self.heard.clear()
            return Died(why="pulled the plug")
        return message


class InlinePool:
    """Workers in this process, heard in turn."""

    def __init__(
        self,
        site: RunContext,
        *,
        workers: int,
        dies: Callable[[ShardJob, Message], bool] = lambda _job, _message: False,
    ) -> None:
        self.members = [Inline(site, dies) for _ in range(workers)]

    def listen(self) -> Sequence[tuple[Any, Message]]:
        return [(one, one.next_message()) for one in self.members if one.job and one.heard]


def work(
    plan: Plan, store: Store, *, workers: int = 3, stop: Stop | None = None, dies: Any = None
) -> tuple[InlinePool, list[WorkerEvent]]:
    events: list[WorkerEvent] = []
    store.save_plan(plan.study.file.read_text(), plan.metas, study=plan.study.as_object())
    site = RunContext(study=plan.study, base=plan.base)
    pool = InlinePool(site, workers=workers, **({} if dies is None else {"dies": dies}))
    scheduler = Scheduler(plan.variants, plan.cells, base=plan.base)
    with store.writing():
        work_in_shards(pool, scheduler, store, emit=events.append, stop=stop or Stop())  # type: ignore[arg-type]  # a list of members
    return pool, events


@pytest.fixture(scope="module")
def expected(tiny_model: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What one process records."""
    plan, store = planned(tmp_path_factory.mktemp("plain") / "study", tiny_model("llama"))
    with store.writing():
        assert execute(plan, store, progress=lambda _event: None, stop=Stop()).complete
    return results(store.root, smoke=True)


def test_shards_record_what_whole_cells_record(
    tiny_model: TinyModel, tmp_path: Path, expected: str
) -> None:
    plan, store = planned(tmp_path / "study", tiny_model("llama"))
    pool, events = work(plan, store)
    assert results(store.root, smoke=True) == expected
    shards = [job for one in pool.members for job in one.done if isinstance(job, RunShard)]
    assert max(len(shard.batches) for shard in shards) <= BATCHES
    assert len(shards) > len(plan.cells)  # a cell fills several workers
    assert sum(isinstance(event, Finished) for event in events) == len(plan.cells)
    assert sum(e.n_items for e in events if isinstance(e, Recorded)) == 24 * len(plan.cells)


def test_what_a_dead_worker_had_in_hand_is_done_again_and_nothing_else(
    tiny_model: TinyModel, tmp_path: Path, expected: str
) -> None:
    """Twice a worker dies at the second message of a shard: at most four batches are repeated."""
    plan, store = planned(tmp_path / "study", tiny_model("llama"))
    told: Counter[int] = Counter()

    def dies(job: ShardJob, message: Message) -> bool:
        if isinstance(job, RunShard) and not isinstance(message, Idle):
            told[id(job)] += 1
            return told[id(job)] == 3 and sum(n >= 3 for n in told.values()) <= 2
        return False

    pool, events = work(plan, store, dies=dies)
    assert results(store.root, smoke=True) == expected
    given = Counter(
        (job.cell.number, batch)
        for one in pool.members
        for job in one.done
        if isinstance(job, RunShard)
        for batch, _items in job.batches
    )
    assert 0 < sum(n - 1 for n in given.values()) <= 2 * BATCHES
    assert sum(e.n_items for e in events if isinstance(e, Recorded)) == 24 * len(plan.cells)


def test_a_cell_that_kills_every_worker_fails_alone(tiny_model: TinyModel, tmp_path: Path) -> None:
    plan, store = planned(tmp_path / "study", tiny_model("llama"))
    _, events = work(plan, store, dies=lambda job, _message: _is_of(job, 0))
    failed = [event for event in events if isinstance(event, CellFailed)]
    assert [event.cell for event in failed] == [0]
    assert failed[0].reason == f"{DEATHS} workers died over it: pulled the plug"
    assert sum(isinstance(event, Finished) for event in events) == len(plan.cells) - 1


def _is_of(job: ShardJob, number: int) -> bool:
    return isinstance(job, RunShard) and job.cell.number == number


def test_a_stop_keeps_what_was_recorded_and_the_next_run_goes_on(
    tiny_model: TinyModel, tmp_path: Path, expected: str
) -> None:
    plan, store = planned(tmp_path / "study", tiny_model("llama"))
    stop = Stop()

    def dies(_job: ShardJob, message: Message) -> bool:
        stop.request()
        return False

    _, events = work(plan, store, stop=stop, dies=dies)
    first = sum(e.n_items for e in events if isinstance(e, Recorded))
    assert 0 < first < 24 * len(plan.cells)
    again = make_plan(plan.study, store, base=plan.base, build=build_light)
    _, events = work(again, store)
    assert sum(e.n_items for e in events if isinstance(e, Recorded)) + first == 24 * len(plan.cells)
    assert results(store.root, smoke=True) == expected


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


class Narrow:
    """An engine with room for two requests."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.asked: list[int] = []

    def score(self, requests: Sequence[object]) -> list[object]:
        self.asked.append(len(requests))
        if len(requests) > self.room:
            raise OutOfMemoryError("CUDA out of memory")
        return list(requests)


@pytest.fixture
def echoes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def echo(_task: Any, items: Any, engine: Any, **_named: Any) -> list[ItemRow]:
        return engine.score(items)  # type: ignore[no-any-return]  # stands for the rows

    monkeypatch.setattr("babelbits.study.execution.row_worker.answer", echo)
    yield


@pytest.mark.usefixtures("echoes")
def test_where_memory_is_out_fewer_items_are_asked_together() -> None:
    """Five items, room for two: 5 fails, 2 fits, 3 fails, 1 and 2 fit."""
    engine: Any = Narrow(room=2)
    items: Any = list(range(5))
    task: Any = None
    assert answer_in_memory(task, items, engine, variant="w8", replicate=0) == items
    assert engine.asked == [5, 2, 3, 1, 2]
    with pytest.raises(OutOfMemoryError):
        answer_in_memory(task, items, Narrow(room=0), variant="w8", replicate=0)  # type: ignore[arg-type]  # a stand-in


def test_a_cluster_has_room_for_as_many_workers_as_it_has_devices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    cuda, cpu = (find_needs(EngineSettings(device=one)) for one in ("cuda", "cpu"))
    assert count_workers([{"CPU": 64, "GPU": 8}], cuda) == 8
    assert count_workers([{"CPU": 64, "GPU": 8}], cpu) == 16
    assert count_workers([{"CPU": 64}], cuda) == 0
