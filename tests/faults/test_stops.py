"""Runs that are stopped: by Ctrl-C once and twice, and by SIGKILL wherever it hurts."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from babelbits.errors import ExitCode
from babelbits.recipes.manifests import verify
from fault_files import Command, TinyModel, small_study
from kill_and_resume import recorded_items, results

RTN = '[[variants]]\nrecipe = "w4-rtn"\n'

pytestmark = pytest.mark.slow


def start(study: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "babelbits.cli.main", "run", str(study), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait(child: subprocess.Popen[str], condition: Callable[[], object], *, pause: float) -> None:
    """Until the condition holds; the child must live that long."""
    while not condition():
        assert child.poll() is None, child.communicate()[1]
        time.sleep(pause)


def test_ctrl_c_once_finishes_the_batch_and_says_how_to_go_on(
    tiny_model: TinyModel, tmp_path: Path, command: Command
) -> None:
    home = tmp_path / "with space"
    home.mkdir()
    study = small_study(home, model=tiny_model("llama"), items=None)
    child = start(study, "--limit", "200")
    wait(child, lambda: recorded_items(home / "run", smoke=True), pause=0.05)
    child.send_signal(signal.SIGINT)
    out, talk = child.communicate(timeout=300)
    assert child.returncode == ExitCode.INTERRUPTED, talk
    assert "stopping after the batch in flight; Ctrl-C again stops now" in talk
    # The last line is the command that goes on, with the limit and quoted for a shell.
    last = talk.strip().splitlines()[-1]
    assert last == f"interrupted; go on with: babelbits run '{study}' --limit 200"
    assert out == ""
    kept = recorded_items(home / "run", smoke=True)
    assert 0 < kept < 200
    assert kept % 2 == 0
    said = command("run", study, "--limit", "200", "--no-report")
    assert said.code == ExitCode.DONE
    assert f"computed {200 - kept} items" in said.err


def test_ctrl_c_twice_stops_now_and_keeps_what_is_recorded(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    engine = "batch_items = 150"  # one batch is long enough to be interrupted in
    tasks = '[[tasks]]\nsuite = "math"\nlanguages = ["nb"]\n'
    study = small_study(tmp_path, model=tiny_model("llama"), tasks=tasks, engine=engine, items=150)
    child = start(study)
    wait(child, lambda: list(tmp_path.glob("run/smoke/cells/*/journal.jsonl")), pause=0.01)
    child.send_signal(signal.SIGINT)
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    _, talk = child.communicate(timeout=300)
    assert child.returncode == ExitCode.INTERRUPTED, talk
    assert "Traceback" not in talk
    assert f"go on with: babelbits run {study} --limit 150" in talk


def test_killed_while_quantizing(tiny_model: TinyModel, tmp_path: Path, command: Command) -> None:
    study = small_study(tmp_path, model=tiny_model("llama"), variants=RTN)
    child = start(study)
    wait(child, lambda: list(tmp_path.glob("run/variants/.*.partial")), pause=0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert not list(tmp_path.glob("run/variants/[!.]*"))
    kept = recorded_items(tmp_path / "run", smoke=True)
    assert kept == 2  # the baseline's
    said = command("run", study, "--no-report")
    assert said.code == ExitCode.DONE
    assert "computed 2 items, finished 1 cell" in said.err
    (variant,) = (tmp_path / "run" / "variants").iterdir()  # and nothing hidden is left
    verify(variant)
    calm = tmp_path / "calm"
    calm.mkdir()
    study = small_study(calm, model=tiny_model("llama"), variants=RTN)
    assert command("run", study, "--no-report").code == ExitCode.DONE
    assert results(tmp_path / "run", smoke=True) == results(calm / "run", smoke=True)


def test_killed_while_the_report_is_written(
    tiny_model: TinyModel, tmp_path: Path, command: Command
) -> None:
    """The page is there whole or not at all, and is the same when it is built again."""
    study = small_study(tmp_path, model=tiny_model("llama"), aa=True)
    assert command("run", study).code == ExitCode.DONE
    page = tmp_path / "run" / "smoke" / "report.html"
    whole = page.read_bytes()
    page.unlink()
    for delay in (0.0, 0.2, 0.5):
        child = start(study)
        # All is recorded: what is left to do is the report, which begins with this line.
        assert child.stderr is not None
        while "nothing to do" not in child.stderr.readline():
            assert child.poll() is None
        time.sleep(delay)
        child.kill()
        child.communicate()
        assert not page.exists() or page.read_bytes() == whole
    assert command("run", study).code == ExitCode.DONE
    assert page.read_bytes() == whole
