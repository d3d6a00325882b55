"""Progress of a run on stderr: a live line on a terminal, plain lines elsewhere.

Counts what matters (cells, items, time left) and never shows running results: a look at them before
the end is a look that the statistics do not know of.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from babelbits.cli.console import console, duration, safe, say, size
from babelbits.recipes import gguf_base
from babelbits.records import Manifest
from babelbits.study.planning.plan_types import CellStep, Plan, VariantStep
from babelbits.words import plural

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_QUIET_SECONDS = 60.0
"""Where there is no terminal, a line at least this often while items are recorded."""


class Reporter:
    """Tells a person what a run is doing; a `study.execution.run.Listener`."""

    def __init__(
        self, plan: Plan, *, clock: Callable[[], float] = time.monotonic, debug: bool = False
    ) -> None:
        self._debug = debug
        """Show the tracebacks of what fails."""
        self._left = sum((cell.n_items or 0) - cell.n_done for cell in plan.cells)
        self._known = {gguf_base.note(plan.base.config)}
        """What was said before the run began."""
        self._told: set[tuple[str, str]] = set()
        """What was said of a variant when it was loaded."""
        self._cells = sum(cell.state != "done" for cell in plan.cells)
        self._done_items = 0
        self._done_cells = 0
        self._clock = clock
        self._started = clock()
        self._computing = 0.0
        self._last = self._started
        self._bar: tuple[Progress, TaskID] | None = None

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show a bar while inside, if stderr is a terminal."""
        if not sys.stderr.isatty():
            yield
            return
        from rich.progress import BarColumn, Progress, TextColumn

        with Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed}/{task.total} items{task.fields[note]}"),
            console=console(err=True),
            transient=True,
        ) as progress:
            task = progress.add_task("starting", total=self._left, note="")
            self._bar = (progress, task)
            yield
        self._bar = None

    # --- told by the run ---

    def making(self, step: VariantStep) -> None:
        """A variant is about to be quantized."""
        self._tell(f"making {step.label} …")

    def made(self, step: VariantStep, manifest: Manifest) -> None:
        """A variant is on disk."""
        bits = f"{manifest.bits_per_weight:.2f} bits per weight"
        where = f"{size(manifest.bytes_on_disk)}, {bits}, {duration(manifest.seconds)}"
        self._line(f"made {step.label}: {where}")
        for note in set(manifest.notes) - self._known:
            self._line(f"  {note}")

    def loading(self, step: VariantStep) -> None:
        """A variant is about to be loaded."""
        self._tell(f"loading {step.label} …")
        self._last = self._clock()

    def loaded(self, step: VariantStep, notes: tuple[str, ...]) -> None:
        """A variant is loaded; each worker loads it, and says the same about it."""
        for note in notes:
            if (step.label, note) not in self._told:
                self._told.add((step.label, note))
                self._line(f"note: {step.label}: {note}")

    def running(self, cell: CellStep) -> None:
        """A cell begins, or goes on."""
        self._tell(f"{cell.variant} · {cell.suite} · {cell.language}")
        self._last = self._clock()

    def recorded(self, cell: CellStep, n_items: int) -> None:
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
            return  # `finished` says it, with all cells
        elif int(10 * self._share()) > int(10 * before) or now - self._started > _QUIET_SECONDS:
            self._started = now
            now_at = f"{cell.variant} · {cell.suite} · {cell.language}"
            self._line(f"{self._counts()}{self._eta()} (now {now_at})")

    def finished(self, cell: CellStep, n_skipped: int) -> None:
        """A cell is complete; some items may not have been needed."""
        del cell
        self._done_cells += 1
        self._left -= n_skipped
        if self._bar is None and self._done_cells == self._cells:
            self._line(self._counts())

    def failed(self, what: str, reason: str, *, trace: Path | None) -> None:
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
        return f"{items}, {self._done_cells}/{plural(self._cells, 'cell')}"

    def _eta(self) -> str:
        if not self._done_items or self._done_items == self._left:
            return ""
        rest = (self._left - self._done_items) * self._computing / self._done_items
        return f", about {duration(rest)} left"

    def _tell(self, text: str) -> None:
        """What is going on now: the bar's description; silent where there is no bar."""
        if self._bar is not None:
            progress, task = self._bar
            progress.update(task, description=safe(text, one_line=True).replace("[", r"\["))

    def _line(self, text: str) -> None:
        if self._bar is not None:
            self._bar[0].console.print(safe(text), markup=False)
        else:
            say(text)
