"""The llama.cpp library in this process: found, proven to run here, loaded once, and silent.

Nothing else imports `llama_cpp`. The library writes a log to stderr unless told otherwise; here it
goes nowhere, and `complaints` collects its warnings and errors, which are the only place where
llama.cpp says why a call failed. Never computes anything itself.
"""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from babelbits.errors import EngineError, MissingExtraError

T = TypeVar("T")

DISTRIBUTION = "llama-cpp-python"
VERSION = "0.3.36"
"""The version whose structures this package knows; the converter comes from the same one."""
INSTALL = "pip install 'babelbits[gguf]'"

FOLDER_VARIABLE = "LLAMA_CPP_LIB_PATH"
"""Environment variable of llama-cpp-python: the folder of a library that takes its own's place."""

_PROBE = (sys.executable, "-P", str(Path(__file__).with_name("probe.py")))
_LOOK = 0.1
"""Seconds between looks at whether a call is over."""
_SHOWN = 3
"""Last lines of the log that an error shows."""
TEXT_OVERRIDE, INTEGER_OVERRIDE = 3, 0
"""Tags of metadata values (`llama_model_kv_override_type`)."""
_WARNING, _ERROR, _CONTINUED = 3, 4, 5
"""`ggml_log_level` of ggml.h; the comments of llama-cpp-python show an older order."""


def find_version() -> str | None:
    """Installed version of the library, without loading it; None if it is not installed."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return None


def find_lack() -> str | None:
    """What is missing to make or run GGUF files, without starting the library; None: nothing."""
    found = find_version()
    if found == VERSION:
        return None
    have = "is not installed" if found is None else f"{found} is not the version known here"
    return f"{DISTRIBUTION} {have}, and GGUF files need it: {INSTALL}"


def load() -> Any:
    """The `llama_cpp` module: llama.cpp's C functions and structures by their own names.

    Raises
    ------
    MissingExtraError
        If the library is not installed, or is another version than the one known here.
    EngineError
        If it does not run on this machine.
    """
    installed = find_version()
    if installed is None:
        raise MissingExtraError(f"{DISTRIBUTION} is not installed", hint=INSTALL)
    if installed != VERSION:
        raise MissingExtraError(
            f"{DISTRIBUTION} {installed} is installed, and its structures are those of {VERSION} "
            "only",
            hint=f"pip install '{DISTRIBUTION}=={VERSION}'",
        )
    return _loaded()


@lru_cache(maxsize=1)
def _loaded() -> Any:
    problem = probe()
    if problem is not None:
        named = os.environ.get(FOLDER_VARIABLE)
        raise EngineError(
            f"the llama.cpp library cannot be used here: {problem}",
            where=f"{FOLDER_VARIABLE}={named}" if named else None,
            hint=f"{f'unset {FOLDER_VARIABLE}, or ' if named else ''}build it on this machine: pip "
            f"install --no-binary {DISTRIBUTION} --no-cache-dir --force-reinstall --no-deps "
            f"{DISTRIBUTION}=={VERSION}",
        )
    import llama_cpp

    llama_cpp.llama_log_set(_callback(llama_cpp), None)
    llama_cpp.llama_backend_init()
    return llama_cpp


def probe() -> str | None:
    """What goes wrong when a child process starts the library; None if nothing does.

    A library that was built for another processor ends its process with an illegal instruction,
    which no caller can catch: hence the child. See the module `probe`.
    """
    child = subprocess.run(_PROBE, capture_output=True, check=False)
    if child.returncode == 0:
        return None
    if child.returncode == -signal.SIGILL:
        return "it was built for another processor (illegal instruction)"
    if child.returncode < 0:
        return f"it ended with signal {-child.returncode}"
    lines = child.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {child.returncode}"


def count_threads(*, otherwise: int | None = None) -> int:
    """How many threads llama.cpp shall use: as OMP_NUM_THREADS says, else `otherwise`.

    None stands for one a processor that this process may use.
    """
    wish = os.environ.get("OMP_NUM_THREADS", "")
    if wish.isdecimal() and int(wish):
        return int(wish)
    if otherwise is not None:
        return otherwise
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_interruptibly(call: Callable[[], T]) -> T:
    """What a long call into C gives; Ctrl-C ends the waiting at once, not when the call is over.

    The call itself goes on in its thread until it or the process ends, so it must own all that it
    uses, and its result must not matter to anybody then.
    """
    done: list[T] = []
    thread = threading.Thread(target=lambda: done.append(call()), daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_LOOK)
    return done[0]


# --- the log -----------------------------------------------------------------------------------


class _Log:
    """Where the library's log goes: to the listeners of the moment, or nowhere."""

    def __init__(self) -> None:
        self.listeners: list[list[str]] = []
        self._level = 0

    def write(self, level: int, text: bytes) -> None:
        """Take a piece of the log; a piece can continue the line before."""
        continued = level == _CONTINUED
        self._level = self._level if continued else level
        if self._level not in (_WARNING, _ERROR):
            return
        for lines in self.listeners:
            if continued and lines:
                lines[-1] += text.decode(errors="replace")
            else:
                lines.append(text.decode(errors="replace"))


@lru_cache(maxsize=1)
def _log() -> _Log:
    return _Log()


@lru_cache(maxsize=1)
def _callback(library: Any) -> Any:
    """The C callback; cached, because the library keeps a bare pointer to it."""
    return library.llama_log_callback(lambda level, text, _data: _log().write(level, text or b""))


@contextmanager
def complaints() -> Iterator[list[str]]:
    """The library's warnings and errors of this block, in order, as they are said."""
    lines: list[str] = []
    _log().listeners.append(lines)
    try:
        yield lines
    finally:
        _log().listeners.remove(lines)


def join_last(lines: list[str]) -> str:
    """The last things that were said, as part of a sentence; errors come from the inside out."""
    said = [re.sub(r"^\w+: ", "", line.strip()) for line in "".join(lines).splitlines()]
    said = [line for line in said if line.strip("=")]  # llama.cpp frames some with rules
    return "; ".join(dict.fromkeys(said[-_SHOWN:])) or "llama.cpp gave no reason"
