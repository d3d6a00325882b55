"""Finding and loading the llama.cpp library: what is said when it is missing, wrong or broken."""

import os

import pytest

from babelbits.errors import EngineError, MissingExtraError
from babelbits.llamacpp import library


def test_missing_library_is_said_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(library, "DISTRIBUTION", "no-such-distribution")
    assert library.version() is None
    with pytest.raises(MissingExtraError, match="is not installed") as caught:
        library.load()
    assert caught.value.hint == "pip install 'babelbits[gguf]'"


def test_library_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its structures may be laid out otherwise, which would corrupt memory without a word."""
    monkeypatch.setattr(library, "version", lambda: "0.2.0")
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
    monkeypatch.setattr(library, "_PROBE", program)
    monkeypatch.setattr(library, "version", lambda: library.VERSION)
    library._loaded.cache_clear()
    with pytest.raises(EngineError, match=words) as caught:
        library.load()
    assert "pip install" in str(caught.value.hint)


def test_log_pieces_are_joined_and_only_complaints_are_kept() -> None:
    with library.complaints() as lines:
        library._log().write(2, b"loading\n")
        library._log().write(5, b" ...\n")
        library._log().write(3, b"row of 100 is not a multiple of 256 ")
        library._log().write(5, b"-> falling back\n")
        library._log().write(4, b"failed\n")
    assert lines == ["row of 100 is not a multiple of 256 -> falling back\n", "failed\n"]
    assert library.last_of(lines) == "row of 100 is not a multiple of 256 -> falling back; failed"
    assert library.last_of(["load_model: no such file\n", "load: no such file\n"]) == "no such file"
    assert library.last_of([]) == "llama.cpp gave no reason"


def test_interruptible_call_gives_what_the_call_gives() -> None:
    assert library.interruptible(lambda: 7) == 7


@pytest.mark.parametrize(("wish", "threads"), [("3", 3), ("0", None), ("many", None), ("", None)])
def test_threads_are_those_asked_for_or_one_a_processor(
    wish: str, threads: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", wish)
    assert library.n_threads() == (threads or len(os.sched_getaffinity(0)))
