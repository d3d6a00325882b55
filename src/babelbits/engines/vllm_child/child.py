"""The worker process: started, spoken to, and ended; what it said last where it dies.

What it prints goes to a file that nobody else sees and that is gone with it. Its standard input is
its lifeline: it ends when this process does, even where that is killed (`babelbits.children`).
"""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import msgpack

from babelbits.engines.vllm_child import frames
from babelbits.errors import EngineError

_PROGRAM = Path(__file__).with_name("worker.py")
_MEMORY = "where memory ran out, lower token_budget in [engine], or run fewer processes"
_KERNELS = (
    "vLLM has no kernel in float32 for these weights here: set dtype = 'bfloat16' in [engine], or "
    "leave its name out, and the model runs in the engine of its format"
)
_OTHERS = "leave [engine] name out, and the model runs in the engine of its format"
_LAST_LINES = 5
_TAIL_BYTES = 20_000
_PATIENCE_S = 10


class WorkerDiedError(EngineError):
    """The worker ended while something was asked of it."""

    killed = False
    """Whether a signal ended it, as where memory runs out; it did not say what went wrong."""


class Child:
    """One worker.

    Parameters
    ----------
    python : Path
        Its interpreter.
    environment : mapping
        Variables to set beside those of this process.
    program : Path, optional
        Another file to run; for tests.
    """

    def __init__(
        self, python: Path, *, environment: Mapping[str, str], program: Path = _PROGRAM
    ) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed by `end`
        try:
            self._process = subprocess.Popen(
                [str(python), "-I", str(program)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={**os.environ, **environment},
            )
        except OSError as error:
            self._log.close()
            raise EngineError(
                f"the worker cannot be started: {error.strerror}", where=str(python)
            ) from error

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send(self, message: Mapping[str, Any]) -> None:
        """Tell it something.

        Raises
        ------
        WorkerDiedError
            If it has ended.
        """
        try:
            stream = cast(BinaryIO, self._process.stdin)
            frames.write(stream, message, pack=msgpack.packb)
        except (OSError, ValueError) as error:
            raise self._died() from error

    def receive(self) -> dict[str, Any]:
        """What it says next.

        Raises
        ------
        WorkerDiedError
            If it has ended, or says that it failed.
        """
        try:
            stream = cast(BinaryIO, self._process.stdout)
            message = frames.read(stream, unpack=msgpack.unpackb)
        except (frames.BrokenStreamError, OSError, ValueError) as error:
            raise self._died(str(error)) from error
        if message is None:
            raise self._died()
        if message["is"] == "failed":
            raise self._died(message["what"])
        return cast(dict[str, Any], message)

    def replies(self, message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Ask something, and hear what it says until it is done."""
        self.send(message)
        while (reply := self.receive())["is"] != "done":
            yield reply

    def end(self) -> None:
        """End it, whatever it does; returns when it is gone."""
        process = self._process
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):  # it is gone already
                    stream.close()
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._log.close()

    def _died(self, what: str | None = None) -> WorkerDiedError:
        """What is said of its end; it is ended now if it was not."""
        try:
            status = self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        lines = self._last_lines()
        told = f": {what}" if what else ""
        said = "\n".join(f"    {line}" for line in lines)
        error = WorkerDiedError(
            f"vLLM's process ended ({_ending(status)}){told}"
            + (f"\n  it said last:\n{said}" if said else ", and had said nothing"),
            hint=_hint(status, what or ""),
        )
        error.killed = status < 0
        return error

    def _last_lines(self) -> list[str]:
        if self._log.closed:
            return []
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _TAIL_BYTES))
        text = self._log.read().decode(errors="replace")
        return [line.rstrip() for line in text.splitlines() if line.strip(" ^~")][-_LAST_LINES:]


def _hint(status: int, what: str) -> str:
    """What may help."""
    if "not implemented for 'Float'" in what:
        return _KERNELS
    return _MEMORY if status < 0 or "memory" in what.lower() else _OTHERS


def _ending(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
