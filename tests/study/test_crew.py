"""Several worker processes do what one does: the same rows, whatever happens to a worker."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from babelbits.cli.main import run
from babelbits.errors import ExitCode, StoreError
from babelbits.store import Store
from babelbits.study import load
from babelbits.study.execution.scheduler import Scheduler
from babelbits.study.execution.worker import Prepare, RunCell
from babelbits.study.execution.worker_pool import add_trace, suggest_workers
from babelbits.study.planning.base_model import locate
from babelbits.study.planning.plan import build_light, make_plan
from babelbits.study.planning.plan_types import Plan
from kill_and_resume import check_nothing_was_rewritten, journals, recorded_items, results
from study_files import write_study

TinyModel = Callable[[str], Path]


def make(folder: Path, model: Path, *, items: int = 12, chunk: int = 4) -> Path:
    folder.mkdir(exist_ok=True)
    return write_study(folder, model=model, recipes=("w8a8", "w4-rtn"), items=items, chunk=chunk)


def planned(study_file: Path) -> Plan:
    study = load(study_file)
    store = Store(study.folder, smoke=study.smoke)
    return make_plan(study, store, base=locate(study.model), build=build_light)


def start(study: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "babelbits.cli.main", "run", str(study), "--no-report"]
    return subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, text=True)


def children(process: int) -> list[int]:
    """Worker processes; the resource tracker of multiprocessing is no worker."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int(entry.joinpath("stat").read_text().rpartition(")")[2].split()[1])
                command = entry.joinpath("cmdline").read_bytes()
            except (OSError, ValueError):
                continue
            if parent == process and b"spawn_main" in command:
                found.append(int(entry.name))
    return found


def alive(pid: int) -> bool:
    """Whether a process computes; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_variant_is_prepared_before_its_cells_and_the_loaded_one_goes_first(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    plan = planned(make(tmp_path, tiny_model("llama")))
    agenda = Scheduler(plan.variants, plan.cells, base=plan.base)
    baseline = [agenda.next(loaded=None) for _ in range(6)]  # three tasks, twice (A/A)
    assert {job.step.label for job in baseline if isinstance(job, RunCell)} == {"baseline"}
    # A second worker need not wait for the first variant: it prepares the next.
    first, second = agenda.next(loaded="baseline"), agenda.next(loaded="baseline")
    assert isinstance(first, Prepare)
    assert isinstance(second, Prepare)
    assert [first.step.label, second.step.label] == ["w8a8", "w4-rtn"]
    assert agenda.next(loaded=None) is None
    agenda.ready("w8a8", "hash of w8a8")
    agenda.ready("w4-rtn", "hash of w4-rtn")
    job = agenda.next(loaded="w4-rtn")
    assert isinstance(job, RunCell)
    assert (job.step.label, job.weights_hash) == ("w4-rtn", "hash of w4-rtn")


def test_a_failed_variant_is_dropped_once(tiny_model: TinyModel, tmp_path: Path) -> None:
    plan = planned(make(tmp_path, tiny_model("llama")))
    agenda = Scheduler(plan.variants, plan.cells, base=plan.base)
    assert agenda.drop("w8a8")
    assert not agenda.drop("w8a8")
    labels = set()
    while (job := agenda.next(loaded=None)) is not None:
        labels.add(job.step.label)
    assert labels == {"baseline", "w4-rtn"}


def test_workers_are_suggested_where_they_pay(
    tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("babelbits.study.execution.worker_pool._cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    plan = planned(make(tmp_path, tiny_model("llama")))
    assert suggest_workers(plan) == 1  # too little to do
    much = replace(plan, cells=tuple(replace(cell, n_items=1000) for cell in plan.cells))
    assert suggest_workers(much) == 8
    assert suggest_workers(replace(much, engine=replace(much.engine, device_kind="cuda"))) == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert suggest_workers(much) == 2
    monkeypatch.setattr("babelbits.study.execution.worker_pool.SMALL_MODEL", 1)
    assert suggest_workers(much) == 1  # a large model fills the cores by itself


@pytest.mark.slow
def test_two_workers_record_what_one_records(tiny_model: TinyModel, tmp_path: Path) -> None:
    texts = []
    for number in ("1", "2"):
        folder = tmp_path / number
        child = start(make(folder, tiny_model("llama")), "--workers", number)
        talk = child.communicate(timeout=300)[1]
        assert child.returncode == ExitCode.DONE, talk
        assert "computed 144 items, finished 12 cells" in talk
        texts.append(results(folder / "run", smoke=True))
    assert texts[0] == texts[1]


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_its_cell_and_nothing_else(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    study = make(tmp_path, tiny_model("llama"), items=100, chunk=2)
    child = start(study, "--workers", "2")
    while not recorded_items(tmp_path / "run", smoke=True):
        assert child.poll() is None
        time.sleep(0.05)
    os.kill(children(child.pid)[0], signal.SIGKILL)
    talk = child.communicate(timeout=300)[1]
    assert child.returncode == ExitCode.INCOMPLETE, talk
    assert "its worker process ended with exit code -9 (killed, perhaps out of memory" in talk
    assert sum(line.startswith("failed:") for line in talk.splitlines()) >= 1
    before = journals(tmp_path / "run")
    kept = recorded_items(tmp_path / "run", smoke=True)
    child = start(study, "--workers", "2")
    talk = child.communicate(timeout=300)[1]
    assert child.returncode == ExitCode.DONE, talk
    assert f"computed {1200 - kept:,} items" in talk
    check_nothing_was_rewritten(before, journals(tmp_path / "run"))


@pytest.mark.slow
def test_workers_end_with_a_killed_run_and_the_next_one_resumes(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    study = make(tmp_path, tiny_model("llama"), items=100, chunk=2)
    child = start(study, "--workers", "2")
    while not recorded_items(tmp_path / "run", smoke=True):
        assert child.poll() is None
        time.sleep(0.05)
    workers = children(child.pid)
    assert len(workers) == 2
    child.kill()
    child.communicate(timeout=300)  # returns when all holders of its stderr let go of it
    deadline = time.monotonic() + 120
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in workers if alive(pid)]
    kept = recorded_items(tmp_path / "run", smoke=True)
    child = start(study)
    talk = child.communicate(timeout=300)[1]
    assert child.returncode == ExitCode.DONE, talk
    assert f"computed {1200 - kept:,} items" in talk


@pytest.mark.slow
def test_ctrl_c_reaches_workers_through_the_run(tiny_model: TinyModel, tmp_path: Path) -> None:
    study = make(tmp_path, tiny_model("llama"), items=150, chunk=2)
    child = start(study, "--workers", "2")
    while not recorded_items(tmp_path / "run", smoke=True):
        assert child.poll() is None
        time.sleep(0.05)
    for pid in (*children(child.pid), child.pid):  # as a terminal does: to the whole group
        os.kill(pid, signal.SIGINT)
    talk = child.communicate(timeout=300)[1]
    assert child.returncode == ExitCode.INTERRUPTED, talk
    assert talk.strip().splitlines()[-1].startswith("interrupted; go on with: babelbits run")
    kept = recorded_items(tmp_path / "run", smoke=True)
    assert 0 < kept < 1800
    assert kept % 2 == 0


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_debug_shows_the_traceback_of_a_variant_that_fails(
    tiny_model: TinyModel, tmp_path: Path, workers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A weight of the model is no number; a worker process has no screen of its own."""
    from safetensors.torch import load_file, save_file

    base = shutil.copytree(tiny_model("llama"), tmp_path / "model")
    tensors = load_file(base / "model.safetensors")
    tensors["model.layers.0.mlp.up_proj.weight"][0, 0] = float("nan")
    save_file(tensors, base / "model.safetensors", metadata={"format": "pt"})
    study = write_study(tmp_path, model=base, recipes=("w8",), items=1)
    options = ["run", str(study), "--no-report", "--no-rehearse", "--workers", workers]
    assert run([*options]) == ExitCode.INCOMPLETE
    quiet = capsys.readouterr().err
    (kept,) = (tmp_path / "run").rglob("failures/*.txt")
    assert f"(traceback: {kept})" in quiet
    assert "Traceback (most recent call last)" not in quiet
    assert run([*options, "--debug"]) == ExitCode.INCOMPLETE
    assert kept.read_text("utf-8").strip() in capsys.readouterr().err
    assert "Traceback (most recent call last)" in kept.read_text("utf-8")


def test_what_stops_a_whole_run_brings_its_traceback_out_of_a_worker() -> None:
    """An exception loses its traceback between processes, not its notes (PEP 678)."""

    def fail() -> None:
        raise StoreError("the disk is full", where="file", hint="make room")

    with pytest.raises(StoreError) as caught:
        fail()
    sent = pickle.loads(pickle.dumps(add_trace(caught.value)))
    assert str(sent) == "file: the disk is full\n  make room"
    assert "in fail" in "".join(traceback.format_exception(sent))
