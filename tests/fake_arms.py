"""Engines and processes whose speed is known, in place of real ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from babelbits.engines.base import EngineSettings
from babelbits.errors import EngineError
from babelbits.records import GenerateRequest, Generation
from babelbits.study.speed.arm_process import NoMemoryError
from babelbits.study.speed.speed_records import (
    ArmRound,
    BatchMemory,
    BatchTimes,
    Host,
    SpeedArm,
    SpeedSession,
    SpeedSettings,
)

HOST = Host(
    node="here", system="Linux", processor="a processor", cores=2, memory=2**34, gpu=None,
    threads=None, python="3.11",
)  # fmt: skip


class ClockedEngine:
    """Takes so many seconds a prompt token, and a step; a word is a token. Time is `now`."""

    def __init__(self, *, prefill: float, step: float) -> None:
        self.now = 0.0
        self.asked: list[GenerateRequest] = []
        self._prefill, self._step = prefill, step

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        self.asked += requests
        n = max(one.max_new_tokens for one in requests)
        self.now += self._prefill * sum(self.count_tokens(one.prompt) for one in requests)
        self.now += self._step * (n - 1)
        return [
            Generation(
                texts=("",),
                finish_reasons=("length",),
                output_tokens=(one.max_new_tokens,),
                prompt_tokens=self.count_tokens(one.prompt),
            )
            for one in requests
        ]


@dataclass
class FakeWorld:
    """What fake processes share: who was asked what, in order, and what goes wrong."""

    log: list[tuple[str, str]] = field(default_factory=list)
    decode: Callable[[str, int], float] = lambda _name, _turn: 100.0
    """Tokens a second at batch 1, by arm and turn."""
    largest: int = 1000
    """A larger batch does not fit."""
    broken: frozenset[str] = frozenset()
    """Arms that cannot be loaded."""
    turns: dict[str, int] = field(default_factory=dict)
    stop_after: int | None = None
    """Turns until the parent is killed: a `KeyboardInterrupt`, which nothing catches."""


class FakeProcess:
    """As `arm_process.ArmProcess`."""

    def __init__(self, name: str, world: FakeWorld) -> None:
        if name in world.broken:
            raise EngineError("no such kernel")
        self._name, self._world = name, world
        world.log.append(("start", name))
        self.seconds = 2.0
        self.loaded = {
            "context_length": 1024, "libraries_memory": 3 * 10**8, "peak_memory": 10**9,
            "gpu_memory": None,
        }  # fmt: skip

    def count(self) -> Any:
        return {"tokens": {"en": 200, "ml": 800}, "sentences": 20}

    def time(self, *, batch: int, prompt_tokens: int, new_tokens: int) -> tuple[BatchTimes, Any]:
        if batch > self._world.largest:
            raise NoMemoryError("killed")
        turn = self._world.turns.get(self._name, 0)
        self._world.turns[self._name] = turn + 1
        self._world.log.append(("time", self._name))
        stop = self._world.stop_after
        if stop is not None and sum(kind == "time" for kind, _ in self._world.log) > stop:
            raise KeyboardInterrupt
        speed = self._world.decode(self._name, turn) * batch
        written = batch * new_tokens
        times = BatchTimes(
            batch=batch,
            first_seconds=0.5,
            whole_seconds=0.5 + (written - batch) / speed,
            prompt_tokens=batch * prompt_tokens,
            output_tokens=written,
        )
        return times, {"peak_memory": 10**9 + batch * 10**6, "gpu_memory": None}

    def close(self) -> None:
        self._world.log.append(("end", self._name))

    def __enter__(self) -> "FakeProcess":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


@dataclass
class FakePlan:
    """As `measure_arms.ArmPlan`."""

    name: str
    world: FakeWorld
    folder: Path
    engine: str = "fake"
    settings: EngineSettings = field(default_factory=EngineSettings)

    def start(self) -> Any:
        return FakeProcess(self.name, self.world)


def arm(label: str, *, replicate: int = 0, not_measured: str | None = None) -> SpeedArm:
    return SpeedArm(
        label=label,
        variant_id=f"id-{label}",
        weights_hash="w",
        replicate=replicate,
        recipe=label,
        format="hf",
        engine={"name": "fake", "version": "1", "device": "cpu", "dtype": "float32"},
        bytes_on_disk=10**9,
        not_measured=not_measured,
    )


def session(*labels: str, batches: tuple[int, ...] = (1,)) -> SpeedSession:
    arms = (arm("baseline"), arm("baseline", replicate=1), *map(arm, labels))
    return SpeedSession(
        session_id="0" * 16,
        began=0.0,
        settings=SpeedSettings(prompt_tokens=8, new_tokens=11, batches=batches),
        host=HOST,
        seed=0,
        arms=arms,
    )


def measured(label: str, *, speed: float, memory: int, replicate: int = 0) -> SpeedArm:
    """Decodes at `speed` in each of five rounds: 10 tokens after the first in 10 / speed s."""
    times = BatchTimes(
        batch=1, first_seconds=0.5, whole_seconds=0.5 + 10 / speed, prompt_tokens=8,
        output_tokens=11,
    )  # fmt: skip
    rounds = tuple(
        ArmRound(number=n, started=0.0, load_average=0.1, times=(times,)) for n in range(5)
    )
    return replace(
        arm(label, replicate=replicate),
        rounds=rounds,
        memory=(BatchMemory(batch=1, peak=memory),),
        tokens={"en": 200, "ml": 800},
        sentences=20,
    )
