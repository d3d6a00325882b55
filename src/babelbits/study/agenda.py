"""Which job of a plan is next: a variant before its cells, otherwise the plan's order.

Pure bookkeeping: told what happened, asked what can be done now. With several workers the next
variant is prepared while the last cells of the one before still run.
"""

from collections import deque
from collections.abc import Sequence

from babelbits.study.base_model import BaseModel
from babelbits.study.spec import BASELINE
from babelbits.study.steps import CellStep, VariantStep
from babelbits.study.worker import Job, Prepare, RunCell


class Agenda:
    """The open jobs of a plan.

    Parameters
    ----------
    variants, cells : sequences
        Of the plan; cells that are done or damaged are left alone.
    base : BaseModel
        Its hash is that of the baseline's weights.
    """

    def __init__(
        self, variants: Sequence[VariantStep], cells: Sequence[CellStep], *, base: BaseModel
    ) -> None:
        self._steps = {step.label: step for step in variants}
        self._open: dict[str, deque[int]] = {step.label: deque() for step in variants}
        self._cells = cells
        for number, cell in enumerate(cells):
            if cell.state not in ("done", "damaged"):
                self._open[cell.variant].append(number)
        self._weights = {step.label: base.hash for step in variants if step.spec.recipe == BASELINE}
        self._begun: set[str] = set()

    def next(self, *, loaded: str | None) -> Job | None:
        """The next job for a worker, or None if there is none now.

        Parameters
        ----------
        loaded : str or None
            The variant that the worker has loaded: its cells come first.
        """
        if loaded is not None and loaded in self._weights and self._open[loaded]:
            return self._cell(loaded)
        for label, numbers in self._open.items():
            if numbers and label in self._weights:
                return self._cell(label)
            if numbers and label not in self._begun:
                self._begun.add(label)
                return Prepare(step=self._steps[label])
        return None

    def _cell(self, label: str) -> RunCell:
        number = self._open[label].popleft()
        return RunCell(
            step=self._steps[label],
            cell=self._cells[number],
            number=number,
            weights_hash=self._weights[label],
        )

    def ready(self, label: str, weights_hash: str) -> None:
        """A variant is prepared: its cells can run."""
        self._weights[label] = weights_hash

    def drop(self, label: str) -> bool:
        """A variant failed: none of its cells can run; False if that was known."""
        self._begun.add(label)
        known = self._weights.get(label) is None and not self._open[label]
        self._weights.pop(label, None)
        self._open[label].clear()
        return not known
