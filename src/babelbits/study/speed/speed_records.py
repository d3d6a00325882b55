"""What is kept of a measurement: a file a session, `speed/ID.json` in the run folder.

A session is a set of arms that were measured in turn on one machine, under the same settings. Its
id is a hash of all that, weights included: the same command finds it again and resumes, other
weights or another machine are another session. The file is written after every turn of an arm.

Seconds, bytes and tokens. Undefined is None with a reason.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from babelbits.errors import StoreError
from babelbits.records import digest
from babelbits.store import Store
from babelbits.store.atomic import write_atomically
from babelbits.store.codec import dumps, from_json

SCHEMA = "babelbits.speed/1"
BATCHES = (1, 8, 32)
ROUNDS = 15
PROMPT_TOKENS = 128
NEW_TOKENS = 64
COLD_STARTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedSettings:
    """What every arm is asked."""

    prompt_tokens: int = PROMPT_TOKENS
    new_tokens: int = NEW_TOKENS
    batches: tuple[int, ...] = BATCHES
    """In rising order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """One process from its start until its model could answer."""

    seconds: float
    """Libraries and weights, from the start of the process on."""
    evicted: bool
    """Whether the operating system was asked to forget the files first."""
    libraries_memory: int
    """Peak before the model was loaded."""
    loaded_memory: int
    """Peak after it."""
    gpu_memory: int | None = None
    """More than before; None on a CPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTimes:
    """Two calls of one batch size: to the first token, and to the last."""

    batch: int
    first_seconds: float
    whole_seconds: float
    prompt_tokens: int
    """Of all prompts of one call."""
    output_tokens: int
    """Written by the second call."""

    @property
    def prefill(self) -> float | None:
        """Prompt tokens a second."""
        return self.prompt_tokens / self.first_seconds if self.first_seconds > 0 else None

    @property
    def decode(self) -> float | None:
        """Tokens a second after the first of each row; None where noise leaves no time for them."""
        seconds = self.whole_seconds - self.first_seconds
        tokens = self.output_tokens - self.batch
        return tokens / seconds if seconds > 0 and tokens > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchMemory:
    """The most that the process has held when it had done a batch size and all smaller ones."""

    batch: int
    peak: int
    gpu: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRound:
    """An arm in one round."""

    number: int
    started: float
    """Seconds since 1970."""
    load_average: float | None
    """Processes that wanted to run, by the operating system, when it began."""
    times: tuple[BatchTimes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedArm:
    """A variant, or the baseline again, and all that was measured of it."""

    label: str
    variant_id: str
    weights_hash: str
    replicate: int = 0
    """1: the baseline against itself."""
    recipe: str
    format: str
    engine: Mapping[str, str]
    """Name, version, device and dtype."""
    bytes_on_disk: int | None
    not_measured: str | None = None
    """Why there are no times and no memory."""
    context_length: int | None = None
    cold_starts: tuple[ColdStart, ...] = ()
    rounds: tuple[ArmRound, ...] = ()
    memory: tuple[BatchMemory, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    """Batch size, as text, to why it could not be measured."""
    tokens: Mapping[str, int] = field(default_factory=dict)
    """Language to tokens of all its parallel sentences."""
    sentences: int = 0
    """So many a language."""

    @property
    def key(self) -> tuple[str, int]:
        """What tells it from the other arms."""
        return self.variant_id, self.replicate

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.label} again" if self.replicate else self.label


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The machine that measured."""

    node: str
    system: str
    processor: str
    cores: int
    """That this process may use."""
    memory: int | None
    gpu: str | None
    threads: str | None
    """OMP_NUM_THREADS; None: the engines' own choice."""
    python: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedSession:
    """Arms that were measured in turn."""

    schema: str = SCHEMA
    session_id: str
    began: float
    """Seconds since 1970."""
    settings: SpeedSettings
    host: Host
    seed: int
    """Of the order of arms."""
    kept_loaded: bool | None = None
    """Whether all arms stayed in memory through all rounds; None before the first."""
    arms: tuple[SpeedArm, ...]

    @property
    def baseline(self) -> SpeedArm:
        """What ratios are to."""
        return self.arms[0]


def make_session_id(arms: Sequence[SpeedArm], settings: SpeedSettings, host: Host) -> str:
    """What a session depends on, as a hash."""
    what: dict[str, Any] = {
        "schema": SCHEMA,
        "settings": asdict(settings),
        "host": asdict(host),
        "arms": [
            [arm.variant_id, arm.replicate, arm.weights_hash, dict(arm.engine)] for arm in arms
        ],
    }
    return digest(json.loads(json.dumps(what)), length=16)


def find_speed_folder(store: Store) -> Path:
    """Where a run folder keeps sessions: speed does not depend on how many items a run has."""
    return store.root / "speed"


def write_session(store: Store, session: SpeedSession) -> None:
    """Keep a session, in place of what was kept of it.

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """
    write_atomically(find_speed_folder(store) / f"{session.session_id}.json", dumps(session))


def read_session(path: Path) -> SpeedSession:
    """A session that was kept.

    Raises
    ------
    StoreError
        If it cannot be read.
    """
    hint = "delete it and run `babelbits speed` again"
    try:
        fields = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StoreError(
            f"the measurement cannot be read: {error}", where=str(path), hint=hint
        ) from error
    return from_json(SpeedSession, fields, where=str(path), hint=hint)


def read_sessions(store: Store) -> tuple[SpeedSession, ...]:
    """All sessions of a run folder, the oldest first.

    Raises
    ------
    StoreError
        If one cannot be read.
    """
    found = [read_session(path) for path in sorted(find_speed_folder(store).glob("*.json"))]
    return tuple(sorted(found, key=lambda one: one.began))
