"""`babelbits status`: counted by hand on a run folder that is half done."""

import json
import time
from pathlib import Path

import pytest

from babelbits.cli.main import run
from babelbits.errors import ExitCode
from babelbits.store import Store
from babelbits.store.run_progress import read_progress
from store_examples import meta, rows


def begin(folder: Path) -> Store:
    """A finished baseline of five items, and a variant with two of five."""
    store = Store(folder)
    baseline, variant = meta(), meta(variant="w8")
    store.save_plan("[study]\n", [baseline, variant])
    with store.writer(baseline, weights_hash="a") as writer:
        for number, indices in writer.missing_batches():
            writer.append(number, rows(indices), seconds=1.0)
        writer.finish(machine="here", library_versions={})
    with store.writer(variant, weights_hash="b") as writer:
        writer.append(0, rows(range(2), variant="w8"), seconds=1.0)
    return store


def test_what_is_recorded_and_what_is_left_is_counted(tmp_path: Path) -> None:
    found = read_progress(begin(tmp_path))
    assert (found.items, found.items_done, found.complete) == (10, 7, False)
    first, second = found.variants
    assert (first.variant, first.cells_done, first.items_done, first.active) == (
        "baseline",
        1,
        5,
        0,
    )
    assert (second.variant, second.cells_done, second.items_done) == ("w8", 0, 2)
    assert second.active == 1  # its journal has just grown
    later = read_progress(Store(tmp_path), now=time.time() + 3600)
    assert later.variants[1].active == 0
    assert later.seconds_since == pytest.approx(3600, abs=60)


def test_the_command_says_it_to_people_and_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(tmp_path)
    assert run(["status", str(tmp_path)]) == ExitCode.DONE
    told = capsys.readouterr().out
    assert "7 of 10 items recorded (70%)" in told
    assert "every cell is done" not in told
    assert run(["status", str(tmp_path), "--json"]) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    assert found["runs"]["cells"]["variants"][1]["items_done"] == 2


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    assert run(["status", str(tmp_path)]) == ExitCode.STORE_DAMAGED
