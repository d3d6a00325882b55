"""Which job of a plan is next: a variant before its cells, otherwise the plan's order.

Pure bookkeeping: told what happened, asked what can be done now. With several workers the next
variant is prepared while the last cells of the one before still run.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from babelbits.recipes.calibration import Calibration
from babelbits.store import has_same_weights
from babelbits.study.config.spec import BASELINE
from babelbits.study.execution.worker import Job, Prepare, RunCell
from babelbits.study.planning.base_model import BaseModel
from babelbits.study.planning.plan_types import CellStep, VariantStep
from babelbits.study.planning.tokenizer_probe import sample_texts


class Scheduler:
    """The open jobs of a plan.

    Parameters
    ----------
    variants, cells : sequences
        Of the plan; cells that are done or damaged are left alone.
    base : BaseModel
        Its hash is that of the baseline's weights.
    drawn : mapping
        Calibration text that is drawn already, by the variant's label: it goes to the worker that
        makes the variant, and to no other.
    """

    def __init__(
        self,
        variants: Sequence[VariantStep],
        cells: Sequence[CellStep],
        *,
        base: BaseModel,
        drawn: Mapping[str, Calibration] = MappingProxyType({}),
    ) -> None:
        self._steps = {step.label: step for step in variants}
        self._open: dict[str, deque[int]] = {step.label: deque() for step in variants}
        self._cells = cells
        self._texts = sample_texts(cells)
        self._drawn = drawn
        for number, cell in enumerate(cells):
            if cell.state not in ("done", "damaged"):
                self._open[cell.variant].append(number)
        self._weights = {
            step.label: base.hash
            for step in variants
            if step.spec.recipe == BASELINE and step.spec.endpoint is None
        }
        self._begun: set[str] = set()
        self._first = {
            (cell.variant, cell.suite, cell.language): number
            for number, cell in enumerate(cells)
            if cell.replicate == 0
        }
        self._done = {number for number, cell in enumerate(cells) if cell.state == "done"}

    def next(self, *, loaded: str | None) -> Job | None:
        """The next job for a worker, or None if there is none now.

        Parameters
        ----------
        loaded : str or None
            The variant that the worker has loaded: its cells come first.
        """
        if loaded is not None and (job := self._cell(loaded)) is not None:
            return job
        for label, numbers in self._open.items():
            if (job := self._cell(label)) is not None:
                return job
            if numbers and label not in self._begun | self._weights.keys():
                self._begun.add(label)
                return Prepare(
                    step=self._steps[label], texts=self._texts, drawn=self._drawn.get(label)
                )
        return None

    def _cell(self, label: str) -> RunCell | None:
        """The first cell of a variant that can run now."""
        if label not in self._weights:
            return None
        for number in self._open[label]:
            cell = self._cells[number]
            needed = self._needed(cell)
            if needed is None or needed in self._done:
                self._open[label].remove(number)
                return RunCell(
                    step=self._steps[label],
                    cell=cell,
                    number=number,
                    weights_hash=self._weights[label],
                    baseline=None if needed is None else self._cells[needed].meta,
                )
        return None

    def _needed(self, cell: CellStep) -> int | None:
        """The cell of its baseline, if this one may stop and so must be compared while it runs."""
        if cell.meta is None or cell.meta.stop is None:
            return None
        return self._first[cell.meta.baseline, cell.suite, cell.language]

    def finished(self, number: int) -> None:
        """A cell is complete: those that are compared with it can run."""
        self._done.add(number)

    def waiting(self) -> tuple[int, ...]:
        """Cells that can never run: what they are compared with is not there."""
        return tuple(number for numbers in self._open.values() for number in numbers)

    def ready(self, label: str, weights_hash: str) -> None:
        """A variant is prepared: its cells can run, also those that other weights computed."""
        self._weights[label] = weights_hash
        for number, cell in enumerate(self._cells):
            if cell.variant != label or cell.state != "done" or number not in self._done:
                continue
            if (
                cell.meta
                and cell.recorded
                and not has_same_weights(cell.meta, cell.recorded, weights_hash)
            ):
                self._done.discard(number)
                self._open[label].append(number)

    def again(self, label: str) -> None:
        """Who prepared a variant is gone: somebody else may."""
        self._begun.discard(label)

    def drop(self, label: str) -> bool:
        """A variant failed: none of its cells can run; False if that was known."""
        self._begun.add(label)
        known = self._weights.get(label) is None and not self._open[label]
        self._weights.pop(label, None)
        self._open[label].clear()
        return not known
