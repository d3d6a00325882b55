"""Baseline and variant side by side, item by item: what broke, what was fixed, what changed.

Pure: cells in, pairs out. Scores stay in the metric's own unit; `gain` is oriented, harm negative.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from babelbits.analysis import CellResult
from babelbits.records import ItemRow, Metric, digest
from babelbits.results.results import Results

Status = Literal["broke", "fixed", "changed", "same", "failed"]

ORDER: tuple[Status, ...] = ("broke", "fixed", "failed", "changed", "same")


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPair:
    """One item under the baseline and under a variant."""

    before: ItemRow
    after: ItemRow
    metric: Metric

    @property
    def scores(self) -> tuple[float | None, float | None]:
        """Primary score of baseline and variant; None where an arm has none."""
        return self._score(self.before), self._score(self.after)

    def _score(self, row: ItemRow) -> float | None:
        return None if row.failure is not None else row.scores.get(self.metric.name)

    @property
    def gain(self) -> float | None:
        """Oriented difference of the primary scores: negative is harm."""
        before, after = self.scores
        if before is None or after is None:
            return None
        return (after - before) if self.metric.higher_is_better else (before - after)

    @property
    def status(self) -> Status:
        """What became of the item; 'broke' and 'fixed' exist for right-or-wrong metrics only."""
        gain = self.gain
        if gain is None:
            return "failed"
        if self.metric.kind == "binary" and gain != 0:
            return "broke" if gain < 0 else "fixed"
        unchanged = gain == 0 and self.before.output == self.after.output
        return "same" if unchanged else "changed"

    @property
    def flipped(self) -> bool:
        """Whether the item's score changed: right or wrong, or by any amount otherwise."""
        gain = self.gain
        return gain is not None and gain != 0


def describe_samples(row: ItemRow, metric: Metric) -> str | None:
    """How the samples of an item scored, of which `output` is the first; None: not sampled."""
    scores = [answer.scores.get(metric.name) for answer in row.answers if answer.scores]
    if not scores:
        return None
    told = ", ".join("none" if score is None else f"{score:.4g}" for score in scores)
    return f"sample 1 of {len(scores)} is shown; they score {told}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A variant's cell joined with the baseline's cell of the same task."""

    variant: str
    suite: str
    language: str
    cell: CellResult
    pairs: tuple[ItemPair, ...]
    """Most telling first: broke (largest harm first), fixed, failed, changed, same."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Variant, suite and language."""
        return self.variant, self.suite, self.language

    def count(self, status: Status) -> int:
        """How many pairs have this status."""
        return sum(pair.status == status for pair in self.pairs)


def _rank(pair: ItemPair) -> tuple[int, float, str]:
    gain = pair.gain
    return ORDER.index(pair.status), 0.0 if gain is None else gain, digest(pair.before.item_id)


def join(baseline: CellResult, variant: CellResult) -> tuple[ItemPair, ...] | None:
    """Pairs of two cells' items, most telling first; None if the cells are about other items."""
    before = {row.item_id: row for row in baseline.rows}
    after = {row.item_id: row for row in variant.rows}
    if before.keys() != after.keys():
        return None
    metric = variant.meta.task.metric(variant.meta.task.primary)
    pairs = [ItemPair(before=row, after=after[key], metric=metric) for key, row in before.items()]
    return tuple(sorted(pairs, key=_rank))


def compare_items(cells: Sequence[CellResult]) -> tuple[Comparison, ...]:
    """Every variant cell that can be compared with its baseline's, in the order of `cells`.

    Cells that cannot are among the analysis' problems.
    """
    baselines = {
        (cell.meta.variant, cell.meta.task.name): cell
        for cell in cells
        if cell.meta.is_baseline and cell.meta.replicate == 0
    }
    cell_pairs = []
    for cell in cells:
        task = cell.meta.task
        baseline = baselines.get((cell.meta.baseline, task.name))
        if cell.meta.is_baseline or baseline is None:
            continue
        pairs = join(baseline, cell)
        if pairs is not None:
            cell_pairs.append(
                Comparison(
                    variant=cell.meta.variant,
                    suite=task.suite,
                    language=task.language,
                    cell=cell,
                    pairs=pairs,
                )
            )
    return tuple(cell_pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """The names that span the study, in the order the report uses everywhere."""

    variants: tuple[str, ...]
    """Without baselines; most bits per weight first."""
    suites: tuple[str, ...]
    languages: tuple[str, ...]
    """By English name."""


def list_axes(report: Results) -> Axes:
    """Which variants, suites and languages a report is about."""
    tasks = [cell.meta.task for cell in report.cells]
    labels = {cell.meta.variant for cell in report.cells} | set(report.manifests)
    manifests = report.manifests

    def size(label: str) -> tuple[float, str]:
        return -manifests[label].bits_per_weight if label in manifests else 0.0, label

    return Axes(
        variants=tuple(sorted(labels - report.reference_labels, key=size)),
        suites=tuple(sorted({task.suite for task in tasks})),
        languages=tuple(
            sorted(
                {task.language for task in tasks},
                key=lambda code: (report.languages[code].name, code),
            )
        ),
    )
