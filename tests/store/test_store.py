"""Cells are complete or resumable, damage is contained, one process writes."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from babelbits.errors import CorruptRecordError, StoreError, StoreLockedError
from babelbits.records import CellMeta
from babelbits.store import Store
from babelbits.store.codec import (
    columns_to_rows,
    dumps,
    from_json,
    read_parquet,
    rows_to_columns,
    to_json,
    write_parquet,
)
from store_examples import HOSTILE, meta, row, rows

VERSIONS = {"babelbits": "0"}


def complete(store: Store, cell: CellMeta) -> None:
    with store.writer(cell, weights_hash="w") as writer:
        for number, indices in writer.missing_batches():
            writer.append(number, rows(indices), seconds=1.0)
        writer.finish(machine="here", library_versions=VERSIONS)


def test_rows_come_back_from_parquet_as_they_were(tmp_path: Path) -> None:
    store = Store(tmp_path)
    complete(store, meta())
    assert list(store.rows(meta())) == rows(range(5))
    assert store.status(meta()).state == "done"
    assert store.rows(meta())[0].output == HOSTILE


def test_pandas_free_tools_see_undefined_as_null(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    store = Store(tmp_path)
    complete(store, meta())
    table = pq.read_table(store.cell_folder(meta().cell_id) / "items.parquet")
    assert table["score:acc"].null_count == 1
    assert table["failure_kind"].to_pylist() == [None, None, None, "nan_logits", None]


def test_only_missing_batches_are_asked_for_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.writer(meta(), weights_hash="w") as writer:
        assert [number for number, _ in writer.missing_batches()] == [0, 1, 2]
        writer.append(1, rows(range(2, 4)), seconds=0.5)
    assert store.status(meta()).reason == "2 of 5 items recorded"
    with store.writer(meta(), weights_hash="w") as writer:
        assert [number for number, _ in writer.missing_batches()] == [0, 2]


def test_batches_keep_the_size_they_began_with(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.writer(meta(chunk=2), weights_hash="w") as writer:
        writer.append(0, rows(range(2)), seconds=0.0)
    with store.writer(meta(chunk=3), weights_hash="w") as writer:
        assert [tuple(indices) for _, indices in writer.missing_batches()] == [(2, 3), (4,)]


def test_an_incomplete_cell_cannot_be_finished_or_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.writer(meta(), weights_hash="w") as writer:
        writer.append(0, rows(range(2)), seconds=0.0)
        with pytest.raises(StoreError, match="missing batches"):
            writer.finish(machine="here", library_versions=VERSIONS)
    with pytest.raises(StoreError, match="not complete"):
        store.rows(meta())


@pytest.mark.parametrize("name", ["items.parquet", "DONE"])
def test_every_flipped_bit_of_a_finished_cell_is_named_and_contained(
    tmp_path: Path, name: str
) -> None:
    store = Store(tmp_path)
    other = replace(meta(variant="w4"), n_items=3)
    complete(store, meta())
    complete(store, other)
    store.save_plan("", [meta(), other])
    path = store.cell_folder(meta().cell_id) / name
    whole = path.read_bytes()
    flips = [(i, 1 << b) for i in range(len(whole)) for b in range(8)]
    for index, bit in flips if name == "DONE" else flips[:: max(1, len(flips) // 60)]:
        damaged = bytearray(whole)
        damaged[index] ^= bit
        path.write_bytes(bytes(damaged))
        status = store.status(meta())
        assert status.state == "damaged"
        assert str(store.cell_folder(meta().cell_id)) in status.reason
        assert store.status(other).state == "done"
    path.write_bytes(b"")
    assert store.status(meta()).state == "damaged"


def test_every_flipped_bit_of_the_plan_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save_plan("", [meta(), meta(variant="w4")])
    path = tmp_path / "plan.json"
    whole = path.read_bytes()
    for index in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[index] ^= 1 << bit
            path.write_bytes(bytes(damaged))
            with pytest.raises(StoreError, match=r"plan\.json"):
                store.planned()


def test_records_of_a_release_without_checksums_are_read(tmp_path: Path) -> None:
    """Canonical JSON without the field 'checksum', as 0.1.0 wrote DONE and plan.json."""
    store = Store(tmp_path)
    complete(store, meta())
    store.save_plan("", [meta()])
    done = store.cell_folder(meta().cell_id) / "DONE"
    for path in (done, tmp_path / "plan.json"):
        whole = path.read_text("utf-8")
        bare = re.sub(r'"checksum":"[0-9a-f]{8}",', "", whole)
        assert bare != whole
        path.write_text(bare, "utf-8")
    assert [cell.cell_id for cell, _ in store.cells()] == [meta().cell_id]
    done.write_text(done.read_text("utf-8").replace('"machine"', '"nachine"'), "utf-8")
    assert store.status(meta()).state == "damaged"


def test_a_cell_begun_with_other_weights_begins_anew(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.writer(meta(variant="w4"), weights_hash="first") as writer:
        writer.append(0, rows(range(2)), seconds=0.0)
    assert store.status(meta(variant="w4")).weights_hash == "first"
    with store.writer(meta(variant="w4"), weights_hash="second") as writer:
        assert [number for number, _ in writer.missing_batches()] == [0, 1, 2]
        for number, indices in writer.missing_batches():
            writer.append(number, rows(indices), seconds=0.0)
        writer.finish(machine="here", library_versions=VERSIONS)
    assert store.status(meta(variant="w4")).weights_hash == "second"
    (kept,) = (tmp_path / "set-aside").iterdir()  # nothing that was computed is lost
    assert b"first" in (kept / "journal.jsonl").read_bytes()


def test_results_of_two_sets_of_weights_are_refused_together(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = replace(meta(variant="w4"), cell_id="a" * 16)
    second = replace(meta(variant="w4"), cell_id="b" * 16)
    for cell, weights in ((first, "one"), (second, "two")):
        with store.writer(cell, weights_hash=weights) as writer:
            for number, indices in writer.missing_batches():
                writer.append(number, rows(indices), seconds=0.0)
            writer.finish(machine="here", library_versions=VERSIONS)
    store.save_plan("", [first, second])
    with pytest.raises(StoreError, match="'w4' were computed with different weights"):
        list(store.cells())


def test_a_lock_that_can_be_taken_twice_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a file system that grants every lock, such as NFS mounted with 'nolock'."""
    monkeypatch.setattr("babelbits.store.store.fcntl.flock", lambda *_: None)
    locks = pytest.raises(StoreError, match="file locks do nothing")
    with locks, Store(tmp_path).writing():
        pass


def test_damaged_cells_are_set_aside_only_on_request(tmp_path: Path) -> None:
    store = Store(tmp_path)
    complete(store, meta())
    store.save_plan("", [meta()])
    items = store.cell_folder(meta().cell_id) / "items.parquet"
    items.write_bytes(items.read_bytes()[:-1])
    with pytest.raises(CorruptRecordError):
        store.rows(meta())
    (moved,) = store.set_aside_damaged()
    assert (moved / "items.parquet").exists()
    assert store.status(meta()).state == "missing"


def test_a_damaged_journal_is_named_not_repaired(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.writer(meta(), weights_hash="w") as writer:
        writer.append(0, rows(range(2)), seconds=0.0)
        writer.append(1, rows(range(2, 4)), seconds=0.0)
    path = store.cell_folder(meta().cell_id) / "journal.jsonl"
    content = path.read_bytes().replace(b'"i1"', b'"i9"')
    path.write_bytes(content)
    status = store.status(meta())
    assert status.state == "damaged"
    assert f"{path}:2" in status.reason
    with pytest.raises(CorruptRecordError), store.writer(meta(), weights_hash="w"):
        pass
    assert path.read_bytes() == content


def test_two_runs_on_one_folder_are_refused(tmp_path: Path) -> None:
    first, second = Store(tmp_path), Store(tmp_path)
    mine = pytest.raises(StoreLockedError, match=str(os.getpid()))
    with first.writing(), mine, second.writing():
        pass
    with second.writing():
        pass


def test_a_killed_run_leaves_no_lock(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from babelbits.store import Store\n"
        "with Store(Path(sys.argv[1])).writing():\n"
        "    print('ready', flush=True); time.sleep(60)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    with Store(tmp_path).writing():
        pass


@pytest.mark.slow
def test_killed_at_any_moment_no_recorded_batch_is_lost_or_repeated(tmp_path: Path) -> None:
    """Children append batches and are killed at growing delays; a log counts the work done."""
    program = Path(__file__).with_name("append_batches.py")
    store = Store(tmp_path / "run")
    cell = meta(n_items=40, chunk=2)
    work = tmp_path / "work.log"
    work.touch()
    for attempt in range(200):
        child = subprocess.Popen([sys.executable, str(program), str(store.root), str(work)])
        try:
            child.wait(timeout=0.25 * 1.03**attempt)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        before = store.status(cell)
        if before.state == "done":
            break
        assert before.state in {"missing", "partial"}
    assert list(store.rows(cell)) == rows(range(40))
    recorded = [line for line in work.read_text().split("\n") if line.startswith("recorded")]
    assert len(recorded) == len(set(recorded)) <= 20


def test_a_smoke_run_is_stored_apart(tmp_path: Path) -> None:
    complete(Store(tmp_path, smoke=True), replace(meta(), smoke=True))
    assert Store(tmp_path).status(meta()).state == "missing"
    assert Store(tmp_path, smoke=True).status(meta()).state == "done"


def test_labels_come_from_the_plan_not_from_the_first_run(tmp_path: Path) -> None:
    store = Store(tmp_path)
    complete(store, meta())
    renamed = replace(meta(), variant="mine")
    store.save_plan("[study]", [renamed])
    ((saved, items),) = store.cells()
    assert saved.variant == "mine"
    assert {item.variant for item in items} == {"mine"}
    assert store.study_text() == "[study]"


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="babelbits run"):
        Store(tmp_path).study_text()


def test_records_survive_json() -> None:
    assert from_json(CellMeta, to_json(meta()), where="here") == meta()
    assert dumps(meta()).endswith(b"\n")
    with pytest.raises(StoreError, match="CellMeta: n_items"):
        from_json(CellMeta, {**to_json(meta()), "n_items": "many"}, where="here")


def test_columns_are_the_inverse_of_rows() -> None:
    original = (row(1), row(2), row(3))
    assert columns_to_rows(rows_to_columns(original), where="here") == original


def test_gold_answers_survive_parquet_and_old_files_have_none(tmp_path: Path) -> None:
    original = (replace(row(1), golds=("sju", "7")), row(2))
    path = tmp_path / "items.parquet"
    path.write_bytes(write_parquet(original, metadata={}))
    assert read_parquet(path) == original
    columns = rows_to_columns(original)
    del columns["golds"]
    assert [one.golds for one in columns_to_rows(columns, where="here")] == [(), ()]


def test_timings_are_those_of_this_machine(tmp_path: Path) -> None:
    store = Store(tmp_path)
    complete(store, meta())
    store.save_plan("", [meta()])
    assert store.timings("here") == {"baseline/sums": (3 / 5,)}
    assert store.timings("elsewhere") == {}
