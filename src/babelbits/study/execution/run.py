"""From a plan to results: make the variants, run the cells, record every batch.

Obeys the plan it is given, so that what `plan` prints is what happens. A cell that fails does not
take the others with it; damage in the store is named and left alone. Never prints: a listener is
told. One worker does the jobs in this process; several are processes of their own (`crew`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from babelbits.records import Manifest
from babelbits.store import Store
from babelbits.study.execution import events
from babelbits.study.execution.interrupt import Stop
from babelbits.study.execution.scheduler import Scheduler
from babelbits.study.execution.worker import RunCell, RunContext, Worker
from babelbits.study.execution.worker_pool import work_together
from babelbits.study.planning.plan_types import CellStep, Plan, VariantStep
from babelbits.tasks.base import Task


class Listener(Protocol):
    """Told what happens while a plan is executed."""

    def making(self, step: VariantStep) -> None:
        """A variant is about to be quantized."""

    def made(self, step: VariantStep, manifest: Manifest) -> None:
        """A variant is on disk."""

    def loading(self, step: VariantStep) -> None:
        """A variant is about to be loaded."""

    def loaded(self, step: VariantStep, notes: tuple[str, ...]) -> None:
        """A variant is loaded; what a user should know about how it runs here."""

    def running(self, cell: CellStep) -> None:
        """A cell begins, or goes on."""

    def recorded(self, cell: CellStep, n_items: int) -> None:
        """A batch of items is durably recorded."""

    def finished(self, cell: CellStep, n_skipped: int) -> None:
        """A cell is complete; `n_skipped` items were not needed, because its verdict is known."""

    def failed(self, what: str, reason: str, *, trace: Path | None) -> None:
        """A cell or a variant could not be done; `trace` is where its traceback is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """What a run did."""

    n_items: int
    """Items computed by this run; recorded ones are never computed again."""
    n_cells: int
    """Cells finished by this run."""
    n_skipped: int
    """Items that were not needed, because a cell's verdict was known without them."""
    failures: tuple[str, ...]
    """Cells and variants that could not be done, each with its reason."""
    damaged: tuple[str, ...]
    interrupted: bool

    @property
    def complete(self) -> bool:
        """Whether everything the plan asked for is recorded now."""
        return not (self.failures or self.damaged or self.interrupted)


def execute(
    plan: Plan,
    store: Store,
    *,
    listener: Listener,
    stop: Stop,
    workers: int = 1,
    verify: bool = False,
) -> RunOutcome:
    """Do what the plan says is left to do.

    Parameters
    ----------
    plan : Plan
        Made against the same store, with every task built.
    store : Store
        Locked for writing since before the plan was made: what another run records in between
        would be computed again.
    workers : int
        Processes that run cells at the same time; 1: this one.
    verify : bool
        Read the files of variants anew, whatever is remembered of them.

    Raises
    ------
    StoreError
        If the folder is full or cannot be written; what was recorded is kept.
    """
    store.save_plan(plan.study.file.read_text("utf-8-sig"), plan.metas)
    agenda = Scheduler(plan.variants, plan.cells, base=plan.base)
    ledger = _Ledger(plan, agenda, listener)
    site = RunContext(study=plan.study, base=plan.base, verify=verify)
    if workers > 1:
        work_together(site, agenda, workers=workers, emit=ledger.note, stop=stop)
    else:
        _work_alone(site, agenda, ledger, stop)
    return ledger.outcome(interrupted=stop.is_requested())


def _work_alone(site: RunContext, agenda: Scheduler, ledger: "_Ledger", stop: Stop) -> None:
    """Every job in this process, in the plan's order."""
    worker = Worker(site, find_task=_built, emit=ledger.note, stopping=stop.is_requested)
    loaded: str | None = None
    try:
        while not stop.is_requested():
            job = agenda.next(loaded=loaded)
            if job is None:
                break
            loaded = job.step.label if isinstance(job, RunCell) else None
            worker.do(job)
    finally:
        worker.close()


def _built(cell: CellStep) -> Task:
    if cell.task is None:
        raise ValueError("a plan is executed only when all its tasks are built")
    return cell.task


class _Ledger:
    """Counts what happens, tells the listener, and keeps the agenda up to date."""

    def __init__(self, plan: Plan, agenda: Scheduler, listener: Listener) -> None:
        self._cells = plan.cells
        self._steps = {step.label: step for step in plan.variants}
        self._agenda = agenda
        self._listener = listener
        self._n_items = 0
        self._n_cells = 0
        self._n_skipped = 0
        self._failures: list[str] = []
        self._damaged = tuple(
            f"{name(cell)}: {cell.reason}" for cell in plan.cells if cell.state == "damaged"
        )

    def note(self, event: events.Event) -> None:
        """Take notice of what a worker did."""
        match event:
            case events.Making(variant=label):
                self._listener.making(self._steps[label])
            case events.Made(variant=label, manifest=manifest):
                self._listener.made(self._steps[label], manifest)
            case events.Ready(variant=label, weights_hash=weights_hash):
                self._agenda.ready(label, weights_hash)
            case events.Loading(variant=label):
                self._listener.loading(self._steps[label])
            case events.Loaded(variant=label, notes=notes):
                self._listener.loaded(self._steps[label], notes)
            case events.Running(cell=number):
                self._listener.running(self._cells[number])
            case events.Recorded(cell=number, n_items=n_items):
                self._n_items += n_items
                self._listener.recorded(self._cells[number], n_items)
            case events.Finished(cell=number, n_skipped=n_skipped):
                self._n_cells += 1
                self._n_skipped += n_skipped
                self._agenda.finished(number)
                self._listener.finished(self._cells[number], n_skipped)
            case events.VariantFailed(variant=label, reason=reason, trace=trace):
                if self._agenda.drop(label):
                    self._fail(label, reason, trace)
            case events.CellFailed(cell=number, reason=reason, trace=trace):
                self._fail(name(self._cells[number]), reason, trace)

    def _fail(self, what: str, reason: str, trace: Path | None = None) -> None:
        self._failures.append(f"{what}: {reason}")
        self._listener.failed(what, reason, trace=trace)

    def outcome(self, *, interrupted: bool) -> RunOutcome:
        """What was done."""
        for number in () if interrupted else self._agenda.waiting():
            self._fail(name(self._cells[number]), "its baseline's answers are not there")
        return RunOutcome(
            n_items=self._n_items,
            n_cells=self._n_cells,
            n_skipped=self._n_skipped,
            failures=tuple(self._failures),
            damaged=self._damaged,
            interrupted=interrupted,
        )


def name(cell: CellStep) -> str:
    """Of a cell, for people."""
    again = " again (A/A)" if cell.replicate else ""
    return f"{cell.variant} · {cell.suite} · {cell.language}{again}"
