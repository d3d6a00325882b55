"""Progress of a run on stderr: a live line on a terminal, plain lines elsewhere.

Counts what matters (cells, items, time left) and never shows running results: a look at them before
the end is a look that the statistics do not know of.
"""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from babelbits.cli.console import make_safe, open_console, say
from babelbits.cli.rehearsal import REHEARSING, describe_rehearsal, describe_rehearsals
from babelbits.recipes import gguf_base
from babelbits.records import Manifest
from babelbits.study.execution import events
from babelbits.study.execution.interrupt import Stop, stop_on_interrupt
from babelbits.study.execution.run import name as cell_name
from babelbits.study.planning.plan_types import CellStep, Plan
from babelbits.words import bytes_size, duration, plural

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from babelbits.study.rehearsal import RehearsalResult

_QUIET_SECONDS = 60.0
"""Where there is no terminal, a line at least this often while items are recorded."""


class Reporter:
    """Tells a person what a run is doing: called with every event of `run_study`.

    Inside `with` it shows a bar while the plan is executed, if stderr is a terminal, and watches
    for Ctrl-C: once asks to stop after the batch in flight, twice stops now.

    Parameters
    ----------
    clock : callable
        Seconds.
    debug : bool
        Show the tracebacks of what fails.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, debug: bool = False) -> None:
        self.stop = Stop()
        self._debug = debug
        self._clock = clock
        self._stack = ExitStack()
        self._bar: tuple[Progress, TaskID] | None = None
        self._rehearsals: list[RehearsalResult] = []
        self._cells: tuple[CellStep, ...] = ()
        self._left = 0
        self._known: set[str | None] = set()
        """What was said before the run began."""
        self._told: set[tuple[str, str]] = set()
        """What was said of a variant when it was loaded."""
        self._open_cells = 0
        self._done_items = 0
        self._done_cells = 0
        self._started = self._last = clock()
        self._computing = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._stack.close()
        self._bar = None

    def __call__(self, event: events.Event) -> None:
        """Tell one event."""
        match event:
            case events.Notice(kind=kind, text=text):
                say(text if kind == "info" else f"{kind}: {text}")
            case events.Rehearsing():
                say(REHEARSING)
                self._started = self._clock()
            case events.Rehearsed(result=result):
                self._rehearsals.append(result)
                say(describe_rehearsal(result))
            case events.Started(plan=plan, workers=workers):
                self._begin(plan, workers)
            case events.Making(variant=label):
                self._tell(f"making {label} …")
            case events.VariantMade(variant=label, manifest=manifest):
                self._made(label, manifest)
            case events.Loading(variant=label):
                self._tell(f"loading {label} …")
                self._last = self._clock()
            case events.Loaded(variant=label, notes=notes):
                self._loaded(label, notes)
            case events.Running(cell=number):
                self._tell(_place(self._cells[number]))
                self._last = self._clock()
            case events.Recorded(cell=number, n_items=n_items):
                self._recorded(self._cells[number], n_items)
            case events.Finished(n_skipped=n_skipped):
                self._finished(n_skipped)
            case events.WorkerLost(why=why, n_items=n_items):
                self._lost(why, n_items)
            case events.VariantFailed(variant=label, reason=reason, trace=trace):
                self._failed(label, reason, trace)
            case events.CellFailed(cell=number, reason=reason, trace=trace):
                self._failed(cell_name(self._cells[number]), reason, trace)

    def _lost(self, why: str, n_items: int) -> None:
        again = f"; {plural(n_items, 'item')} of its shard to be computed again" if n_items else ""
        self._line(f"{why}{again}")

    def _begin(self, plan: Plan, workers: int) -> None:
        """The plan is executed from here on."""
        if self._rehearsals:
            say(describe_rehearsals(self._rehearsals, self._clock() - self._started))
        if workers > 1 and not plan.complete:
            say(f"{plural(workers, 'worker')}, each with its own copy of the model")
        self._cells = plan.cells
        self._left = sum((cell.n_items or 0) - cell.n_done for cell in plan.cells)
        self._open_cells = sum(cell.state != "done" for cell in plan.cells)
        self._known = {gguf_base.make_note(plan.base.config)}
        self._started = self._last = self._clock()
        self._stack.enter_context(stop_on_interrupt(_stopping, self.stop))
        if sys.stderr.isatty():
            self._show_bar()

    def _show_bar(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        progress = self._stack.enter_context(
            Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.completed}/{task.total} items{task.fields[note]}"),
                console=open_console(err=True),
                transient=True,
            )
        )
        self._bar = (progress, progress.add_task("starting", total=self._left, note=""))

    # --- told by the run ---

    def _made(self, label: str, manifest: Manifest) -> None:
        bits = f"{manifest.bits_per_weight:.2f} bits per weight"
        where = f"{bytes_size(manifest.bytes_on_disk)}, {bits}, {duration(manifest.seconds)}"
        self._line(f"made {label}: {where}")
        for note in set(manifest.notes) - self._known:
            self._line(f"  {note}")

    def _loaded(self, label: str, notes: tuple[str, ...]) -> None:
        """Each worker loads a variant, and says the same about it."""
        for note in notes:
            if (label, note) not in self._told:
                self._told.add((label, note))
                self._line(f"note: {label}: {note}")

    def _recorded(self, cell: CellStep, n_items: int) -> None:
        """A batch of items is durably recorded."""
        before = self._share()
        now = self._clock()
        self._computing += now - self._last
        self._last = now
        self._done_items += n_items
        if self._bar is not None:
            progress, task = self._bar
            progress.update(task, completed=self._done_items, note=self._eta())
        elif self._done_items == self._left:
            return  # `_finished` says it, with all cells
        elif int(10 * self._share()) > int(10 * before) or now - self._started > _QUIET_SECONDS:
            self._started = now
            self._line(f"{self._counts()}{self._eta()} (now {_place(cell)})")

    def _finished(self, n_skipped: int) -> None:
        """A cell is complete; some items may not have been needed."""
        self._done_cells += 1
        self._left -= n_skipped
        if self._bar is None and self._done_cells == self._open_cells:
            self._line(self._counts())

    def _failed(self, what: str, reason: str, trace: Path | None) -> None:
        """A cell or a variant could not be done; in a worker, its traceback is nowhere else."""
        self._line(f"failed: {what}: {reason}")
        if self._debug and trace is not None:
            with suppress(OSError):
                self._line(trace.read_text("utf-8", errors="replace"))

    # --- saying it ---

    def _share(self) -> float:
        return self._done_items / self._left if self._left else 1.0

    def _counts(self) -> str:
        items = f"{self._done_items}/{plural(self._left, 'item')}"
        return f"{items}, {self._done_cells}/{plural(self._open_cells, 'cell')}"

    def _eta(self) -> str:
        if not self._done_items or self._done_items == self._left:
            return ""
        rest = (self._left - self._done_items) * self._computing / self._done_items
        return f", about {duration(rest)} left"

    def _tell(self, text: str) -> None:
        """What is going on now: the bar's description; silent where there is no bar."""
        if self._bar is not None:
            progress, task = self._bar
            progress.update(task, description=make_safe(text, one_line=True).replace("[", r"\["))

    def _line(self, text: str) -> None:
        if self._bar is not None:
            self._bar[0].console.print(make_safe(text), markup=False)
        else:
            say(text)


def _place(cell: CellStep) -> str:
    return f"{cell.variant} · {cell.suite} · {cell.language}"


def _stopping() -> None:
    say("stopping after the batch in flight; Ctrl-C again stops now")
