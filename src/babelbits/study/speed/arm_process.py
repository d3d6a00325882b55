"""A process that measures one arm, seen from its parent: ask, and be answered.

It has a process group of its own, so that Ctrl-C reaches the parent alone, and ends when the parent
does (`children.read_commands`).
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

from babelbits.engines.base import EngineSettings
from babelbits.errors import EngineError
from babelbits.records import JSON
from babelbits.store.codec import from_json
from babelbits.study.speed.speed_records import BatchTimes

_MODULE = "babelbits.study.speed.measuring_child"
_PATIENCE = 5.0
"""Seconds in which a child whose input has ended must have ended."""


class NoMemoryError(EngineError):
    """What was asked does not fit into memory."""


class ArmProcess:
    """A child that has one engine loaded.

    Raises
    ------
    EngineError
        From every method: if the child says that it cannot, or is gone; `NoMemoryError` where it
        was for want of memory.
    """

    def __init__(self, folder: Path, *, engine: str, settings: EngineSettings) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  closed in `close`
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            start_new_session=True,
        )
        try:
            self.loaded = self._ask(
                {
                    "do": "load",
                    "folder": str(folder),
                    "engine": engine,
                    "settings": asdict(settings),
                }
            )
        except BaseException:
            self.close()
            raise
        self.seconds = time.perf_counter() - self.started
        """From the start of the process until the model could answer."""

    def count(self) -> JSON:
        """Tokens of the parallel sentences by language."""
        return self._ask({"do": "count"})

    def time(self, *, batch: int, prompt_tokens: int, new_tokens: int) -> tuple[BatchTimes, JSON]:
        """A batch's times, and the memory held since the process began."""
        found = self._ask(
            {
                "do": "time",
                "batch": batch,
                "prompt_tokens": prompt_tokens,
                "new_tokens": new_tokens,
            }
        )
        return from_json(BatchTimes, found["times"], where="the measuring process"), found

    def close(self) -> None:
        """End the child: it does when its standard input ends."""
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._said.close()

    def __enter__(self) -> "ArmProcess":
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the child."""
        self.close()

    def _ask(self, what: JSON) -> JSON:
        self._write(what)
        assert self._process.stdout is not None  # noqa: S101  asked for above
        line = self._process.stdout.readline()
        if not line:
            raise self._death()
        answer: JSON = json.loads(line)
        if "error" in answer:
            kind = NoMemoryError if answer["memory"] else EngineError
            raise kind(answer["error"])
        return answer

    def _write(self, what: JSON) -> None:
        assert self._process.stdin is not None  # noqa: S101  asked for above
        try:
            self._process.stdin.write(json.dumps(what).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._death() from error

    def _death(self) -> EngineError:
        code = self._process.wait()
        if code == -signal.SIGKILL:
            return NoMemoryError("its process was killed, perhaps for want of memory")
        if code < 0:
            return EngineError(f"its process was ended by {signal.Signals(-code).name}")
        self._said.seek(0)
        lines = self._said.read()[-8000:].decode("utf-8", "replace").strip().splitlines()
        last = f": {lines[-1][:300]}" if lines else ""
        return EngineError(f"its process ended with code {code}{last}")
