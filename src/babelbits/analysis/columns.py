"""A cell's rows as columns, and the pairing of two cells item by item.

The join is loud: a cell that lacks items, or has others, is never compared on what happens to
overlap. Items that failed are still rows and are joined too; their scores are NaN inside this room.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from babelbits.analysis.cells import CellResult, describe_place
from babelbits.errors import UnpairedItemsError
from babelbits.records import CellMeta, ItemRow, StopPlan, TaskInfo
from babelbits.stats.paired_scores import BoolArray, FloatArray, IntArray
from babelbits.words import agreeing, plural

_CLUSTER = "\x00"
"""Before the names of clusters, so that none is taken for a source of the same name."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """One cell; all columns have one entry an item."""

    info: TaskInfo
    item_ids: tuple[str, ...]
    sources: IntArray
    """Equal numbers are translations of one question."""
    clusters: IntArray
    """Equal numbers share a passage, document or template; -1 for an item that shares none."""
    scores: Mapping[str, FloatArray]
    """By metric; NaN where an item failed or has no score."""
    truncated: BoolArray
    """The prompt was cut to fit the context."""
    refused: BoolArray
    """The prompt exceeded the context and the item failed for it."""
    cut: BoolArray
    """The generation reached its token limit before it ended."""
    statistics: Mapping[str, FloatArray] = field(default_factory=dict)
    """By corpus metric: a row of sufficient statistics an item; NaN where it has none."""


def read_columns(cell: CellResult, *, sources: dict[str, int]) -> Columns:
    """Read the rows once.

    Parameters
    ----------
    sources : dict
        Names of sources and clusters to numbers; new ones are added, so that cells which share it
        share numbers.

    Raises
    ------
    UnpairedItemsError
        If an item id occurs more than once.
    """
    read = _read(cell)
    repeated = len(read.item_ids) - len(set(read.item_ids))
    if repeated:
        raise UnpairedItemsError(
            f"{plural(repeated, 'item id')} {agreeing(repeated, 'occurs', 'occur')} more than once",
            where=describe_place(cell),
            hint="run the cell again; its record is damaged or two tasks were mixed",
        )
    numbers = [sources.setdefault(name, len(sources)) for name in read.sources]
    shared = [
        -1 if name is None else sources.setdefault(_CLUSTER + name, len(sources))
        for name in read.clusters
    ]
    info = cell.meta.task
    return Columns(
        info=info,
        item_ids=tuple(read.item_ids),
        sources=np.array(numbers, np.intp),
        clusters=np.array(shared, np.intp),
        scores={name: np.array(values, float) for name, values in read.scores.items()},
        truncated=np.array(read.truncated, bool),
        refused=np.array(read.refused, bool),
        cut=np.array(read.cut, bool),
        statistics={name: _statistics(values) for name, values in read.statistics.items()},
    )


@dataclass(slots=True)
class _Read:
    """What is needed of the rows, one entry a row."""

    scores: dict[str, list[float | None]]
    statistics: dict[str, list[tuple[float, ...]]]
    item_ids: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    clusters: list[str | None] = field(default_factory=list)
    truncated: list[bool] = field(default_factory=list)
    refused: list[bool] = field(default_factory=list)
    cut: list[bool] = field(default_factory=list)


def _read(cell: CellResult) -> _Read:
    """In one pass: a cell may make its rows as they are asked for."""
    metrics = cell.meta.task.metrics
    read = _Read(
        scores={metric.name: [] for metric in metrics},
        statistics={metric.name: [] for metric in metrics if metric.corpus},
    )
    for row in cell.rows:
        failed = row.failure is not None
        read.item_ids.append(row.item_id)
        read.sources.append(row.source_id)
        read.clusters.append(row.cluster_id)
        read.truncated.append(row.truncated_tokens > 0)
        read.refused.append(_refused(row))
        read.cut.append(row.finish_reason == "length")
        for name, scores in read.scores.items():
            scores.append(None if failed else row.scores.get(name))
        for name, sums in read.statistics.items():
            sums.append(() if failed else row.statistics.get(name, ()))
    return read


def _statistics(found: Sequence[tuple[float, ...]]) -> FloatArray:
    width = max(map(len, found), default=0)
    return np.array([one if one else (np.nan,) * max(1, width) for one in found], float)


def _refused(row: ItemRow) -> bool:
    return row.failure is not None and row.failure.kind == "prompt_too_long"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """Two cells about the same items, in the same order."""

    baseline: Columns
    variant: Columns
    stop: StopPlan | None = None
    """Fixed before the variant's cell began, if it could stop early."""
    n_planned: int | None = None
    """Items that such a cell had."""
    whole_baseline: Columns | None = None
    """All of the baseline's items, where the variant's cell was not asked all of them."""


def pair_early(baseline: Columns, variant: Columns, meta: CellMeta) -> Pairs:
    """Pair a cell that could stop early with the baseline's answers to the items it was asked.

    Raises
    ------
    UnpairedItemsError
        If it was asked items that the baseline was not.
    """
    index = {item_id: number for number, item_id in enumerate(baseline.item_ids)}
    order = np.array([index[one] for one in variant.item_ids if one in index], np.intp)
    pairs = pair(_reordered(baseline, order), variant)
    return replace(pairs, stop=meta.stop, n_planned=meta.n_items, whole_baseline=baseline)


def pair(baseline: Columns, variant: Columns) -> Pairs:
    """Put the variant's items in the baseline's order.

    Raises
    ------
    UnpairedItemsError
        If the two cells are not about the same items.
    """
    if baseline.item_ids == variant.item_ids:
        return Pairs(baseline=baseline, variant=variant)
    index = {item_id: number for number, item_id in enumerate(variant.item_ids)}
    missing = [one for one in baseline.item_ids if one not in index]
    extra = list(index.keys() - set(baseline.item_ids))
    if missing or extra:
        examples = ", ".join([*missing, *sorted(extra)][:3])
        raise UnpairedItemsError(
            f"{len(missing)} of the baseline's "
            f"{plural(len(baseline.item_ids), 'item')} missing, and "
            f"{plural(len(extra), 'other')} found (for example {examples})",
            where=variant.info.name,
            hint="run baseline and variant on the same task, prompts and limits",
        )
    order = np.array([index[one] for one in baseline.item_ids], np.intp)
    return Pairs(baseline=baseline, variant=_reordered(variant, order))


def _reordered(cell: Columns, order: IntArray) -> Columns:
    return replace(
        cell,
        item_ids=tuple(cell.item_ids[number] for number in order),
        sources=cell.sources[order],
        clusters=cell.clusters[order],
        scores={name: values[order] for name, values in cell.scores.items()},
        truncated=cell.truncated[order],
        refused=cell.refused[order],
        cut=cell.cut[order],
        statistics={name: rows[order] for name, rows in cell.statistics.items()},
    )
