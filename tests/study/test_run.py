"""Whole runs on a tiny random model: real quantization, real engine, real store."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from babelbits.cli.main import run as babelbits
from babelbits.engines.base import Engine
from babelbits.engines.endpoint.settings import ServedBy
from babelbits.errors import ExitCode
from babelbits.recipes.manifests import hash_files, hash_weights, read_manifest, write_manifest
from babelbits.records import CellMeta
from babelbits.store import Store
from babelbits.store.sealed import dumps_sealed
from babelbits.study.config.spec import Study
from babelbits.study.planning.plan_types import VariantStep
from kill_and_resume import recorded_items, results, run_killed
from study_files import write_study

TinyModel = Callable[[str], Path]


@pytest.fixture(scope="module")
def finished(tiny_model: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a study that has been run to the end: baseline, A/A and two variants."""
    folder = tmp_path_factory.mktemp("finished")
    study = write_study(folder, model=tiny_model("llama"), recipes=("w8a8", "w4-rtn"))
    assert babelbits(["run", str(study), "--no-report"]) == ExitCode.DONE
    return folder


def test_every_cell_is_recorded(finished: Path) -> None:
    store = Store(finished / "run", smoke=True)
    cells = list(store.cells())
    # (baseline, A/A, w8a8, w4-rtn) x (pairs en, pairs ar, math nb)
    assert len(cells) == len(store.planned()) == 12
    assert {len(rows) for _, rows in cells} == {12}
    assert store.problems() == ()


def test_an_aa_cell_repeats_the_baseline_in_other_batches(finished: Path) -> None:
    cells = {
        (meta.replicate, meta.task.name): (meta, rows)
        for meta, rows in Store(finished / "run", smoke=True).cells()
        if meta.variant == "baseline"
    }
    for (replicate, task), (meta, rows) in cells.items():
        if replicate == 0:
            again, repeated = cells[1, task]
            assert again.chunk != meta.chunk
            assert [row.output for row in rows] == [row.output for row in repeated]


def test_the_same_command_again_computes_nothing(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert babelbits(["run", str(finished / "study.toml"), "--no-report"]) == ExitCode.DONE
    assert "nothing to do: all 12 cells are recorded" in capsys.readouterr().err


def test_adding_a_language_runs_that_language_only(
    finished: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    study = finished / "study.toml"
    before = study.read_text()
    study.write_text(before.replace('["en", "ar"]', '["en", "ar", "sw"]'))
    try:
        assert babelbits(["run", str(study), "--no-report"]) == ExitCode.DONE
    finally:
        study.write_text(before)
    assert "computed 48 items, finished 4 cells" in capsys.readouterr().err


def test_a_second_run_on_the_same_folder_is_refused(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(finished / "run").writing():
        code = babelbits(["run", str(finished / "study.toml"), "--no-report"])
    assert code == ExitCode.USAGE
    assert "another run is writing" in capsys.readouterr().err


def test_a_variant_with_other_weights_makes_its_cells_stale(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(finished / "run", smoke=True)
    cell = next(meta for meta in store.planned() if meta.variant == "w8a8")
    done = store.cell_folder(cell.cell_id) / "DONE"
    before = done.read_text()
    manifest = store.manifest(cell.variant_id)
    assert manifest is not None
    record = json.loads(before)
    del record["checksum"]
    done.write_bytes(dumps_sealed(record | {"weights_hash": "0" * len(manifest.weights_hash)}))
    assert babelbits(["run", str(finished / "study.toml"), "--no-report"]) == ExitCode.DONE
    assert "computed 12 items, finished 1 cell" in capsys.readouterr().err


def remake_otherwise(store: Store, variant_id: str) -> str:
    """Leave other weights in a variant's folder, with a manifest that vouches for them."""
    folder = store.variant_folder(variant_id)
    manifest = read_manifest(folder)
    assert manifest is not None
    file = folder / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    files = hash_files(folder)
    changed = replace(manifest, files=files, weights_hash=hash_weights(files))
    write_manifest(folder, changed)
    return changed.weights_hash


def test_a_variant_made_again_with_other_weights_starts_all_its_cells_anew(
    tiny_model: TinyModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study(tmp_path, model=tiny_model("llama"), recipes=("w8a8",))
    assert babelbits(["run", str(study), "--no-report"]) == ExitCode.DONE
    store = Store(tmp_path / "run", smoke=True)
    (first, *_), variant_id = cells_of(store, "w8a8"), cells_of(store, "w8a8")[0].variant_id
    weights = remake_otherwise(store, variant_id)
    # One cell is gone, as if it had not been run yet; the others are of the former weights.
    shutil.rmtree(store.cell_folder(first.cell_id))
    assert babelbits(["run", str(study), "--no-report"]) == ExitCode.DONE
    assert "computed 36 items, finished 3 cells" in capsys.readouterr().err
    assert {store.status(meta).weights_hash for meta in cells_of(store, "w8a8")} == {weights}


def cells_of(store: Store, label: str) -> list[CellMeta]:
    return [meta for meta in store.planned() if meta.variant == label]


def test_weights_that_are_overwritten_after_they_were_checked_fail_their_cells_only(
    tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from babelbits.study.execution import worker

    study = write_study(tmp_path, model=tiny_model("llama"), recipes=("w8a8", "w8"))
    load = worker.open_engine

    def overwrite_while_loading(
        of: Study, step: VariantStep, *, folder: Path, by: ServedBy | None = None
    ) -> Engine:
        engine = load(of, step, folder=folder, by=by)
        if step.label == "w8a8":
            remake_otherwise(Store(of.folder, smoke=True), step.variant_id)
        return engine

    monkeypatch.setattr(worker, "open_engine", overwrite_while_loading)
    code = babelbits(["run", str(study), "--no-report", "--workers", "1"])
    assert code == ExitCode.INCOMPLETE
    store = Store(tmp_path / "run", smoke=True)
    done = {meta.variant for meta, _ in store.cells()}
    assert done == {"baseline", "w8"}


@pytest.mark.slow
def test_kills_with_the_variant_remade_otherwise_in_between_mix_nothing(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    """20 times: killed at a random moment, its variant then made again with other weights."""
    study = write_study(tmp_path, model=tiny_model("llama"), recipes=("w8a8",), items=40, chunk=2)
    delays = random.Random(0)
    folder = tmp_path / "run"
    store = Store(folder, smoke=True)
    for _ in range(int(os.environ.get("BABELBITS_KILLS", "20"))):
        child = start(study)
        while child.poll() is None and not (folder / "smoke" / "plan.json").exists():
            time.sleep(0.05)
        time.sleep(delays.uniform(2, 12))
        child.kill()
        child.communicate()
        metas = cells_of(store, "w8a8")
        if metas and store.manifest(metas[0].variant_id):
            remake_otherwise(store, metas[0].variant_id)
    assert start(study).communicate() and babelbits(["run", str(study), "--no-report"]) == 0
    (metas, manifest) = (
        cells_of(store, "w8a8"),
        store.manifest(cells_of(store, "w8a8")[0].variant_id),
    )
    assert manifest is not None
    assert {store.status(meta).weights_hash for meta in metas} == {manifest.weights_hash}
    (tmp_path / "fresh").mkdir()
    fresh = write_study(
        tmp_path / "fresh", model=tiny_model("llama"), recipes=("w8a8",), items=40, chunk=2
    )
    shutil.copytree(folder / "variants", tmp_path / "fresh" / "run" / "variants")
    assert babelbits(["run", str(fresh), "--no-report"]) == ExitCode.DONE
    assert results(folder, smoke=True) == results(tmp_path / "fresh" / "run", smoke=True)


def test_a_damaged_cell_is_named_and_the_rest_is_usable(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(finished / "run", smoke=True)
    cell = next(meta for meta in store.planned() if meta.variant == "w4-rtn")
    items = store.cell_folder(cell.cell_id) / "items.parquet"
    whole = items.read_bytes()
    items.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    code = babelbits(["run", str(finished / "study.toml"), "--no-report"])
    assert code == ExitCode.STORE_DAMAGED
    assert str(items) in capsys.readouterr().err
    items.write_bytes(whole)


def start(study: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "babelbits.cli.main", "run", str(study), "--no-report"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_for_records(folder: Path, child: subprocess.Popen[str]) -> None:
    while recorded_items(folder, smoke=True) == 0:
        assert child.poll() is None, child.communicate()[1]
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_interrupt_finishes_the_batch_and_says_how_to_go_on(
    tiny_model: TinyModel, tmp_path: Path, number: signal.Signals
) -> None:
    study = write_study(tmp_path, model=tiny_model("llama"), items=150, chunk=2)
    child = start(study)
    wait_for_records(tmp_path / "run", child)
    child.send_signal(number)
    talk = child.communicate(timeout=120)[1]
    expected = ExitCode.TERMINATED if number == signal.SIGTERM else ExitCode.INTERRUPTED
    assert child.returncode == expected, talk
    assert f"babelbits run {study}" in talk
    recorded = recorded_items(tmp_path / "run", smoke=True)
    assert 0 < recorded < 900


@pytest.mark.slow
def test_two_interrupts_stop_now(tiny_model: TinyModel, tmp_path: Path) -> None:
    study = write_study(tmp_path, model=tiny_model("llama"), items=150, chunk=150)
    child = start(study)
    assert child.stderr is not None
    while not (tmp_path / "run" / "smoke" / "plan.json").exists():
        assert child.poll() is None
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGINT)
    time.sleep(0.5)
    if child.poll() is None:
        os.kill(child.pid, signal.SIGINT)
    talk = child.communicate(timeout=120)[1]
    assert child.returncode == ExitCode.INTERRUPTED, talk


@pytest.mark.slow
def test_killed_five_times_and_resumed_the_results_are_identical(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    texts = []
    for name, kills in (("calm", 0), ("killed", 5)):
        folder = tmp_path / name
        folder.mkdir()
        study = write_study(
            folder, model=tiny_model("llama"), recipes=("w4-rtn",), items=120, chunk=3
        )
        sessions = run_killed(
            study, folder / "run", kills=kills, longest=0.6, seed=kills, smoke=True
        )
        last = sessions[-1]
        assert last.computed == last.recorded_after - last.recorded_before
        texts.append(results(folder / "run", smoke=True))
    assert sum(session.killed for session in sessions) >= 1
    assert texts[0] == texts[1]
