"""The journal keeps every complete record and nothing else, whatever happened to the file."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelbits.errors import CorruptRecordError, StoreError, StoreLockedError
from babelbits.store.journal import Journal, read

RECORDS = [
    {"n": 1, "text": "plain"},
    {"n": 2, "text": "line\u2028separator\nnewline \x1b[31m <script> नमस्ते"},
    {"n": 3, "text": ""},
]


def write(path: Path, records: list[dict[str, object]]) -> None:
    with Journal(path) as journal:
        for record in records:
            journal.append(record)


def test_truncated_at_every_byte_keeps_exactly_the_complete_records(tmp_path: Path) -> None:
    write(tmp_path / "whole", RECORDS)
    content = (tmp_path / "whole").read_bytes()
    ends = [i + 1 for i, byte in enumerate(content) if byte == ord("\n")]
    for cut in range(len(content) + 1):
        path = tmp_path / "cut"
        path.write_bytes(content[:cut])
        complete = sum(end <= cut for end in ends)
        assert list(read(path)) == RECORDS[:complete]
        write(path, [{"n": 99}])
        assert list(read(path)) == [*RECORDS[:complete], {"n": 99}]


def test_every_flipped_byte_is_found_or_only_tears_the_last_record(tmp_path: Path) -> None:
    write(tmp_path / "whole", RECORDS)
    content = (tmp_path / "whole").read_bytes()
    for index in range(len(content)):
        damaged = bytearray(content)
        damaged[index] ^= 0x01
        path = tmp_path / "damaged"
        path.write_bytes(bytes(damaged))
        seen = []
        try:
            for record in read(path):
                seen.append(record)  # noqa: PERF402  the records before the damage must be kept
        except CorruptRecordError as error:
            assert error.where is not None
            assert error.where.startswith(f"{path}:")
        assert seen == RECORDS[: len(seen)]
        assert len(seen) < len(RECORDS)


def test_the_error_names_the_line_of_the_damage(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    write(path, RECORDS)
    lines = path.read_bytes().split(b"\n")
    lines[1] = lines[1].replace(b"newline", b"newlime")
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(CorruptRecordError) as caught:
        list(read(path))
    assert caught.value.where == f"{path}:2"


def test_nan_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path) as journal, pytest.raises(ValueError, match="not JSON compliant"):
        journal.append({"score": float("nan")})
    assert path.read_bytes() == b""


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path), pytest.raises(StoreLockedError), Journal(path):
        pass


def test_a_killed_writer_leaves_no_lock_and_no_lost_record(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    program = (
        "import sys, time; from pathlib import Path; from babelbits.store.journal import Journal\n"
        "with Journal(Path(sys.argv[1])) as journal:\n"
        "    for n in range(3): journal.append({'n': n})\n"
        "    print('ready', flush=True); time.sleep(60)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()
    write(path, [{"n": 3}])
    assert [record["n"] for record in read(path)] == [0, 1, 2, 3]


def test_a_full_disk_keeps_what_was_recorded(tmp_path: Path) -> None:
    """The kernel's file size limit makes a real write fail in the middle of a record."""
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from babelbits.errors import StoreError; from babelbits.store.journal import Journal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))\n"
        "try:\n"
        "    with Journal(Path(sys.argv[1])) as journal:\n"
        "        for n in range(100): journal.append({'n': n, 'text': 'x' * 50})\n"
        "except StoreError as error: print(error.what)\n"
    )
    path = tmp_path / "journal"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert "larger than this account may write" in done.stdout
    recorded = [record["n"] for record in read(path)]
    assert recorded == list(range(len(recorded)))
    assert len(recorded) == 3
    assert path.read_bytes().endswith(b"\n")


def test_a_read_only_folder_is_an_error_that_says_so(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="no permission"), Journal(tmp_path / "journal"):
        pass


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=50)
@given(records=st.lists(st.dictionaries(st.text(), json_values, max_size=3), max_size=4))
def test_what_is_appended_is_read_back(
    records: list[dict[str, object]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal"
    try:
        write(path, records)
    except UnicodeEncodeError:
        return  # lone surrogates are not text; they are refused before anything is written
    assert list(read(path)) == records
