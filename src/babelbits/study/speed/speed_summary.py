"""Measured times to what is told of them: medians, quartiles, ratios, and the noise floor.

A ratio is of an arm to the baseline in the same round: above 1 the arm is faster. The noise floor
is the same ratio of the baseline to itself. An arm is told apart from the baseline only where its
median ratio is further from 1 than any ratio of the floor; else noise may be all there is.
Quartiles are those of numpy and R (type 7). Undefined is None.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from babelbits.study.config.spec import BASELINE
from babelbits.study.speed.speed_records import BatchTimes, Host, SpeedArm, SpeedSession

FEWEST_ROUNDS = 5
"""That show how far the baseline is from itself."""

Told = Literal["faster", "slower", "not told apart"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quartiles:
    """The middle of some measurements."""

    median: float
    low: float
    """A quarter is below."""
    high: float
    """A quarter is above."""
    n: int

    def map(self, change: Callable[[float], float]) -> "Quartiles":
        """The quartiles of a falling or rising function of the measurements."""
        low, high = sorted((change(self.low), change(self.high)))
        return Quartiles(median=change(self.median), low=low, high=high, n=self.n)


def find_quartiles(values: Sequence[float | None]) -> Quartiles | None:
    """Median and quartiles of what is defined; None of nothing."""
    there = [value for value in values if value is not None]
    if not there:
        return None
    low, median, high = np.percentile(there, (25, 50, 75))
    return Quartiles(median=float(median), low=float(low), high=float(high), n=len(there))


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSpeed:
    """An arm at one batch size."""

    batch: int
    first: Quartiles | None
    """Seconds to the first token of every row."""
    prefill: Quartiles | None
    """Prompt tokens a second."""
    decode: Quartiles | None
    """Tokens a second after the first of each row, all rows together."""
    ratio: Quartiles | None
    """Of decoding, to the baseline in the same round."""
    told: Told | None
    """Of decoding, against the baseline; None for the baseline, and where there is no ratio."""
    failed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensPerSentence:
    """Tokens of parallel sentences by one tokenizer."""

    tokens: Mapping[str, float]
    """Language to tokens a sentence."""
    sentences: int

    def relative(self, code: str, *, reference: str = "en") -> float | None:
        """Tokens of a language for one of the reference."""
        if code not in self.tokens or not self.tokens.get(reference):
            return None
        return self.tokens[code] / self.tokens[reference]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSpeed:
    """What is told of an arm."""

    label: str
    variant_id: str
    weights_hash: str
    again: bool
    """The baseline against itself."""
    engine: str
    format: str
    bytes_on_disk: int | None
    not_measured: str | None
    cold_start: Quartiles | None
    """Seconds from the start of a process until the model could answer."""
    libraries_memory: int | None
    """Bytes held before the model was loaded."""
    memory: int | None
    """The most held at all batch sizes that were measured: of the process, or of the GPU."""
    memory_alone: int | None
    """The same at the smallest batch."""
    on_gpu: bool
    batches: tuple[BatchSpeed, ...]
    fertility: TokensPerSentence | None
    context_length: int | None

    def at(self, batch: int) -> BatchSpeed | None:
        """One batch size; None where it was not asked."""
        return next((one for one in self.batches if one.batch == batch), None)

    @property
    def decode(self) -> Quartiles | None:
        """Tokens a second of one reader alone: decoding at batch 1."""
        alone = self.at(1)
        return None if alone is None else alone.decode

    def sentences(self, code: str) -> Quartiles | None:
        """Parallel sentences a second in a language, one reader alone; None where unknown."""
        fertility, decode = self.fertility, self.decode
        if fertility is None or decode is None or not fertility.tokens.get(code):
            return None
        tokens = fertility.tokens[code]
        return decode.map(lambda speed: speed / tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedTable:
    """What a session says."""

    session_id: str
    began: float
    host: Host
    prompt_tokens: int
    new_tokens: int
    rounds: int
    """The fewest of an arm that is measured."""
    kept_loaded: bool | None
    load_average: Quartiles | None
    """Of the machine when turns began."""
    arms: tuple[ArmSpeed, ...]

    @property
    def batches(self) -> tuple[int, ...]:
        """Sizes that were asked of any arm."""
        return tuple(sorted({one.batch for arm in self.arms for one in arm.batches}))

    @property
    def floor(self) -> ArmSpeed | None:
        """The baseline against itself."""
        return next((arm for arm in self.arms if arm.again), None)

    def arm(self, label: str) -> ArmSpeed | None:
        """The arm of a variant; None where it is not in the session."""
        return next((arm for arm in self.arms if arm.label == label and not arm.again), None)


def summarise_session(session: SpeedSession) -> SpeedTable:
    """What a session says, arm by arm."""
    floor = next((arm for arm in session.arms if arm.replicate), None)
    noise = {
        batch: None if floor is None else find_noise_floor(_ratios(floor, session.baseline, batch))
        for batch in session.settings.batches
    }
    measured = [arm for arm in session.arms if arm.not_measured is None]
    loads = [turn.load_average for arm in session.arms for turn in arm.rounds]
    return SpeedTable(
        session_id=session.session_id,
        began=session.began,
        host=session.host,
        prompt_tokens=session.settings.prompt_tokens,
        new_tokens=session.settings.new_tokens,
        rounds=min((len(arm.rounds) for arm in measured), default=0),
        kept_loaded=session.kept_loaded,
        load_average=find_quartiles(loads),
        arms=tuple(_summarise(arm, session, noise) for arm in session.arms),
    )


def _summarise(arm: SpeedArm, session: SpeedSession, noise: Mapping[int, float | None]) -> ArmSpeed:
    gpu = [one.gpu for one in arm.memory if one.gpu is not None]
    held = gpu or [one.peak for one in arm.memory]
    before = [one.libraries_memory for one in arm.cold_starts]
    return ArmSpeed(
        label=arm.label,
        variant_id=arm.variant_id,
        weights_hash=arm.weights_hash,
        again=bool(arm.replicate),
        engine=arm.engine.get("name", "?"),
        format=arm.format,
        bytes_on_disk=arm.bytes_on_disk,
        not_measured=arm.not_measured,
        cold_start=find_quartiles([one.seconds for one in arm.cold_starts]),
        libraries_memory=int(np.median(before)) if before else None,
        memory=max(held) if held else None,
        memory_alone=held[0] if held else None,
        on_gpu=bool(gpu),
        batches=tuple(
            _batch(arm, session.baseline, batch, noise[batch])
            for batch in session.settings.batches
            if arm.not_measured is None
        ),
        fertility=TokensPerSentence(
            tokens={code: n / arm.sentences for code, n in arm.tokens.items()},
            sentences=arm.sentences,
        )
        if arm.tokens and arm.sentences
        else None,
        context_length=arm.context_length,
    )


def _batch(arm: SpeedArm, base: SpeedArm, batch: int, noise: float | None) -> BatchSpeed:
    times = list(_of_batch(arm, batch).values())
    is_base = arm.key == base.key
    ratios = [] if is_base else _ratios(arm, base, batch)
    ratio = find_quartiles(ratios)
    failures = [int(size) for size in arm.failed]
    why = None
    if failures and batch >= min(failures):
        why = arm.failed[str(min(failures))]
    return BatchSpeed(
        batch=batch,
        first=find_quartiles([one.first_seconds for one in times]),
        prefill=find_quartiles([one.prefill for one in times]),
        decode=find_quartiles([one.decode for one in times]),
        ratio=ratio,
        told=None if ratio is None or arm.label == BASELINE else tell_apart(ratio.median, noise),
        failed=why if not times else None,
    )


def tell_apart(ratio: float, noise: float | None) -> Told:
    """Whether a median ratio is beyond the noise floor.

    Parameters
    ----------
    ratio : float
        Above 1: faster than the baseline.
    noise : float or None
        `find_noise_floor`; where it is None nothing is told apart.
    """
    if noise is None or abs(math.log(ratio)) <= noise:
        return "not told apart"
    return "faster" if ratio > 1 else "slower"


def _of_batch(arm: SpeedArm, batch: int) -> dict[int, BatchTimes]:
    """Round number to the times of a batch size."""
    return {turn.number: one for turn in arm.rounds for one in turn.times if one.batch == batch}


def _ratios(arm: SpeedArm, base: SpeedArm, batch: int) -> list[float]:
    """Decoding speeds of an arm over those of the baseline, of the rounds that both have."""
    ours, theirs = _of_batch(arm, batch), _of_batch(base, batch)
    pairs = [(ours[n].decode, theirs[n].decode) for n in ours if n in theirs]
    return [mine / other for mine, other in pairs if mine is not None and other is not None]


def find_noise_floor(ratios: Sequence[float]) -> float | None:
    """The largest |log ratio| of the baseline to itself; None of fewer than five rounds."""
    return max(abs(math.log(one)) for one in ratios) if len(ratios) >= FEWEST_ROUNDS else None
