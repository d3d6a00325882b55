"""GPUs of one model on one node of a cluster, and what a node may lack; no GPU is real."""

import errno
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from babelbits.engines.base import EngineSettings
from babelbits.errors import EngineError, StoreError, StoreLockedError
from babelbits.libraries import find_version
from babelbits.records import ItemRow
from babelbits.store import Store
from babelbits.store.cells import CellWriter
from babelbits.study import load
from babelbits.study.execution.interrupt import Stop
from babelbits.study.execution.node_check import NodeFound, look, refuse
from babelbits.study.execution.ray_cluster import RayPool, _Actor, _not_joined
from babelbits.study.execution.ray_resources import (
    PYTHON,
    Needs,
    count_workers,
    find_needs,
    make_room_error,
)
from babelbits.study.execution.row_worker import DeviceLostError, RowWorker, is_device_lost
from babelbits.study.execution.run_study import run_study
from babelbits.study.execution.scheduler import Scheduler
from babelbits.study.execution.shards import (
    Died,
    Idle,
    Message,
    RunShard,
    ShardJob,
    ShardRows,
    work_in_shards,
)
from babelbits.study.execution.worker import RunContext
from babelbits.study.planning.base_model import locate
from babelbits.study.planning.plan import build_light, make_plan
from babelbits.study.planning.plan_types import CellStep, Plan
from study_files import write_study

TinyModel = Callable[[str], Path]
ITEMS, LANGUAGES = 24, 3


def planned(folder: Path, model: Path, **engine: Any) -> tuple[Plan, Store]:
    study = load(write_study(folder, model=model, recipes=(), items=ITEMS, chunk=2))
    store = Store(study.folder, smoke=study.smoke)
    plan = make_plan(study, store, base=locate(study.model), build=build_light)
    return replace(plan, study=replace(study, engine=replace(study.engine, **engine))), store


def row(cell: CellStep, index: int, output: str = "A") -> ItemRow:
    """Of an engine that answers nothing new."""
    return ItemRow(
        item_id=f"{cell.language} {index}",
        source_id=str(index),
        task=cell.suite,
        language=cell.language,
        variant=cell.variant,
        target="A",
        output=output,
        scores={"acc": 1.0},
        choice_logprobs=None,
        prompt_hash="0" * 16,
        prompt="",
        prompt_tokens=1,
        output_tokens=1,
        finish_reason=None,
    )


# --- room, by hand --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "gpus", "workers"),
    [
        ([8, 8], 4, 4),
        ([8, 8], 3, 4),  # two GPUs of each node stay idle
        ([8, 8], 8, 2),
        ([4, 4], 8, 0),  # eight in the cluster, but none has eight
        ([8, 2, 0], 1, 10),
    ],
)
def test_gpus_of_a_model_are_of_one_node(nodes: list[int], gpus: int, workers: int) -> None:
    there = [{"CPU": 64.0, "GPU": float(one)} if one else {"CPU": 64.0} for one in nodes]
    assert count_workers(there, Needs(cpus=1, gpus=gpus)) == workers


def test_a_worker_asks_for_the_gpus_that_its_engine_splits_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(PYTHON, raising=False)
    settings = EngineSettings(device="cuda", tensor_parallel=4, pipeline_parallel=2)
    assert find_needs(settings).options() == {"num_cpus": 1, "num_gpus": 8}
    monkeypatch.setenv(PYTHON, "/opt/other/bin/python")
    assert find_needs(settings).options()["runtime_env"] == {
        "py_executable": "/opt/other/bin/python"
    }
    error = make_room_error([{"CPU": 8, "GPU": 4}, {"CPU": 8, "GPU": 4}], find_needs(settings))
    assert "it has 16 CPU, 8 GPU (at most 4 GPUs in a node)" in error.what
    assert "one needs 8 GPUs and 1 CPU of one node" in error.what
    assert "tensor_parallel" in (error.hint or "")


# --- nodes that lack something --------------------------------------------------------------------


def found(**changes: Any) -> NodeFound:
    usual = NodeFound(
        node="n2",
        version=find_version("babelbits"),
        python=platform.python_version(),
        token="word",
        model=True,
        lacks=(),
    )
    return replace(usual, **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": "0.0.1"}, "the node n2 has babelbits 0.0.1"),
        ({"python": "3.8.1"}, "the node n2 has Python 3.8.1"),
        ({"token": None}, "does not see the run folder"),
        ({"token": "other"}, "does not see the run folder"),
        ({"model": False}, "the node n2 does not see the model in /models/m"),
        ({"lacks": ("vllm is not installed",)}, "cannot run the engine: vllm is not installed"),
    ],
)
def test_a_node_that_lacks_something_is_named(changes: dict[str, Any], said: str) -> None:
    refuse(found(), token="word", model=Path("/models/m"))
    with pytest.raises(EngineError, match=said):
        refuse(found(**changes), token="word", model=Path("/models/m"))


def test_a_worker_says_what_its_node_lacks(tiny_model: TinyModel, tmp_path: Path) -> None:
    """No vllm is in this interpreter, and the model is not where the plan says."""
    plan, _ = planned(tmp_path, tiny_model("llama"), name="vllm", python=sys.executable)
    token = tmp_path / "token"
    token.write_text("word")
    site = RunContext(study=plan.study, base=plan.base)
    there = look(site, file=token, engines=("vllm",))
    assert there.token == "word"  # noqa: S105  no secret
    assert there.model
    assert "vllm is not installed for" in there.lacks[0]
    moved = replace(site, base=replace(plan.base, folder=tmp_path / "elsewhere"))
    away = look(moved, file=tmp_path / "none", engines=("transformers",))
    assert (away.token, away.model, away.lacks) == (None, False, ())


def test_other_versions_of_ray_or_python_are_named() -> None:
    """As Ray 2.60 words it, `ray._private.utils.check_version_info`."""
    told = (
        "Version mismatch: The cluster was started with:\n    Ray: 2.59.0\n    Python: 3.12.1\n"
        "This process on node 10.0.0.1 was started with:\n    Ray: 2.60.0\n    Python: 3.11.2\n"
    )
    error = _not_joined("head:6379", RuntimeError(told))
    assert error.what == (
        "the cluster at 'head:6379' has Ray 2.59.0 on Python 3.12.1, this process Ray 2.60.0 on "
        "Python 3.11.2"
    )
    other = _not_joined("head:6379", ValueError("nobody"))
    assert other.what == "no Ray cluster at 'head:6379': nobody"


# --- a GPU that is lost, and a disk that is full --------------------------------------------------

CUDA = "CUDA error: an illegal memory access was encountered"


def test_an_error_of_the_driver_is_told_from_memory_that_is_out() -> None:
    assert is_device_lost(RuntimeError(CUDA))
    assert not is_device_lost(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert not is_device_lost(RuntimeError("CUDA error: out of memory"))
    assert not is_device_lost(ValueError("no such token"))


class Synthetic:
    """A worker of this process whose engine takes no time; its GPU is lost when `fails` says so."""

    ready = True

    def __init__(self, fails: Callable[[], bool]) -> None:
        self.job: ShardJob | None = None
        self.loaded: str | None = None
        self.heard: list[Message] = []
        self._fails = fails

    def give(self, job: ShardJob) -> None:
        assert isinstance(job, RunShard)
        for batch, indices in job.batches:
            if self._fails():
                self.heard.append(Died(why=CUDA))
                return
            rows = [row(job.cell.cell, index) for index in indices]
            self.heard.append(ShardRows(cell=job.cell.number, batch=batch, rows=rows, seconds=1.0))
        self.heard.append(Idle())

    def stop(self) -> None: ...


class SyntheticPool:
    def __init__(self, fails: Callable[[], bool]) -> None:
        self.members: list[Any] = [Synthetic(fails) for _ in range(3)]

    def listen(self) -> list[tuple[Any, Message]]:
        return [(one, one.heard.pop(0)) for one in self.members if one.heard]


def recorded(plan: Plan, store: Store) -> list[str]:
    return [one.item_id for meta in plan.metas for one in store.rows(meta)]


def run(plan: Plan, store: Store, pool: Any, stop: Stop | None = None) -> list[Any]:
    events: list[Any] = []
    store.save_plan(plan.study.file.read_text(), plan.metas, study=plan.study.as_object())
    scheduler = Scheduler(plan.variants, plan.cells, base=plan.base)
    with store.writing():
        work_in_shards(pool, scheduler, store, emit=events.append, stop=stop or Stop())
    return events


def test_a_lost_gpu_costs_one_shard_that_another_does(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    plan, store = planned(tmp_path, tiny_model("llama"))
    calls = iter(range(1000))
    events = run(plan, store, SyntheticPool(lambda: next(calls) == 5))
    items = recorded(plan, store)
    n = sum(cell.n_items or 0 for cell in plan.cells)
    assert len(items) == n
    assert not any(type(one).__name__ == "CellFailed" for one in events)


def test_a_worker_whose_gpu_is_lost_ends_and_says_why(
    tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that is asked of the process from now on fails: that is not the cell's failure."""
    plan, _ = planned(tmp_path, tiny_model("llama"))

    class Broken:
        notes = ()

        def score(self, _requests: Any) -> Any:
            raise RuntimeError(CUDA)

    told: list[Any] = []
    worker = RowWorker(
        RunContext(study=plan.study, base=plan.base),
        find_task=lambda cell: cell.task,  # type: ignore[arg-type, return-value]  # it is built
        tell=told.append,
        stopping=lambda: False,
    )
    monkeypatch.setattr(worker._worker, "load", lambda _job: Broken())
    monkeypatch.setattr(
        "babelbits.study.execution.row_worker.answer",
        lambda _task, items, engine, **_named: engine.score(items),
    )
    scheduler = Scheduler(plan.variants, plan.cells, base=plan.base)
    job: Any = scheduler.next(loaded=None)
    while not hasattr(job, "cell"):
        scheduler.ready(job.step.label, plan.base.hash)
        job = scheduler.next(loaded=None)
    with pytest.raises(DeviceLostError, match="illegal memory access"):
        worker.do(RunShard(cell=job, batches=((0, range(2)),)))
    assert told == []


def test_a_full_disk_on_the_driver_keeps_what_was_recorded(
    tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, store = planned(tmp_path, tiny_model("llama"))
    append, calls = CellWriter.append, iter(range(1000))

    def full(self: CellWriter, *given: Any, **named: Any) -> None:
        if next(calls) == 7:
            raise StoreError(os.strerror(errno.ENOSPC), hint="free some space")
        append(self, *given, **named)

    monkeypatch.setattr(CellWriter, "append", full)
    with pytest.raises(StoreError, match="No space left"):
        run(plan, store, SyntheticPool(lambda: False))
    had = [store.status(meta).n_recorded for meta in plan.metas]
    assert sum(had) == 7 * 2
    run(plan, store, SyntheticPool(lambda: False))
    assert len(set(recorded(plan, store))) == sum(
        cell.n_items or 0 for cell in plan.cells if not cell.replicate
    )


def test_a_second_driver_on_the_folder_is_refused_before_it_looks_for_a_cluster(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    """Nobody listens at the address; the lock, which names its holder, is met first."""
    plan, store = planned(tmp_path, tiny_model("llama"))
    with store.writing(), pytest.raises(StoreLockedError, match=str(os.getpid())):
        run_study(plan.study, ray="127.0.0.1:1")


# --- a local cluster with logical GPUs ------------------------------------------------------------


@pytest.fixture
def ray_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes of eight GPUs that are not there."""
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    here = (Path(__file__).parents[1], Path(__file__).parents[2])  # workers read this module
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (*here, *sys.path))))
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        for _ in range(2):
            made.add_node(num_cpus=4, num_gpus=8)
        ray.init(address=made.address, log_to_driver=False)
        yield ray
    finally:
        ray.shutdown()
        made.shutdown()


@pytest.mark.slow
def test_workers_get_gpus_of_one_node_in_the_environment_that_is_named(
    tiny_model: TinyModel, tmp_path: Path, ray_nodes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four GPUs a worker: two workers on each node, no GPU of two; 0.02 s an item."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nBABELBITS_MARK=ours exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv(PYTHON, str(python))
    plan, store = planned(tmp_path, tiny_model("llama"), device="cuda", tensor_parallel=4)

    class Sleeper(_Actor):
        def do(self, job: ShardJob) -> Iterator[Message | StoreError]:
            import ray

            assert isinstance(job, RunShard)
            context = ray.get_runtime_context()
            gpus = sorted(context.get_accelerator_ids()["GPU"])
            mark = os.environ.get("BABELBITS_MARK")
            said = " ".join([context.get_node_id(), str(mark), *gpus])
            for batch, indices in job.batches:
                time.sleep(0.02 * len(indices))
                rows = [row(job.cell.cell, index, said) for index in indices]
                yield ShardRows(cell=job.cell.number, batch=batch, rows=rows, seconds=1.0)
            yield Idle()

    file = tmp_path / "token"
    file.write_text("word")
    site = RunContext(study=plan.study, base=plan.base)
    pool = RayPool(ray_nodes, site, workers=4, engines=(), file=file, actor=Sleeper)
    try:
        pool.wait()
        deadline = time.monotonic() + 60
        while not all(one.ready for one in pool.members) and time.monotonic() < deadline:
            pool.listen()
        run(plan, store, pool)
    finally:
        pool.close()
    said = {one.output for meta in plan.metas for one in store.rows(meta)}
    workers = [tuple(one.split()) for one in said]
    assert len(workers) == 4
    assert {mark for _node, mark, *_gpus in workers} == {"ours"}
    nodes = {node for node, *_rest in workers}
    assert len(nodes) == 2
    for node in nodes:
        gpus = [gpu for there, _mark, *ids in workers if there == node for gpu in ids]
        assert sorted(gpus) == [str(number) for number in range(8)]
