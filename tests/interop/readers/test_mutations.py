"""Damaged and hostile logs end in a result or a `TaskError`, in two seconds and 500 MB.

Every log of the fixtures, mutated by a seed: bytes flipped, cut, doubled and put in, and values of
its JSON replaced by others. A tenth of 10,000 a reader is run; MUTATIONS=10000 runs all.
"""

import io
import json
import os
import resource
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from babelbits.errors import TaskError
from babelbits.interop.readers import inspect_log
from babelbits.interop.readers.detect import read_run

LOGS = Path(__file__).parent / "fixtures"
TABLE = "item_id,language,score,task,output\n" + "".join(
    f'{k},{code},{k % 2},quiz,"text, and ""more"""\n' for code in ("de", "sw") for k in range(4)
)
OLD_ROW = {
    "doc_id": 0,
    "doc": {"question": "2+3?", "answer": 5},
    "target": "5",
    "arguments": [["2+3?", {"until": ["\n"]}]],
    "resps": [["5"]],
    "filtered_resps": ["5"],
    "exact_match": 1.0,
}
OLD_RESULTS = {
    "results": {"mgsm_direct_de": {"exact_match,a": 1.0, "exact_match,b": 1.0}},
    "configs": {"mgsm_direct_de": {"filter_list": [{"name": "a"}, {"name": "b"}]}},
    "config": {"model": "hf", "model_args": "pretrained=x"},
}

ODD = (
    *(None, True, -1, 0, 10**400, 1e308, float("nan"), float("inf"), "", "\ud800", "x" * 5000),
    *([], {}, [[]], {"": None}, [None], ["1", 2], {"0": {"0": {}}}, "nan", "1e999", "-", "a,b=c"),
)
"""What stands where something else is expected."""
TOKENS = (
    *(b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"null", b"{}", b"[]", b"-", b"1e999", b'"\\ud800"'),
    *(
        b"\n",
        b"\r",
        b'"',
        b",",
        b";",
        b"[" * 2000,
        b'{"a":' * 2000,
        b"9" * 5000,
        b"\xc2\xb1",
        b"PK",
    ),
)

_SECONDS = 2.0
"""Of the processor: a machine may be busy."""

Log = Callable[[Path], Path]
"""Writes a log into a folder, and says what to read."""


def copied(*parts: str) -> Log:
    def write(folder: Path) -> Path:
        source = LOGS.joinpath(*parts)
        if source.is_file():
            return Path(shutil.copy(source, folder))
        return Path(shutil.copytree(source, folder / "log"))

    return write


def old_lm_eval(folder: Path) -> Path:
    rows = [{**OLD_ROW, "doc_id": k} for _ in range(2) for k in range(3)]
    (folder / "m_mgsm_direct_de.jsonl").write_text(json.dumps(rows, indent=2))
    (folder / "results.json").write_text(json.dumps(OLD_RESULTS))
    return folder


def a_table(ending: str, parted: str = ",") -> Log:
    def write(folder: Path) -> Path:
        file = folder / f"t.{ending}"
        file.write_text(TABLE.replace(",", parted), "utf-8")
        return file

    return write


def table_of_json(folder: Path) -> Path:
    rows = [{"item_id": k, "language": "de", "score": k % 2, "output": "x"} for k in range(5)]
    file = folder / "t.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


READERS: dict[str, Log] = {
    "lm-eval": copied("lm_eval", "base"),
    "lm-eval 0.4.2": old_lm_eval,
    "lighteval": copied("lighteval", "q4"),
    "Inspect, zip": copied("inspect", "q4"),
    "Inspect, JSON": copied("inspect", "q4-json"),
    "EvalScope": copied("evalscope", "q4"),
    "llama-perplexity": copied("llama_perplexity", "iq2_kl.log"),
    "table, commas": a_table("csv"),
    "table, semicolons": a_table("csv", ";"),
    "table, JSON": table_of_json,
}


# --- mutations -------------------------------------------------------------------------------


def damaged(raw: bytes, random: Random) -> bytes:
    """Bytes with one to four faults."""
    data = bytearray(raw)
    for _ in range(random.randint(1, 4)):
        place, length = random.randrange(len(data) + 1), random.randint(1, 200)
        match random.randrange(5):
            case 0 if place < len(data):
                data[place] ^= 1 << random.randrange(8)
            case 1:
                del data[place : place + length]
            case 2:
                data[place:place] = data[place : place + length]
            case 3:
                data[place:place] = random.choice(TOKENS)
            case _:
                del data[place:]
    return bytes(data)


def replaced(value: Any, random: Random) -> Any:
    """JSON with something else somewhere."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(list(value))
        if random.random() < 0.1:
            return {name: inner for name, inner in value.items() if name != key}
        return {**value, key: replaced(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.9:
        place = random.randrange(len(value))
        return [*value[:place], replaced(value[place], random), *value[place + 1 :]]
    return random.choice(ODD)


def in_parquet(raw: bytes, random: Random) -> bytes:
    """A Parquet file with another value, where Arrow has a type for it."""
    import pyarrow as pa
    from pyarrow import parquet

    rows = parquet.read_table(pa.BufferReader(raw)).to_pylist()
    out = pa.BufferOutputStream()
    try:
        parquet.write_table(pa.Table.from_pylist(replaced(rows, random)), out)
    except (pa.ArrowException, TypeError, AttributeError, ValueError, ArithmeticError, LookupError):
        return damaged(raw, random)
    return bytes(out.getvalue())


def in_zip(raw: bytes, random: Random) -> bytes:
    """A zip with another value in one of its members."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as before, zipfile.ZipFile(made, "w") as after:
        members = before.infolist()
        victim = random.choice(members)
        for info in members:
            text = inspect_log._decompressed(io.BytesIO(raw), info)
            after.writestr(info.filename, otherwise(text, random) if info is victim else text)
    return made.getvalue()


def otherwise(raw: bytes, random: Random) -> bytes:
    """A JSON text, or one line of several, with another value; bytes where it is none."""
    if raw.startswith(b"PAR1"):
        return in_parquet(raw, random)
    if raw.startswith(b"PK"):
        return in_zip(raw, random)
    try:
        text = raw.decode("utf-8")
        try:
            return json.dumps(replaced(json.loads(text), random)).encode()
        except ValueError:
            lines = text.split("\n")
            place = random.randrange(len(lines))
            lines[place] = json.dumps(replaced(json.loads(lines[place]), random))
            return "\n".join(lines).encode()
    except ValueError:
        return damaged(raw, random)


def mutate(path: Path, random: Random) -> None:
    """Spoil one of the files at a path."""
    inside = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    victim = random.choice(inside)
    change = random.choice((damaged, otherwise, otherwise))
    victim.write_bytes(change(victim.read_bytes(), random))


# --- the bar ---------------------------------------------------------------------------------


@pytest.fixture
def bounded_memory(reader: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """500 MB beyond what the process has mapped once the reader's libraries and threads are there.

    Threads of pyarrow reserve address space, and glibc ends the process where there is none left.
    """
    read_run(READERS[reader](tmp_path_factory.mktemp("whole")))
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 500 * 10**6, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.slow
@pytest.mark.usefixtures("bounded_memory")
@pytest.mark.parametrize("reader", READERS)
def test_a_mutated_log_is_read_or_refused(
    reader: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("mutated")

    @settings(
        max_examples=int(os.environ.get("MUTATIONS", "1000")),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(min_value=0, max_value=2**40))
    def read(seed: int) -> None:
        shutil.rmtree(place)
        place.mkdir()
        path = READERS[reader](place)
        mutate(path, Random(seed))
        started = time.process_time()
        try:
            run = read_run(path)
        except TaskError as error:
            assert str(error)
            return
        finally:
            assert time.process_time() - started < _SECONDS
        for task in run.tasks:
            for item in task.items:
                f"{item.content}{item.prompt}{item.output}{item.target}".encode()
        assert run.tasks or run.divergences

    read()


@pytest.mark.parametrize("reader", READERS)
def test_a_log_as_it_is_is_read(reader: str, tmp_path: Path) -> None:
    run = read_run(READERS[reader](tmp_path))
    assert run.tasks or run.divergences
