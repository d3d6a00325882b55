"""What happens while a study is run: small values, which also travel between processes.

A variant is named by its label, a cell by its number in the plan. Workers send those that are in
`WorkerEvent`; whoever asked for the run is told all of them, in order (`run_study`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from babelbits.records import Manifest
from babelbits.study.planning.plan_types import Plan
from babelbits.study.rehearsal.outcomes import RehearsalResult

NoticeKind = Literal["asked", "warning", "note", "info"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that a person should read before the run begins."""

    kind: NoticeKind
    """'asked': how the tasks will be asked, where that is not the plain way."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsing:
    """The variants are about to be tried on a miniature of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What came of one variant's rehearsal."""

    result: RehearsalResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The plan is made and checked, and is executed from here on."""

    plan: Plan
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """A variant is about to be quantized."""

    variant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantMade:
    """A variant is on disk."""

    variant: str
    manifest: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A variant's weights are there and whole: its cells can run."""

    variant: str
    weights_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """A variant is about to be loaded."""

    variant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A variant is loaded; what a user should know about how it runs here."""

    variant: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A cell begins, or goes on."""

    cell: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A batch of a cell's items is durably recorded."""

    cell: int
    n_items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A cell is complete."""

    cell: int
    n_skipped: int = 0
    """Items that were not needed: the verdict was known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantFailed:
    """A variant cannot be made or loaded; none of its cells can run."""

    variant: str
    reason: str
    trace: Path | None = None
    """Where the traceback is kept, if one is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFailed:
    """A cell could not be done; the others go on."""

    cell: int
    reason: str
    trace: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLost:
    """A worker on another machine is gone; what it had in hand is computed again by others."""

    why: str
    n_items: int
    """Items that it had in hand and that are not recorded."""


WorkerEvent = (
    Making
    | VariantMade
    | Ready
    | Loading
    | Loaded
    | Running
    | Recorded
    | Finished
    | VariantFailed
    | CellFailed
    | WorkerLost
)
Event = Notice | Rehearsing | Rehearsed | Started | WorkerEvent
