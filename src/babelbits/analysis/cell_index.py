"""Cells sorted by their part in the comparison, and paired with their baselines.

What cannot be paired becomes a problem; nothing is dropped without a word.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from babelbits.analysis import checks
from babelbits.analysis.cells import BASELINE, CellResult
from babelbits.analysis.columns import Columns, Pairs, pair, pair_early, read_columns
from babelbits.analysis.results import Problem
from babelbits.errors import UnpairedItemsError
from babelbits.records import TaskInfo

Cells = dict[str, CellResult]
"""Task name to cell."""


@dataclass(slots=True, kw_only=True)
class CellIndex:
    """Baselines, A/A run and variants, with the problems found so far."""

    baseline: Cells = field(default_factory=dict)
    aa: Cells = field(default_factory=dict)
    engines: dict[str, Cells] = field(default_factory=dict)
    """Label of the baseline in a further engine to its cells."""
    variants: dict[str, Cells] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    _sources: dict[str, int] = field(default_factory=dict)
    _read: dict[tuple[str, str], Columns] = field(default_factory=dict)
    """Columns of baselines by label and task, read once for all variants."""

    @property
    def tasks(self) -> list[TaskInfo]:
        """What the baseline was run on, in whatever engine."""
        shelves = (self.baseline, *self.engines.values())
        return list({name: c.meta.task for one in shelves for name, c in one.items()}.values())

    @property
    def primary(self) -> dict[str, str]:
        """Suite to its primary metric."""
        return {task.suite: task.primary for task in self.tasks}

    def pairs(self, cells: Cells) -> dict[str, list[tuple[CellResult, Pairs]]]:
        """By suite, the cells that can be compared, with their pairs.

        Each is compared with the baseline of its own engine, that one with the study's.
        """
        found: dict[str, list[tuple[CellResult, Pairs]]] = {}
        for cell in cells.values():
            pairs = self._pair(cell)
            if isinstance(pairs, Problem):
                self.problems.append(pairs)
            else:
                found.setdefault(cell.meta.task.suite, []).append((cell, pairs))
        return found

    def paired(self) -> None:
        """Give up what only pairing needs: a hundred megabytes for a million items."""
        self._sources.clear()
        self._read.clear()

    def _pair(self, cell: CellResult) -> Pairs | Problem:
        label = BASELINE if cell.meta.is_baseline else cell.meta.baseline
        shelf = self.baseline if label == BASELINE else self.engines.get(label, {})
        baseline = shelf.get(cell.meta.task.name)
        if baseline is None:
            return checks.report_missing_baseline(cell)
        mismatch = checks.find_different_scorer(cell, baseline.meta.task)
        if mismatch is not None:
            return mismatch
        try:
            theirs = read_columns(cell, sources=self._sources)
            if cell.meta.stop is not None:
                return pair_early(self._baseline(baseline), theirs, cell.meta)
            return pair(self._baseline(baseline), theirs)
        except UnpairedItemsError as error:
            return checks.report_unpaired(cell, error)

    def _baseline(self, cell: CellResult) -> Columns:
        key = cell.meta.variant, cell.meta.task.name
        if key not in self._read:
            self._read[key] = read_columns(cell, sources=self._sources)
        return self._read[key]

    def asked(
        self, planned: Sequence[tuple[str, str, str]]
    ) -> dict[tuple[str, str], tuple[str, ...]]:
        """Variant and suite to every language asked: planned, finished, or run by the baseline."""
        found: dict[tuple[str, str], dict[str, None]] = {}
        asked = list(planned)
        for variant, cells in self.variants.items():
            tasks = [*self.tasks, *(cell.meta.task for cell in cells.values())]
            asked += [(variant, task.suite, task.language) for task in tasks]
        for variant, suite, language in asked:
            if variant != BASELINE and variant not in self.engines:
                found.setdefault((variant, suite), {})[language] = None
        return {place: tuple(languages) for place, languages in found.items()}

    def gaps(self) -> list[Problem]:
        """Cells that the study should have and does not."""
        have = {(variant, task) for variant, cells in self.variants.items() for task in cells}
        return [
            *checks.find_missing_cells(self.variants, self.tasks, have),
            *checks.find_missing_aa(self.tasks, set(self.aa)),
        ]


def sort_cells(cells: Sequence[CellResult]) -> CellIndex:
    """Put every cell in its place; the first of two equal ones stays."""
    desk = CellIndex()
    for cell in cells:
        shelf = _shelf(desk, cell)
        if cell.meta.task.name in shelf:
            desk.problems.append(checks.report_duplicate(cell))
            continue
        shelf[cell.meta.task.name] = cell
        failed = checks.find_failed_items(cell)
        desk.problems += [] if failed is None else [failed]
    return desk


def _shelf(desk: CellIndex, cell: CellResult) -> Cells:
    if not cell.meta.is_baseline:
        return desk.variants.setdefault(cell.meta.variant, {})
    if cell.meta.variant != BASELINE:
        return desk.engines.setdefault(cell.meta.variant, {})
    return desk.aa if cell.meta.replicate else desk.baseline
