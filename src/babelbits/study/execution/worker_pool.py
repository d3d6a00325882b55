"""Several worker processes that run a plan's cells at the same time, each with its own engine.

A small model does not fill the cores of a machine: its matrix products are too short to share.
Whole cells are handed out, so that each journal has one writer and a cell's batches are the same
however many workers there are. Workers ignore Ctrl-C, which is the business of the process that
started them, and end when that process ends, however it ends.
"""

import math
import os
import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from multiprocessing import connection, get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import Any

from babelbits.engines.base import SMALL_MODEL
from babelbits.errors import StoreError, TaskError
from babelbits.study.execution.events import CellFailed, VariantFailed, WorkerEvent
from babelbits.study.execution.interrupt import Stop
from babelbits.study.execution.scheduler import Scheduler
from babelbits.study.execution.worker import Job, RunCell, RunContext, Worker
from babelbits.study.planning import estimate
from babelbits.study.planning.plan_types import CellStep, Plan
from babelbits.study.planning.task_builder import TaskBuilder
from babelbits.tasks.base import Task, compute_fingerprint

_LOOK = 0.2
"""Seconds between looks at whether the user wants to stop."""
_FAREWELL = 5.0
"""Seconds that an idle worker has to end."""


def work_together(
    site: RunContext,
    scheduler: Scheduler,
    *,
    workers: int,
    emit: Callable[[WorkerEvent], None],
    stop: Stop,
) -> None:
    """Do all jobs of an scheduler with several processes.

    Raises
    ------
    StoreError
        If a worker could not write to the run folder.
    """
    with _Crew(site, workers) as crew:
        while not stop.is_requested():
            crew.hand_out(scheduler)
            if not crew.busy:
                return
            crew.listen(emit)
        crew.stop()
        while crew.busy:
            crew.listen(emit)


class _Member:
    """One worker process, seen from the outside."""

    def __init__(self, context: Any, site: RunContext) -> None:
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=_serve, args=(theirs, site), daemon=True, name="babelbits-worker"
        )
        self.process.start()
        theirs.close()
        self.job: Job | None = None
        self.loaded: str | None = None

    def give(self, job: Job) -> None:
        """Send a job; a cell's task stays here, the worker builds its own."""
        self.job = job
        if isinstance(job, RunCell):
            self.loaded = job.step.label
            job = replace(job, cell=replace(job.cell, task=None))
        else:
            self.loaded = None
        self.pipe.send(job)

    def death(self) -> WorkerEvent:
        """What it means that the process is gone."""
        self.process.join()
        why = f"its worker process ended with exit code {self.process.exitcode}"
        if self.process.exitcode == -signal.SIGKILL:
            why += " (killed, perhaps out of memory: try --workers 1)"
        if isinstance(self.job, RunCell):
            return CellFailed(cell=self.job.number, reason=why)
        assert self.job is not None  # noqa: S101  only busy members are listened to
        return VariantFailed(variant=self.job.step.label, reason=why)


class _Crew:
    """The worker processes of a run; all are gone when the block ends."""

    def __init__(self, site: RunContext, workers: int) -> None:
        self._context = get_context("spawn")  # a fork would inherit the threads' locks
        self._site = site
        self._members = [self._member() for _ in range(workers)]

    def _member(self) -> _Member:
        return _Member(self._context, self._site)

    def __enter__(self) -> "_Crew":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_exc: object) -> None:
        if kind is None:
            self._dismiss()
        for member in self._members:
            member.process.kill()  # what it recorded is durable
        for member in self._members:
            member.process.join()

    def _dismiss(self) -> None:
        """Let idle workers end by themselves."""
        for member in self._members:
            with suppress(OSError):
                member.pipe.send(None)
        for member in self._members:
            member.process.join(timeout=_FAREWELL)

    @property
    def busy(self) -> Sequence[_Member]:
        """Those at work."""
        return [member for member in self._members if member.job is not None]

    def stop(self) -> None:
        """Ask all to stop after the batch in flight."""
        for member in self.busy:
            with suppress(OSError):  # a dead one is heard of when we listen
                member.pipe.send(None)

    def hand_out(self, scheduler: Scheduler) -> None:
        """Give every idle worker a job, while there are any."""
        for member in self._members:
            if member.job is None:
                job = scheduler.next(loaded=member.loaded)
                if job is not None:
                    member.give(job)

    def listen(self, emit: Callable[[WorkerEvent], None]) -> None:
        """Pass on what has happened; returns after a moment at most."""
        pipes = {member.pipe: member for member in self.busy}
        for pipe in connection.wait(list(pipes), timeout=_LOOK):
            self._hear(pipes[pipe], emit)

    def _hear(self, member: _Member, emit: Callable[[WorkerEvent], None]) -> None:
        try:
            message = member.pipe.recv()
        except (EOFError, OSError):
            emit(member.death())
            self._members[self._members.index(member)] = self._member()
            return
        if isinstance(message, StoreError):
            raise message
        if message is None:
            member.job = None
        else:
            emit(message)


# --- inside a worker process -------------------------------------------------------------------


def _serve(pipe: Any, site: RunContext) -> None:
    """Do jobs until None comes, also between the batches of a job; answer None when one is done."""
    from tqdm.std import tqdm  # type: ignore[import-untyped]  # ships no types

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    tqdm.set_lock(threading.RLock())  # its own lock would outlive a killed process, with a warning
    threading.Thread(target=_end_with_parent, daemon=True).start()
    worker = Worker(site, find_task=Tasks(site).find, emit=pipe.send, stopping=pipe.poll)
    with suppress(EOFError, BrokenPipeError):  # the process that started us is gone
        while (job := pipe.recv()) is not None:
            try:
                worker.do(job)
            except StoreError as error:
                pipe.send(add_trace(error))
            pipe.send(None)


def add_trace(error: StoreError) -> StoreError:
    """The error with its traceback as a note, which it keeps between processes."""
    error.add_note("".join(traceback.format_exception(error)))
    return error


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


class Tasks:
    """The tasks of a study, built again in this process, as the plan knows them."""

    def __init__(self, site: RunContext) -> None:
        self._site = site
        self._options = {suite.suite: suite.options for suite in site.study.suites}
        self._load = lru_cache(maxsize=64)(self._build)

    def find(self, cell: CellStep) -> Task:
        """The task of a cell.

        Raises
        ------
        TaskError
            If its items are not the ones that the plan was made with.
        """
        task, identity = self._load(cell.suite, cell.language)
        if cell.meta is not None and identity != cell.meta.identity["task"]:
            raise TaskError(
                "the task's data changed while the study was running",
                where=f"{cell.suite} · {cell.language}",
                hint="run the same command again",
            )
        return task

    def _build(self, suite: str, language: str) -> tuple[Task, str]:
        from babelbits.tasks import catalogue

        workshop = TaskBuilder(self._site.study, self._site.base, catalogue.load)
        task = workshop.task(suite, language, self._options[suite])
        assert task is not None  # noqa: S101  the catalogue builds all
        return task, compute_fingerprint(task.info, task.items())


# --- how many workers suit ------------------------------------------------------------------------

_WORTH_IT = 2_000
"""Items from which on starting processes pays: each needs seconds to import its libraries."""


def suggest_workers(plan: Plan) -> int:
    """How many workers suit a plan on this machine.

    One a core for a small model on a CPU with enough to do; else one, which uses all threads.
    `OMP_NUM_THREADS` says how many cores a worker takes.
    """
    left = sum((c.n_items or 0) - c.n_done for c in plan.cells if c.state != "damaged")
    tensors = estimate.read_base_tensors(plan.base.folder)
    small = tensors is not None and sum(math.prod(t.shape) for t in tensors) < SMALL_MODEL
    if plan.engine.device_kind != "cpu" or not small or left < _WORTH_IT:
        return 1
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    return max(1, _cores() // (int(threads) if threads.isdecimal() and int(threads) else 1))


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
