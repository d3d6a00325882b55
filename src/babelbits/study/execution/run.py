"""From a plan to results: make the variants, run the cells, record every batch.

Obeys the plan it is given, so that what `plan` prints is what happens. A cell that fails does not
take the others with it; damage in the store is named and left alone. Never prints: who asked is
told by events. One worker does the jobs in this process; several are processes of their own
(`worker_pool`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from babelbits.recipes.calibration import Calibration
from babelbits.store import Store
from babelbits.study.config.engines import name_engine
from babelbits.study.execution import events
from babelbits.study.execution.interrupt import Stop
from babelbits.study.execution.ray_cluster import ray_pool
from babelbits.study.execution.scheduler import Scheduler
from babelbits.study.execution.shards import work_in_shards
from babelbits.study.execution.worker import RunCell, RunContext, Worker
from babelbits.study.execution.worker_pool import work_together
from babelbits.study.planning.plan_types import CellStep, Plan
from babelbits.tasks.base import Task


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
    progress: Callable[[events.Event], None],
    stop: Stop,
    workers: int | None = 1,
    ray: str | None = None,
    verify: bool = False,
    drawn: Mapping[str, Calibration] = MappingProxyType({}),
    allow_network: bool = False,
) -> RunOutcome:
    """Do what the plan says is left to do.

    Parameters
    ----------
    plan : Plan
        Made against the same store, with every task built.
    store : Store
        Locked for writing since before the plan was made: what another run records in between
        would be computed again.
    progress : callable
        Told every event.
    workers : int, optional
        Processes that run cells at the same time; 1: this one. None, with `ray` alone: as many as
        the cluster has room for.
    ray : str, optional
        Address of the Ray cluster whose actors do the work; None: this machine.
    verify : bool
        Read the files of variants anew, whatever is remembered of them.
    drawn : mapping
        Calibration text by the variant's label, as `preflight.check` gave it; a variant without
        one draws its own.
    allow_network : bool
        Ask servers elsewhere though `HF_HUB_OFFLINE` is set.

    Raises
    ------
    StoreError
        If the folder is full or cannot be written; what was recorded is kept.
    """
    text = plan.study.file.read_text("utf-8-sig")
    store.save_plan(text, plan.metas, study=plan.study.as_object())
    scheduler = Scheduler(plan.variants, plan.cells, base=plan.base, drawn=drawn)
    ledger = _Ledger(plan, scheduler, progress)
    site = RunContext(
        study=plan.study,
        base=plan.base,
        verify=verify,
        allow_network=allow_network,
        workers=workers or 1,
    )
    if ray is not None:
        needed = (step.spec for step in plan.variants if step.needed)
        names = (name_engine(plan.study.engine, plan.study.model, one) for one in needed)
        engines = tuple(dict.fromkeys(names))
        with ray_pool(site, address=ray, workers=workers, engines=engines) as pool:
            work_in_shards(pool, scheduler, store, emit=ledger.note, stop=stop)
    elif workers is not None and workers > 1:
        work_together(site, scheduler, workers=workers, emit=ledger.note, stop=stop)
    else:
        _work_alone(site, scheduler, ledger, stop)
    return ledger.outcome(interrupted=stop.is_requested())


def _work_alone(site: RunContext, scheduler: Scheduler, ledger: "_Ledger", stop: Stop) -> None:
    """Every job in this process, in the plan's order."""
    worker = Worker(site, find_task=_built, emit=ledger.note, stopping=stop.is_requested)
    loaded: str | None = None
    try:
        while not stop.is_requested():
            job = scheduler.next(loaded=loaded)
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
    """Counts what happens, tells who asked, and keeps the scheduler up to date."""

    def __init__(
        self, plan: Plan, scheduler: Scheduler, progress: Callable[[events.Event], None]
    ) -> None:
        self._cells = plan.cells
        self._scheduler = scheduler
        self._progress = progress
        self._n_items = 0
        self._n_cells = 0
        self._n_skipped = 0
        self._failures: list[str] = []
        self._damaged = tuple(
            f"{name(cell)}: {cell.reason}" for cell in plan.cells if cell.state == "damaged"
        )

    def note(self, event: events.WorkerEvent) -> None:
        """Take notice of what a worker did."""
        match event:
            case events.Ready(variant=label, weights_hash=weights_hash):
                self._scheduler.ready(label, weights_hash)
            case events.Recorded(n_items=n_items):
                self._n_items += n_items
            case events.Finished(cell=number, n_skipped=n_skipped):
                self._n_cells += 1
                self._n_skipped += n_skipped
                self._scheduler.finished(number)
            case events.VariantFailed(variant=label, reason=reason):
                if not self._scheduler.drop(label):
                    return  # known from another worker
                self._failures.append(f"{label}: {reason}")
            case events.CellFailed(cell=number, reason=reason):
                self._failures.append(f"{name(self._cells[number])}: {reason}")
        self._progress(event)

    def outcome(self, *, interrupted: bool) -> RunOutcome:
        """What was done."""
        for number in () if interrupted else self._scheduler.waiting():
            reason = "its baseline's answers are not there"
            self.note(events.CellFailed(cell=number, reason=reason))
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
