"""No cache of pickles is read: llama-cpp-python brings `diskcache`, which keeps Python objects so.

Who may write to such a cache runs code in whoever reads it. Its only user there is
`LlamaDiskCache`, by default in `.cache/llama_cache` of the folder that one is in.
"""

import re
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from babelbits.engines import llama_cpp
from babelbits.engines.base import EngineSettings
from babelbits.records import GenerateRequest

SOURCE = Path(__file__).resolve().parents[3] / "src" / "babelbits"


def test_only_llama_cpp_python_brings_it_and_we_name_no_cache_of_its() -> None:
    brings = {
        found.metadata["Name"].replace("_", "-").lower()
        for found in metadata.distributions()
        for text in found.requires or ()
        if Requirement(text).name == "diskcache" and "extra" not in text
    }
    assert brings <= {"llama-cpp-python"}
    named = re.compile(r"diskcache|LlamaDiskCache|set_cache|cache_requests|sqlitedict")
    found = [path for path in SOURCE.rglob("*.py") if named.search(path.read_text("utf-8"))]
    assert found == []


def test_an_engine_reads_none_where_a_stranger_left_one(
    gguf: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stranger's object writes a file when it is read; the engine answers beside it."""
    diskcache = pytest.importorskip("diskcache")
    mark = tmp_path / "was here"
    with diskcache.Cache(str(tmp_path / ".cache" / "llama_cache")) as cache:
        cache[(1, 2, 3)] = _Trap(str(mark))
        monkeypatch.chdir(tmp_path)
        assert not mark.exists()
        engine = llama_cpp.load(gguf(), settings=EngineSettings(device="cpu"))
        (reply,) = engine.generate([GenerateRequest(prompt="a b", max_new_tokens=2, stop=())])
        engine.close()
        assert not mark.exists()
        cache[(1, 2, 3)]  # the trap works
    assert mark.exists()
    assert reply is not None


class _Trap:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return _write, (self.path,)


def _write(path: str) -> str:
    Path(path).write_text("", "utf-8")
    return path
