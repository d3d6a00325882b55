"""Inspect's logs are read once, in bounded time and memory, whatever they claim to hold."""

import json
import resource
import struct
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from babelbits.errors import TaskError
from babelbits.interop.readers.detect import read_run

LOGS = Path(__file__).parent / "fixtures" / "inspect"


def parts() -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and one sample of a log that Inspect wrote."""
    [log] = (LOGS / "q4-json").iterdir()
    whole = json.loads(log.read_text("utf-8"))
    samples = whole.pop("samples")
    return whole, samples[0]


def written(path: Path, samples: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    header, _ = parts()
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, raw in samples.items():
            archive.writestr(f"samples/{name}_epoch_1.json", raw)
        archive.writestr("header.json", json.dumps(header))
    return path


@contextmanager
def at_most(megabytes: int) -> Iterator[None]:
    """Address space beyond what the process has, so that more is a MemoryError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_the_time_grows_as_the_samples_do(tmp_path: Path) -> None:
    """Eight times the samples in less than thirty times the CPU time: quadratic would be 64."""
    _, sample = parts()
    seconds = []
    for count in (500, 4000):
        rows = {str(k): json.dumps({**sample, "id": str(k)}).encode() for k in range(count)}
        path = written(tmp_path / f"{count}.eval", rows)
        started = time.process_time()
        [task] = read_run(path).tasks
        seconds.append(time.process_time() - started)
        assert len(task.items) == count
    assert seconds[1] < 30 * max(seconds[0], 0.02)


def claiming(path: Path, size: int) -> Path:
    """A log whose directory says so of every member's unpacked size."""
    raw = bytearray(path.read_bytes())
    place = raw.find(b"PK\x01\x02")
    while place >= 0:
        struct.pack_into("<I", raw, place + 24, size)
        place = raw.find(b"PK\x01\x02", place + 4)
    path.write_bytes(raw)
    return path


def test_what_unpacks_to_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    """One sample of a gigabyte, and many small ones that are three together."""
    one = claiming(written(tmp_path / "one.eval", {"1": b"{}"}), 1_000_000_000)
    many = {str(k): b"{}" for k in range(300)}
    with at_most(100):
        with pytest.raises(TaskError, match=r"953 MiB, and 64 are read"):
            read_run(one)
        with pytest.raises(TaskError, match="more than a log can be"):
            read_run(claiming(written(tmp_path / "many.eval", many), 10_000_000))


def test_a_sample_beyond_all_samples_is_named(tmp_path: Path) -> None:
    """32 MiB of blanks, which deflate makes 32 kB of."""
    path = written(tmp_path / "x.eval", {"1": b" " * (1 << 25)})
    assert path.stat().st_size < 100_000
    with at_most(100), pytest.raises(TaskError, match=r"samples/1_epoch_1\.json: unpacked"):
        read_run(path)


def test_a_size_that_lies_is_damage(tmp_path: Path) -> None:
    _, sample = parts()
    path = written(tmp_path / "x.eval", {"1": json.dumps(sample).encode()})
    raw = bytearray(path.read_bytes())
    place = raw.index(b"PK\x01\x02")
    struct.pack_into("<I", raw, place + 24, 10)
    path.write_bytes(raw)
    with pytest.raises(TaskError, match=r"header\.json: damaged|samples/1_epoch_1\.json: damaged"):
        read_run(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_other_compressions_say_the_same(tmp_path: Path, method: int) -> None:
    _, sample = parts()
    path = written(tmp_path / "x.eval", {"1": json.dumps(sample).encode()}, method=method)
    [task] = read_run(path).tasks
    assert task.items[0].prompt == sample["messages"][0]["content"]


def test_a_log_without_samples_is_left_out_by_name(tmp_path: Path) -> None:
    header, sample = parts()
    written(tmp_path / "b.eval", {"1": json.dumps(sample).encode()})
    header["eval"]["task"] = "other_de"
    with zipfile.ZipFile(tmp_path / "a.eval", "w") as archive:
        archive.writestr("header.json", json.dumps(header))
    run = read_run(tmp_path)
    assert len(run.tasks) == 1
    assert any("a.eval" in note and "no samples" in note for note in run.notes)
    (tmp_path / "b.eval").unlink()
    with pytest.raises(TaskError, match="has no samples"):
        read_run(tmp_path)


def test_only_the_beginning_of_a_talk_is_kept(tmp_path: Path) -> None:
    """Events and what follows the first answer are most of a log, and are compared by nobody."""
    _, sample = parts()
    sample["events"] = [{"text": "x" * 1000}] * 1000
    sample["messages"] += [{"role": "user", "content": "again " * 10_000}]
    [task] = read_run(written(tmp_path / "x.eval", {"1": json.dumps(sample).encode()})).tasks
    assert "again" not in task.items[0].prompt
