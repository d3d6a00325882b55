"""What a plan is made of: variants to make and cells to run, each with its state and the reason.

Data only; `plan` makes it, `run` executes it, the command line prints it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from babelbits.engines.base import EngineIdentity
from babelbits.records import CellMeta, Manifest
from babelbits.store import CellStatus
from babelbits.study.config.spec import Study, VariantSpec
from babelbits.study.planning.base_model import BaseModel
from babelbits.study.planning.found_variants import FoundModel
from babelbits.tasks.base import Task, TaskOptions
from babelbits.words import html_table, plural

Build = Callable[[str, str, TaskOptions], Task | None]
"""Suite, language and options to a task; None for one that is not to be built now."""

CellState = Literal["done", "partial", "missing", "stale", "damaged"]


class PlanStore(Protocol):
    """What a plan asks of a store."""

    def status(self, meta: CellMeta) -> CellStatus:
        """How far a cell is."""

    def manifest(self, variant_id: str) -> Manifest | None:
        """The manifest of a finished variant."""

    def planned(self) -> tuple[CellMeta, ...]:
        """The cells of the study as it was last run."""

    @property
    def root(self) -> Path:
        """The run folder."""

    def study(self) -> Any:
        """The validated study as it was last run; None where it is not recorded."""

    def study_text(self) -> str:
        """The study file as it was last run; StoreError where none was."""

    def timings(self, machine: str) -> Mapping[str, tuple[float, ...]]:
        """Seconds an item of finished cells on a machine, by '<recipe>/<suite>'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantStep:
    """One variant: there already, or to be made."""

    spec: VariantSpec
    variant_id: str
    identity: Mapping[str, Any]
    state: Literal["done", "missing"]
    needed: bool
    """Whether a cell that is not done needs its weights."""
    reason: str
    bytes: int | None
    """On disk: exact where it is made, else estimated; None where nothing tells."""
    manifest: Manifest | None
    """Of a variant that is made; None for the baseline, which lies where it lies."""
    found: FoundModel | None = None
    """What is known of a variant that somebody made; None of others."""
    unrehearsed: str | None = None
    """Why it could not be rehearsed, so that it is checked when it is made; None: it need not."""

    @property
    def label(self) -> str:
        """What people call it."""
        return self.spec.label

    @property
    def to_make(self) -> bool:
        """Whether the run must make it."""
        return self.needed and self.state == "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellStep:
    """One cell: variant x suite x language x replicate."""

    variant: str
    """Label."""
    variant_id: str
    recipe: str
    suite: str
    language: str
    replicate: int
    task: Task | None
    """None while unbuilt."""
    meta: CellMeta | None
    """None while the task is unbuilt."""
    n_items: int | None
    n_done: int
    state: CellState
    reason: str
    seconds: tuple[float, float] | None
    """What is left to do, as a range; None: unknown until measured on this machine."""
    recorded: CellStatus | None = None
    """What the store holds of it; None while the task is unbuilt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a run will do, in order."""

    study: Study
    base: BaseModel
    engine: EngineIdentity
    variants: tuple[VariantStep, ...]
    cells: tuple[CellStep, ...]

    @property
    def metas(self) -> tuple[CellMeta, ...]:
        """The cells whose tasks are built."""
        return tuple(cell.meta for cell in self.cells if cell.meta is not None)

    @property
    def complete(self) -> bool:
        """Whether every cell is done."""
        return all(cell.state == "done" for cell in self.cells)

    def __repr__(self) -> str:
        """In one line: everything would fill a screen."""
        return f"<Plan {self._title()}>"

    def _title(self) -> str:
        n_done = sum(cell.state == "done" for cell in self.cells)
        return f"{self.study.name}: {plural(len(self.cells), 'cell')}, {n_done} done"

    def _repr_html_(self) -> str:
        """A row a variant, task and language, for notebooks."""
        rows = [
            (
                cell.variant + (" again (A/A)" if cell.replicate else ""),
                cell.suite,
                cell.language,
                "?" if cell.n_items is None else f"{cell.n_done}/{cell.n_items}",
                cell.state,
                cell.reason,
            )
            for cell in self.cells
        ]
        heads = ("variant", "task", "language", "items", "state", "why")
        return html_table(heads, rows, caption=self._title(), numeric=heads[3:4])
