"""Finding and loading the llama.cpp library: what is said when it is missing, wrong or broken."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from babelbits.errors import EngineError, MissingExtraError
from babelbits.llamacpp import library, probe


def test_missing_library_is_said_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(library, "DISTRIBUTION", "no-such-distribution")
    assert library.find_version() is None
    with pytest.raises(MissingExtraError, match="is not installed") as caught:
        library.load()
    assert caught.value.hint == "pip install 'babelbits[gguf]'"


def test_library_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its structures may be laid out otherwise, which would corrupt memory without a word."""
    monkeypatch.setattr(library, "find_version", lambda: "0.2.0")
    with pytest.raises(MissingExtraError, match=r"0\.2\.0 is installed"):
        library.load()


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "built for another processor"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended with signal 9"),
        ("raise OSError('libgomp.so.1: cannot open')", r"OSError: libgomp\.so\.1: cannot open"),
    ],
)
def test_library_that_does_not_run_here_is_said(
    program: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child stands in for a library of another CPU: it dies as such a library makes it die."""
    monkeypatch.setattr(library, "_PROBE", (sys.executable, "-c", program))
    monkeypatch.setattr(library, "find_version", lambda: library.VERSION)
    library._loaded.cache_clear()
    with pytest.raises(EngineError, match=words) as caught:
        library.load()
    assert "pip install" in str(caught.value.hint)


def test_library_is_the_one_whose_structures_are_known(llama_cpp: Any) -> None:
    """Their default values, as llama.cpp's source of this version fills them in."""
    assert probe.find_strange(llama_cpp) is None


class _Moved:
    """The bindings of another version: its structures have a field more, or another version."""

    def __init__(self, llama_cpp: Any, *, version: bytes, moved: str = "") -> None:
        self._real, self._version, self._moved = llama_cpp, version, moved

    def __getattr__(self, name: str) -> Any:
        if name == "llama_version":
            return lambda: self._version
        if name != self._moved:
            return getattr(self._real, name)
        params = getattr(self._real, name)()
        raw = bytes(params)
        return lambda: type(params).from_buffer_copy(raw[:8] + b"\0" * 8 + raw[8:-8])


def test_library_with_other_structures_is_strange(llama_cpp: Any) -> None:
    other = _Moved(llama_cpp, version=b"0.6.1")
    assert probe.find_strange(other) == (
        "it is llama.cpp 0.6.1, and the structures known here are those of 0.5.0"
    )
    for function in probe.DEFAULTS:
        moved = _Moved(llama_cpp, version=b"0.5.0", moved=function)
        assert str(probe.find_strange(moved)).startswith(
            "its structures are not those of llama.cpp"
        )
    assert probe.find_strange(_Moved(llama_cpp, version=b"0.5.0")) is None


def other_llama_cpp(folder: Path, *, version: str) -> Path:
    """A library that knows no more than its version, compiled here."""
    source = folder / "other.c"
    source.write_text(f'const char *llama_version(void) {{ return "{version}"; }}')
    command = ["cc", "-shared", "-o", str(folder / "libllama.so"), str(source)]
    subprocess.run(command, check=True)
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="names the library as Linux does")
def test_named_library_that_lacks_functions_is_refused_with_its_place(
    llama_cpp: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(library.FOLDER_VARIABLE, str(other_llama_cpp(tmp_path, version="0.5.0")))
    assert probe.ask_version(str(tmp_path)) == "0.5.0"
    library._loaded.cache_clear()
    with pytest.raises(EngineError, match="undefined symbol: llama_") as caught:
        library.load()
    assert caught.value.where == f"{library.FOLDER_VARIABLE}={tmp_path}"
    assert f"unset {library.FOLDER_VARIABLE}" in str(caught.value.hint)


def test_log_pieces_are_joined_and_only_complaints_are_kept() -> None:
    with library.complaints() as lines:
        library._log().write(2, b"loading\n")
        library._log().write(5, b" ...\n")
        library._log().write(3, b"row of 100 is not a multiple of 256 ")
        library._log().write(5, b"-> falling back\n")
        library._log().write(4, b"failed\n")
    assert lines == ["row of 100 is not a multiple of 256 -> falling back\n", "failed\n"]
    assert library.join_last(lines) == "row of 100 is not a multiple of 256 -> falling back; failed"
    assert (
        library.join_last(["load_model: no such file\n", "load: no such file\n"]) == "no such file"
    )
    assert library.join_last([]) == "llama.cpp gave no reason"


def test_interruptible_call_gives_what_the_call_gives() -> None:
    assert library.run_interruptibly(lambda: 7) == 7


@pytest.mark.parametrize(("wish", "threads"), [("3", 3), ("0", None), ("many", None), ("", None)])
def test_threads_are_those_asked_for_or_one_a_processor(
    wish: str, threads: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", wish)
    assert library.count_threads() == (threads or len(os.sched_getaffinity(0)))
