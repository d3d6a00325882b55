"""All arms of a study, measured in turn, and recorded round by round.

First three cold starts of each arm, a process each. Then rounds: in each every arm is timed once,
in an order drawn anew, so that what the machine does meanwhile meets all of them. The baseline is
in it twice: the difference between the two is the noise. Engines stay loaded through all rounds
where the memory holds them together; else each is loaded for its turn.

A variant whose format its engine emulates has no times and no memory here. Killed at any moment, a
measurement loses the turn in flight; the same command goes on where it stopped.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from babelbits.engines import open_engine
from babelbits.engines.base import EngineSettings
from babelbits.errors import EngineError, StudyError
from babelbits.libraries import find_version
from babelbits.store import Store
from babelbits.study.config.engines import format_of
from babelbits.study.config.spec import BASELINE
from babelbits.study.execution.interrupt import Stop
from babelbits.study.execution.worker import find_folder, hash_weights_in, make_engine_settings
from babelbits.study.planning.hashes import FileHashes
from babelbits.study.planning.plan_types import Plan, VariantStep
from babelbits.study.speed.arm_process import ArmProcess, NoMemoryError
from babelbits.study.speed.host import (
    describe_host,
    find_available_memory,
    forget_files,
    load_average,
)
from babelbits.study.speed.speed_records import (
    COLD_STARTS,
    ArmRound,
    BatchMemory,
    BatchTimes,
    ColdStart,
    SpeedArm,
    SpeedSession,
    SpeedSettings,
    find_speed_folder,
    make_session_id,
    read_session,
    write_session,
)
from babelbits.suggest import did_you_mean, one_of
from babelbits.words import duration, plural

_SHARE = 0.7
"""Of the free memory that engines which stay loaded may take together."""
_WARM_TOKENS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmPlan:
    """How an arm is loaded."""

    folder: Path
    engine: str
    settings: EngineSettings

    def start(self) -> ArmProcess:
        """A process with the arm's model loaded."""
        return ArmProcess(self.folder, engine=self.engine, settings=self.settings)


def measure_arms(
    plan: Plan,
    store: Store,
    *,
    settings: SpeedSettings,
    rounds: int,
    variants: Sequence[str] = (),
    again: bool = False,
    say: Callable[[str], None],
    stop: Stop,
) -> SpeedSession:
    """Measure what is missing of a session; the session, as it is kept.

    Parameters
    ----------
    plan : Plan
        Its tasks need not be built.
    store : Store
        The run folder with the variants that were made; the caller holds its lock.
    rounds : int
        Rounds that the session shall have; what is recorded counts.
    variants : sequence of str
        Labels; the baseline is always measured. None: all that are made.
    again : bool
        Begin anew, in place of what is recorded.
    say : callable
        Told what happens, a line each.
    stop : Stop
        Asked between turns.

    Raises
    ------
    StudyError
        If a variant is unknown, or the session cannot be measured with these settings.
    EngineError
        If the baseline cannot be loaded or timed.
    StoreError
        If the run folder cannot be read or written.
    """
    steps = _chosen(plan, variants)
    arms, how = _arms(plan, store, steps, settings=settings)
    host = describe_host()
    fresh = SpeedSession(
        session_id=make_session_id(arms, settings, host),
        began=time.time(),
        settings=settings,
        host=host,
        seed=plan.study.seed,
        arms=tuple(arms),
    )
    path = find_speed_folder(store) / f"{fresh.session_id}.json"
    session = fresh
    if path.exists() and not again:
        session = _labelled(read_session(path), fresh)
        done = min((len(arm.rounds) for arm in _measurable(session)), default=0)
        if done < rounds:
            say(f"going on: {done} of {plural(rounds, 'round')} recorded")
        else:
            say(f"{plural(done, 'round')} recorded already; --again measures anew")
    return Measurement(session, store, how, rounds=rounds, say=say, stop=stop).run()


def list_left_out(plan: Plan) -> list[str]:
    """Labels of variants that are not made yet."""
    return [s.label for s in plan.variants if s.label != BASELINE and s.state != "done"]


def _chosen(plan: Plan, variants: Sequence[str]) -> list[VariantStep]:
    """The baseline, and the variants that are asked for and made."""
    labels = [step.label for step in plan.variants]
    for name in variants:
        if name not in labels:
            hint = did_you_mean(name, labels) or f"the study has {one_of(labels)}"
            raise StudyError(f"the study has no variant {name!r}", hint=hint)
    return [
        step
        for step in plan.variants
        if step.label == BASELINE
        or (step.state == "done" and (not variants or step.label in variants))
    ]


def _labelled(session: SpeedSession, now: SpeedSession) -> SpeedSession:
    """A recorded session under the labels that its variants have now."""
    labels = {arm.key: arm.label for arm in now.arms}
    return replace(session, arms=tuple(replace(arm, label=labels[arm.key]) for arm in session.arms))


def _measurable(session: SpeedSession) -> list[SpeedArm]:
    return [arm for arm in session.arms if arm.not_measured is None]


# --- arms ----------------------------------------------------------------------------------------


def _arms(
    plan: Plan, store: Store, steps: Sequence[VariantStep], *, settings: SpeedSettings
) -> tuple[list[SpeedArm], dict[tuple[str, int], ArmPlan]]:
    """The arms with nothing measured, and how each is loaded; the baseline twice at the front."""
    hashes, arms, how = FileHashes(), [], {}
    for step in steps:
        if step.spec.origin == "served":
            arms.append(_served_arm(step))
            continue
        is_base = step.label == BASELINE
        folder = find_folder(step, store, base=plan.base)
        plain = _plain_arm(plan, step, hash_weights_in(folder, step=step, hash_file=hashes.of))
        engine, loading = make_engine_settings(plan.study, step)
        loading = _for_speed(loading, settings)
        for arm in (plain, replace(plain, replicate=1)) if is_base else (plain,):
            arms.append(arm)
            how[arm.key] = ArmPlan(folder=folder, engine=engine, settings=loading)
    return arms, how


def _served_arm(step: VariantStep) -> SpeedArm:
    """A variant that somebody serves: its process is not here."""
    return SpeedArm(
        label=step.label,
        variant_id=step.variant_id,
        weights_hash="",
        recipe=step.spec.recipe,
        format=step.spec.recipe,
        engine={"name": step.spec.recipe},
        bytes_on_disk=None,
        not_measured="quality only: its memory and speed are its server's, and not measured here",
    )


def _for_speed(loading: EngineSettings, settings: SpeedSettings) -> EngineSettings:
    """Rows together, as a server would compute them, and room for the largest batch."""
    rows = max(settings.batches)
    tokens = rows * (settings.prompt_tokens + settings.new_tokens) * 2
    return replace(loading, batch="many", token_budget=max(loading.token_budget, tokens))


def _plain_arm(plan: Plan, step: VariantStep, weights: str) -> SpeedArm:
    """An arm before it is measured."""
    name, loading = make_engine_settings(plan.study, step)
    kind, format_ = open_engine.find_kind(name), format_of(plan.study.model, step.spec)
    why = None
    if kind.emulates(format_):
        why = (
            f"quality only: the engine '{name}' imitates {format_} kernels, so its speed and "
            "memory are not theirs; they follow with an engine that serves the format"
        )
    return SpeedArm(
        label=step.label,
        variant_id=step.variant_id,
        weights_hash=weights,
        recipe=step.spec.recipe,
        format=format_,
        engine={
            "name": name,
            "version": kind.version(),
            "device": loading.device,
            "dtype": loading.dtype,
            **{one: find_version(one) or "none" for one in _also(format_)},
        },
        bytes_on_disk=step.bytes,
        not_measured=why,
    )


def _also(format_: str) -> tuple[str, ...]:
    """The distribution that computes a format inside of an engine, where it is called as it."""
    return (format_,) if find_version(format_) is not None else ()


# --- measuring -----------------------------------------------------------------------------------


class Measurement:
    """A session while it grows."""

    def __init__(
        self,
        session: SpeedSession,
        store: Store,
        how: dict[tuple[str, int], ArmPlan],
        *,
        rounds: int,
        say: Callable[[str], None],
        stop: Stop,
    ) -> None:
        self._session = session
        self._store = store
        self._how = how
        self._rounds = rounds
        self._say = say
        self._stop = stop
        self._loaded: dict[tuple[str, int], ArmProcess] = {}

    def run(self) -> SpeedSession:
        """Measure what is missing."""
        self._keep()
        for number in range(COLD_STARTS):
            for arm in _measurable(self._session):
                if self._stop.is_requested():
                    return self._session
                if len(arm.cold_starts) <= number:
                    self._say(f"cold start {number + 1} of {COLD_STARTS}: {arm.title}")
                    self._cold_start(arm)
        with ExitStack() as stack:
            stack.callback(self._close)
            self._decide_on_memory()
            self._run_rounds()
        return self._session

    def _put(self, arm: SpeedArm) -> None:
        """Keep what is known of an arm."""
        arms = tuple(arm if one.key == arm.key else one for one in self._session.arms)
        self._session = replace(self._session, arms=arms)
        self._keep()

    def _keep(self) -> None:
        write_session(self._store, self._session)

    def _now(self, key: tuple[str, int]) -> SpeedArm:
        return next(arm for arm in self._session.arms if arm.key == key)

    # --- cold starts ---

    def _cold_start(self, arm: SpeedArm) -> None:
        how = self._how[arm.key]
        evicted = forget_files(how.folder)
        try:
            child = how.start()
        except EngineError as error:
            self._give_up(arm, f"it could not be loaded: {error.what}", error)
            return
        with child:
            said = child.loaded
            start = ColdStart(
                seconds=child.seconds,
                evicted=evicted,
                libraries_memory=said["libraries_memory"],
                loaded_memory=said["peak_memory"],
                gpu_memory=said["gpu_memory"],
            )
            counted = {} if arm.tokens else child.count()
        needed = self._session.settings.prompt_tokens + self._session.settings.new_tokens
        if said["context_length"] < needed:
            raise StudyError(
                f"the context of '{arm.label}' holds {plural(said['context_length'], 'token')}, "
                f"and {needed} are asked",
                hint="lower --prompt-tokens or --new-tokens",
            )
        self._put(
            replace(
                arm,
                cold_starts=(*arm.cold_starts, start),
                context_length=said["context_length"],
                tokens=counted.get("tokens", arm.tokens),
                sentences=counted.get("sentences", arm.sentences),
            )
        )

    def _give_up(self, arm: SpeedArm, why: str, error: EngineError) -> None:
        """Go on without an arm; not without the baseline, which all are compared with."""
        if arm.label == BASELINE:
            raise error
        self._say(f"{arm.title}: {why}")
        self._put(replace(arm, not_measured=why))

    # --- rounds ---

    def _decide_on_memory(self) -> None:
        if self._session.kept_loaded is not None and self._session.baseline.rounds:
            return
        starts = [arm.cold_starts[0] for arm in _measurable(self._session) if arm.cold_starts]
        free, together = find_available_memory(), sum(one.loaded_memory for one in starts)
        on_gpu = any(one.gpu_memory for one in starts)
        fits = not on_gpu and free is not None and together < _SHARE * free
        self._session = replace(self._session, kept_loaded=fits)
        if not fits and starts:
            self._say("engines are loaded anew for each turn: memory may not hold all of them")

    def _run_rounds(self) -> None:
        began, done = time.monotonic(), 0
        for number in range(self._rounds):
            arms = _measurable(self._session)
            order = np.random.default_rng([self._session.seed, number]).permutation(len(arms))
            turns = [arms[index].key for index in order]
            missing = [key for key in turns if number not in _numbers(self._now(key))]
            for key in missing:
                if self._stop.is_requested():
                    return
                self._turn(key, number)
            done += bool(missing)
            if missing:
                left = (self._rounds - number - 1) * (time.monotonic() - began) / done
                rest = f", about {duration(left)} left" if number + 1 < self._rounds else ""
                self._say(f"round {number + 1} of {self._rounds}{rest}")

    def _turn(self, key: tuple[str, int], number: int) -> None:
        """Time an arm once; whatever breaks its process is kept, and the others go on."""
        arm = self._now(key)
        if arm.not_measured is not None:
            return
        started, load = time.time(), load_average()
        times: list[BatchTimes] = []
        for batch in self._session.settings.batches:
            if str(batch) in self._now(key).failed:
                break  # larger ones do not fit either
            try:
                times.append(self._time(key, batch))
            except EngineError as error:
                self._drop(key)
                if batch == min(self._session.settings.batches):
                    self._give_up(self._now(key), error.what, error)
                    return
                self._fail(key, batch, error)
                break
        turn = ArmRound(number=number, started=started, load_average=load, times=tuple(times))
        arm = self._now(key)
        self._put(replace(arm, rounds=(*arm.rounds, turn)))
        if not self._session.kept_loaded:
            self._drop(key)

    def _time(self, key: tuple[str, int], batch: int) -> BatchTimes:
        child = self._child(key)
        asked = self._session.settings
        times, _ = child.time(
            batch=batch, prompt_tokens=asked.prompt_tokens, new_tokens=asked.new_tokens
        )
        return times

    def _fail(self, key: tuple[str, int], batch: int, error: EngineError) -> None:
        why = "out of memory" if isinstance(error, NoMemoryError) else error.what
        arm = self._now(key)
        self._say(f"{arm.title}: batch {batch}: {why}")
        self._put(replace(arm, failed={**arm.failed, str(batch): why}))

    def _child(self, key: tuple[str, int]) -> ArmProcess:
        """The arm's process, warm: everything was done once that takes longer the first time."""
        if key not in self._loaded:
            self._loaded[key] = self._how[key].start()
            self._warm(key)
        return self._loaded[key]

    def _warm(self, key: tuple[str, int]) -> None:
        """One pass without a record; the first one of an arm says what memory each batch takes."""
        asked, found = self._session.settings, []
        is_known = bool(self._now(key).memory)
        new_tokens = min(_WARM_TOKENS, asked.new_tokens) if is_known else asked.new_tokens
        for batch in asked.batches:
            if str(batch) in self._now(key).failed:
                break
            try:
                _, said = self._loaded[key].time(
                    batch=batch,
                    prompt_tokens=asked.prompt_tokens,
                    new_tokens=new_tokens,
                )
            except EngineError as error:
                if batch == min(asked.batches):
                    raise
                self._fail(key, batch, error)
                self._drop(key)
                self._loaded[key] = self._how[key].start()
                break
            found.append(BatchMemory(batch=batch, peak=said["peak_memory"], gpu=said["gpu_memory"]))
        if not is_known:
            self._put(replace(self._now(key), memory=tuple(found)))

    def _drop(self, key: tuple[str, int]) -> None:
        child = self._loaded.pop(key, None)
        if child is not None:
            child.close()

    def _close(self) -> None:
        for key in list(self._loaded):
            self._drop(key)


def _numbers(arm: SpeedArm) -> set[int]:
    """Rounds that an arm has."""
    return {one.number for one in arm.rounds}
