"""What a rehearsal is asked and says: attempts on miniatures, and the result that follows.

Pure data and rules, no torch: the command and the child process both import it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from babelbits.engines.base import EngineSettings
from babelbits.formats.trust import UNTRUSTED, Trust

Outcome = Literal["works", "fails", "unrehearsable"]

Check = Literal[
    "miniature",
    "shapes",
    "making",
    "loading",
    "modules",
    "weights",
    "activations",
    "conversion",
    "generation",
    "attention",
    "prompt",
]
"""Where a rehearsal can stop, in the order of the work."""

Depth = Literal["one period", "two periods", "all layers"]
"""How many layers a miniature has; 'all layers' is tried where llama.cpp may count them."""


NO_ROOM = "there was no room for a rehearsal"
"""How the fault begins where memory or disk are full, which says nothing about a variant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where and how variants are rehearsed."""

    base: Path
    """Folder of the unquantized checkpoint."""
    engine: EngineSettings = field(default_factory=EngineSettings)
    """The study's; device and dtype are those of the run."""
    seed: int = 0
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the study asks, some of it in every language."""
    chat: bool = False
    """Whether the study asks through the chat template."""
    trust: Trust = UNTRUSTED
    allow_token_differences: bool = False
    made: Path | None = None
    """A variant of the base itself that is to be checked in place of one of a miniature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalFault:
    """What went wrong in a rehearsal."""

    check: Check
    what: str
    """In plain words, one line."""
    hint: str | None = None
    """A way out, where the library or the check knows one."""
    known: bool = False
    """Known by name: one miniature is enough to believe it."""

    @property
    def kind(self) -> tuple[str, str]:
        """The same for the same fault at another depth: numbers do not count."""
        words = re.sub(r"\d+([.,]\d+)*%?", "N", self.what.casefold())
        return self.check, re.sub(r"\b(N\s*)+\b", "N", words)[:120]


class Failed(Exception):  # noqa: N818  it is a verdict
    """A check that failed."""

    def __init__(self, what: str, *, hint: str | None = None, known: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.known = known


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A variant's rehearsal on one miniature."""

    depth: Depth
    seconds: float
    fault: RehearsalFault | None = None
    """None: all checks passed."""
    notes: tuple[str, ...] = ()

    @classmethod
    def from_object(cls, fields: Mapping[str, Any]) -> "Attempt":
        """The attempt that `asdict` wrote."""
        fault = fields["fault"]
        return cls(
            depth=fields["depth"],
            seconds=fields["seconds"],
            fault=None if fault is None else RehearsalFault(**fault),
            notes=tuple(fields["notes"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalResult:
    """What a variant's rehearsal came to."""

    label: str
    recipe: str
    architecture: str
    """The base's model type, e.g. 'mixtral'."""
    library: str
    """That makes or runs the variant, with its version; named where it fails."""
    outcome: Outcome
    fault: RehearsalFault | None
    """None where it works."""
    notes: tuple[str, ...]
    seconds: float
    cached: bool = False
    """Whether it was known from an earlier rehearsal."""

    def as_object(self) -> dict[str, Any]:
        """As JSON knows it."""
        return asdict(self)

    @classmethod
    def from_object(cls, fields: Mapping[str, Any]) -> "RehearsalResult":
        """The result that `as_object` wrote."""
        fault = fields["fault"]
        return cls(
            **{
                **fields,
                "fault": None if fault is None else RehearsalFault(**fault),
                "notes": tuple(fields["notes"]),
            }
        )


def choose_next_depth(attempts: Sequence[Attempt], *, by_layers: bool) -> Depth | None:
    """The miniature that a variant is to be tried on next; None where the case is closed.

    Parameters
    ----------
    attempts : sequence of Attempt
        So far, in order.
    by_layers : bool
        Whether the variant's library reads some architectures by their number of layers.
    """
    if not attempts:
        return "one period"
    first, fault = attempts[0].fault, attempts[-1].fault
    if first is None or fault is None or fault.known or fault.check in ("prompt", "shapes"):
        return None
    if len(attempts) == 1:
        return None if fault.check == "miniature" else "two periods"
    # A pattern may be too long to repeat, as Gemma 3n's, and the whole of it not be.
    repeated = fault.kind == first.kind or fault.check == "miniature"
    reads_layers = by_layers and first.check in ("making", "loading", "conversion")
    if len(attempts) == 2 and reads_layers and repeated:
        return "all layers"
    return None


def conclude(
    attempts: Sequence[Attempt], *, label: str, recipe: str, architecture: str, library: str
) -> RehearsalResult:
    """What the attempts of a variant come to.

    A fault counts where every miniature repeats it, or where it is known by name. Where one does
    not, the miniature may be at fault: the variant cannot be rehearsed. A variant of llama.cpp that
    works with the real number of layers works.
    """
    first, last = attempts[0], attempts[-1]
    notes = list(dict.fromkeys(note for attempt in attempts for note in attempt.notes))
    outcome: Outcome = "fails"
    fault = first.fault
    if fault is None:
        outcome = "works"
    elif fault.check == "miniature":
        outcome = "unrehearsable"
    elif last.fault is None and last.depth == "all layers":
        outcome, fault = "works", None
        notes.append("on a miniature with the real number of layers, which llama.cpp counts")
    elif any(a.fault is None or a.fault.kind != fault.kind for a in attempts):
        outcome = "unrehearsable"
        notes.append("a miniature of another depth does not repeat the fault")
    return RehearsalResult(
        label=label,
        recipe=recipe,
        architecture=architecture,
        library=library,
        outcome=outcome,
        fault=fault,
        notes=tuple(notes),
        seconds=sum(attempt.seconds for attempt in attempts),
    )
