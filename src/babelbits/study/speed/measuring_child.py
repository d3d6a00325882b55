"""The process in which one arm is loaded and timed.

It reads JSON lines from its standard input and answers each on what was its standard output; what
libraries print goes to standard error. It ends with its parent.

    {"do": "load", "folder": ..., "engine": ..., "settings": {...}}
    {"do": "count"}                                 tokens by language
    {"do": "time", "batch": 8, "prompt_tokens": 128, "new_tokens": 64}

An answer holds "error" where something went wrong, and "memory": true where it was for want of
memory.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from babelbits.children import read_commands
from babelbits.engines import open_engine
from babelbits.engines.base import Engine, EngineSettings
from babelbits.errors import BabelbitsError
from babelbits.quiet import quiet
from babelbits.records import JSON
from babelbits.study.speed.parallel_sentences import count_tokens, make_prompts, read_sentences
from babelbits.study.speed.timing import find_gpu_memory, find_peak_memory, time_batch

_MEMORY = ("out of memory", "cannot allocate", "failed to allocate", "cannot make a context")
"""What libraries say where memory is short."""


class MeasuringSession:
    """An engine, and which prompts it has seen."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._device = "cpu"
        self._gpu_before = 0
        self._n_prompts = 0

    def load(self, asked: JSON) -> JSON:
        """Load the model."""
        before = find_peak_memory()
        settings = EngineSettings(**asked["settings"])
        self._device = settings.device
        self._gpu_before = find_gpu_memory(self._device) or 0
        self._engine = open_engine.load(
            Path(asked["folder"]), engine=asked["engine"], settings=settings
        )
        return {
            "context_length": self._engine.context_length,
            "libraries_memory": before,
            **self._memory(),
        }

    def count(self) -> JSON:
        """Tokens of the parallel sentences."""
        found = count_tokens(self._loaded().count_tokens)
        return {"tokens": found, "sentences": len(read_sentences()["en"])}

    def time(self, asked: JSON) -> JSON:
        """Time a batch."""
        engine, batch = self._loaded(), int(asked["batch"])
        texts = make_prompts(
            engine.count_tokens, tokens=int(asked["prompt_tokens"]), skip=self._n_prompts
        )
        self._n_prompts += 2 * batch
        times = time_batch(engine, texts, batch=batch, new_tokens=int(asked["new_tokens"]))
        return {"times": asdict(times), **self._memory()}

    def _loaded(self) -> Engine:
        if self._engine is None:
            raise ValueError("load comes first")
        return self._engine

    def _memory(self) -> JSON:
        used = find_gpu_memory(self._device)
        gpu = None if used is None else max(0, used - self._gpu_before)
        return {"peak_memory": find_peak_memory(), "gpu_memory": gpu}


def main() -> None:
    """Answer until the parent closes the pipe, which ends this process."""
    say = _mouth()
    session = MeasuringSession()
    with quiet():
        for line in read_commands():
            asked: JSON = json.loads(line)
            say(_answer(session, asked))


def _answer(session: MeasuringSession, asked: JSON) -> JSON:
    try:
        match asked["do"]:
            case "load":
                return session.load(asked)
            case "count":
                return session.count()
            case _:
                return session.time(asked)
    except Exception as error:  # noqa: BLE001  whatever an engine does, the parent is told
        return {"error": _reason(error), "memory": _is_memory(error)}


def _reason(error: Exception) -> str:
    if isinstance(error, BabelbitsError):
        return str(error)
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first[:300]}"


def _is_memory(error: Exception) -> bool:
    said = str(error).casefold()
    return (
        isinstance(error, MemoryError)
        or "OutOfMemory" in type(error).__name__
        or any(words in said for words in _MEMORY)
    )


def _mouth() -> Callable[[JSON], None]:
    """What writes a line to the parent; nobody else can write there from now on."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr

    def say(line: JSON) -> None:
        stream.write(json.dumps(line) + "\n")
        stream.flush()

    return say


if __name__ == "__main__":
    main()
