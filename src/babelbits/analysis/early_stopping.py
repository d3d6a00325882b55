"""Cells that may stop before their last item: what a look at them shows, during a run and after it.

The same looks decide when a cell stops and what its report says: one after every `LOOK_EVERY`
source items, in the order fixed beforehand, however the items were batched. The interval is a
confidence sequence; p-values hold however often one looked. A fixed-n interval of such a cell would
be wrong and is never made.

Sign: oriented differences, harm is negative.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from babelbits.records import CellMeta, ItemRow, Metric
from babelbits.stats.paired_scores import FloatArray
from babelbits.stats.stopping import LatestLook, StopRule, log_wealth

LOOK_EVERY = 8
"""Source items between two looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellLook:
    """A look with its p-value."""

    look: LatestLook
    p_value: float
    """Two-sided, against no difference; holds at every look."""


def look_at_units(units: FloatArray, rule: StopRule) -> Iterator[CellLook]:
    """Look after every few units, and at the last.

    Parameters
    ----------
    units : shape (n_units,)
        Oriented differences of independent units, in their fixed random order, each at most
        `rule.limit` in size.
    """
    glance = CellLook(look=rule.start(), p_value=1.0)
    for start in range(0, len(units), LOOK_EVERY):
        glance = look_again(glance, units[start : start + LOOK_EVERY])
        yield glance


def look_again(glance: CellLook, units: FloatArray) -> CellLook:
    """The next look, after some more units."""
    look = glance.look.after(units)
    return CellLook(look=look, p_value=min(glance.p_value, _p_value(look)))


def _p_value(look: LatestLook) -> float:
    """Against "the mean is 0": two times one over what betting on either side has earned.

    The level at which the sequence would just exclude 0 now; by Ville's inequality the smallest
    over all looks is a p-value.
    """
    values = np.array(list(look.tally)) / look.rule.limit
    counts = np.array(list(look.tally.values()), float)
    earned = max(float(log_wealth(0.0, x, counts)) for x in (values, -values))
    return min(1.0, 2 * math.exp(-max(earned, 0.0)))


class Watch:
    """Looks at a cell while its items are recorded, and knows when its verdict is.

    Parameters
    ----------
    meta : CellMeta or None
        Of the cell; None, or one without a stop plan, is never known.
    baseline : sequence of ItemRow
        The finished baseline cell, all items.
    """

    def __init__(self, meta: CellMeta | None, baseline: Sequence[ItemRow]) -> None:
        self._plan = None if meta is None else meta.stop
        self._metric = None if meta is None else meta.task.metric(meta.task.primary)
        self._baseline = {row.item_id: row for row in baseline}
        self._rows: list[ItemRow] = []
        self._units: list[float] = []
        self._lost = False
        self._glance: CellLook | None = None
        if self._plan is not None:
            rule = StopRule(alpha=self._plan.alpha, margin=self._plan.margin)
            self._glance = CellLook(look=rule.start(), p_value=1.0)

    @property
    def active(self) -> bool:
        """Whether the cell may stop."""
        return self._plan is not None

    @property
    def known(self) -> bool:
        """Whether more items cannot change the verdict.

        Equivalence is not known while items failed under the variant alone: it would be withheld.
        """
        if self._glance is None:
            return False
        look = self._glance.look
        return look.known and not (look.verdict == "equivalent" and self._lost)

    def see(self, rows: Sequence[ItemRow]) -> None:
        """Take in the next items; source items that may have more of them wait."""
        if self._glance is None or self._metric is None:
            return
        self._rows += rows
        *whole, last = [list(group) for _, group in groupby(self._rows, _source)] or [[]]
        self._rows = last
        for group in whole:
            self._add(group, self._metric)
        while len(self._units) >= LOOK_EVERY:
            self._glance = look_again(self._glance, np.array(self._units[:LOOK_EVERY]))
            self._units = self._units[LOOK_EVERY:]

    def _add(self, rows: Sequence[ItemRow], metric: Metric) -> None:
        """The mean difference of one source item, if any of its items has a score in both arms."""
        found = []
        for row in rows:
            before, now = self._baseline[row.item_id].scores, row.scores
            first, second = before.get(metric.name), now.get(metric.name)
            if first is not None and second is not None:
                sign = 1.0 if metric.higher_is_better else -1.0
                found.append(sign * (second - first))
            elif first is not None:
                self._lost = True
        if found:
            self._units.append(math.fsum(found) / len(found))


def _source(row: ItemRow) -> str:
    return row.unit


def order_units(
    differences: Sequence[FloatArray], sources: Sequence[np.ndarray], *, parallel: bool
) -> tuple[FloatArray, tuple[np.ndarray, ...]]:
    """One value a unit over all languages, from the items that all languages have.

    Parameters
    ----------
    differences, sources : sequences of shape (n_items,)
        One entry a language: oriented differences and the numbers of their source items, in the
        order in which they were run.
    parallel : bool
        Languages share source items and their order: a unit is a source item in all languages.
        Otherwise it is the k-th source item of each.

    Returns
    -------
    units : shape (n_units,)
        Mean over languages of the mean difference of a source item.
    kept : tuple of bool arrays
        Which items the units are made of, one entry a language.
    """
    means = [_unit_means(d, s) for d, s in zip(differences, sources, strict=True)]
    if parallel:
        shared = set.intersection(*(set(one) for one in means))
        chosen = [[source for source in means[0] if source in shared]] * len(means)
    else:
        shortest = min(len(one) for one in means)
        chosen = [list(one)[:shortest] for one in means]
    columns = [[one[source] for source in row] for one, row in zip(means, chosen, strict=True)]
    kept = tuple(np.isin(s, row) for s, row in zip(sources, chosen, strict=True))
    return np.mean(np.array(columns, float), axis=0), kept


def _unit_means(differences: FloatArray, sources: np.ndarray) -> Mapping[int, float]:
    """Mean difference by source item, in order of first appearance."""
    found: dict[int, list[float]] = {}
    for source, value in zip(sources.tolist(), differences.tolist(), strict=True):
        found.setdefault(source, []).append(value)
    return {source: math.fsum(values) / len(values) for source, values in found.items()}


def look_last(units: FloatArray, *, alpha: float, margin: float | None) -> CellLook:
    """What is known after all units that were run."""
    rule = StopRule(alpha=alpha, margin=margin)
    last = CellLook(look=rule.start(), p_value=1.0)
    for glance in look_at_units(units, rule):
        last = glance
    return replace(last, p_value=max(last.p_value, float(np.finfo(float).tiny)))
