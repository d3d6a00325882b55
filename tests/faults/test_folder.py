"""Run folders that are taken, cannot be written, or are on a full disk."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from babelbits.errors import ExitCode
from babelbits.store import Store
from fault_files import Command, TinyModel, small_study
from kill_and_resume import recorded_items, results


def run_without_privileges(study: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """A run that obeys the modes of files even as root; `home` is where its caches would be."""
    command = [sys.executable, "-m", "babelbits.cli.main", "run", str(study), "--no-report"]
    if os.getuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("runs as root, and there is no setpriv to become less")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    environment = {**os.environ, "XDG_CACHE_HOME": str(home / "cache")}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.slow
def test_a_folder_that_may_not_be_written(tiny_model: TinyModel, tmp_path: Path) -> None:
    study = small_study(tmp_path, model=tiny_model("llama"))
    tmp_path.chmod(0o555)
    try:
        said = run_without_privileges(study, tmp_path / "no-home")
        assert said.returncode == ExitCode.STORE_DAMAGED, said.stderr
        assert f"{tmp_path / 'run'}: no permission to write here" in said.stderr
        assert "choose another folder" in said.stderr
        assert "Traceback" not in said.stderr
        assert list(tmp_path.iterdir()) == [study]
        # Caches that cannot be written are no reason to fail.
        tmp_path.chmod(0o755)
        (tmp_path / "run").mkdir()
        tmp_path.chmod(0o555)
        said = run_without_privileges(study, tmp_path / "no-home")
        assert said.returncode == ExitCode.DONE, said.stderr
    finally:
        tmp_path.chmod(0o755)


def test_a_file_where_the_folder_should_be(
    command: Command, tiny_model: TinyModel, tmp_path: Path
) -> None:
    (tmp_path / "run").write_text("mine")
    said = command("run", small_study(tmp_path, model=tiny_model("llama")))
    assert said.code == ExitCode.STORE_DAMAGED
    assert f"{tmp_path / 'run'}: a file of that name is in the way" in said.err
    assert (tmp_path / "run").read_text() == "mine"


def test_two_runs_on_one_folder(command: Command, tiny_model: TinyModel, tmp_path: Path) -> None:
    study = small_study(tmp_path, model=tiny_model("llama"))
    with Store(tmp_path / "run").writing():
        said = command("run", study)
    assert said.code == ExitCode.USAGE
    assert f"another run is writing to this folder (process {os.getpid()})" in said.err
    assert "wait for it or stop it, then run the same command again" in said.err
    assert command("run", study, "--no-report").code == ExitCode.DONE


def run_with_file_limit(study: Path, limit: int) -> subprocess.CompletedProcess[str]:
    """A run that may not write files of more than `limit` bytes, as on a disk that fills up."""

    def restrict() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [sys.executable, "-m", "babelbits.cli.main", "run", str(study), "--no-report"],
        capture_output=True,
        text=True,
        preexec_fn=restrict,
        check=False,
    )


@pytest.mark.slow
def test_a_disk_that_fills_up_keeps_what_is_recorded(
    command: Command, tiny_model: TinyModel, tmp_path: Path
) -> None:
    study = small_study(tmp_path, model=tiny_model("llama"), items=60, engine="batch_items = 4")
    said = run_with_file_limit(study, 20_000)
    assert said.returncode == ExitCode.STORE_DAMAGED, said.stderr
    assert "journal.jsonl: the file is larger than this account may write" in said.stderr
    assert "Traceback" not in said.stderr
    kept = recorded_items(tmp_path / "run", smoke=True)
    assert 0 < kept < 60
    assert kept % 4 == 0
    said = command("run", study, "--no-report")
    assert said.code == ExitCode.DONE
    assert f"computed {60 - kept} items, finished 1 cell" in said.err
    # The same as from a run that had room all along.
    calm = tmp_path / "calm"
    calm.mkdir()
    study = small_study(calm, model=tiny_model("llama"), items=60, engine="batch_items = 4")
    assert command("run", study, "--no-report").code == ExitCode.DONE
    assert results(tmp_path / "run", smoke=True) == results(calm / "run", smoke=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB; skips where none may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("may not mount a small disk here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_says_so_and_the_run_goes_on_when_there_is_room(
    command: Command, tiny_model: TinyModel, small_disk: Path
) -> None:
    study = small_study(small_disk, model=tiny_model("llama"), items=20, engine="batch_items = 4")
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space"), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    said = command("run", study)
    assert said.code == ExitCode.STORE_DAMAGED
    assert "the disk is full" in said.err
    assert "free some space and run the same command again" in said.err
    os.truncate(ballast, ballast.stat().st_size - 40_000)
    said = command("run", study, "--no-report")
    assert said.code == ExitCode.STORE_DAMAGED
    assert "the disk is full" in said.err
    kept = recorded_items(small_disk / "run", smoke=True)
    ballast.unlink()
    said = command("run", study, "--no-report")
    assert said.code == ExitCode.DONE
    assert f"computed {20 - kept} items" in said.err
