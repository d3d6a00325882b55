"""Stop a cell when its verdict is known: a betting confidence sequence and the rule on top of it.

Feed paired differences batch by batch, in a random order fixed beforehand, and get a `LatestLook`:
the items so far, an interval that holds at all looks at once, and the verdict if it is known. A
study that stops reports this interval, never the fixed-n one.

How it works. For a mean d of values in [-1, 1], somebody who bets a share s of their money on "the
mean is larger" multiplies it by ``1 - s + s (1 + x) / (1 + d)`` at every item: a fair game if the
mean is d. Money that has grown 2 / alpha times (Ville's inequality) refutes every mean up to d.
Here the money is spread evenly over many s beforehand, so that no number has to be guessed. It
falls as d grows, so what is not refuted is an interval; the other end is the same game with -x.
Only the mean given the past matters: no normality, no variance, no minimal churn.

The estimand is the mean over items like these; a benchmark that has been used up is a sample, too.
Sign: ``delta = variant - baseline``, so harm is negative. Fractions, not points.

References
----------
Waudby-Smith & Ramdas (2024), JRSS B 86:1, sections 3 and 4 (capital processes); Cover (1991),
Mathematical Finance 1:1 (the even spread); Orabona & Jun (2024), IEEE Trans. Inf. Theory 70:436.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from babelbits.records import Interval, Verdict
from babelbits.stats.equivalence import inside_margin
from babelbits.stats.paired_scores import FloatArray, checked_columns

_BETS = 64
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(_BETS)
_SHARES = (_NODES + 1) / 2
_LOG_WEIGHTS = np.log(_NODE_WEIGHTS / _NODE_WEIGHTS.sum())
_BISECTIONS = 34


def log_wealth(null: ArrayLike, values: ArrayLike, counts: ArrayLike) -> FloatArray:
    """Log of what 1 has become, betting that the mean is larger than `null`.

    Parameters
    ----------
    null : shape (...)
        Candidate means, in (-1, 1).
    values : shape (v,)
        Distinct values in [-1, 1].
    counts : shape (..., v)
        How often each was seen; the order does not matter.

    Returns
    -------
    shape (...)
        If the mean is at most `null`, it ever reaches ln k with probability at most 1 / k.
    """
    d, x = np.asarray(null, float), np.asarray(values, float)
    odds = (1 + x) / (1 + d[..., None]) - 1
    growth = np.log1p(_SHARES[:, None] * odds[..., None, :])
    paths = np.einsum("...v,...kv->...k", np.asarray(counts, float), growth)
    return np.asarray(special.logsumexp(paths + _LOG_WEIGHTS, axis=-1))


def mean_sequence(
    values: ArrayLike, counts: ArrayLike, *, alpha: float
) -> tuple[FloatArray, FloatArray]:
    """Both ends of the confidence sequence of a mean, for many cells at once.

    Parameters
    ----------
    values : shape (v,)
        Distinct values in [-1, 1].
    counts : shape (..., v)
        How often each was seen so far, a row a cell.
    alpha : float
        Probability, per cell, that the sequence ever misses the mean (at most).

    Returns
    -------
    low, high : shape (...)
        In [-1, 1]; (-1, 1) before the first item.

    Raises
    ------
    ValueError
        If a value is beyond ±1: the game would not be fair.
    """
    x = np.asarray(values, float)
    if not (np.abs(x) <= 1).all():
        raise ValueError("values lie in [-1, 1]; divide them by the width of the metric's range")
    return _lower_end(x, counts, alpha=alpha), -_lower_end(-x, counts, alpha=alpha)


def _lower_end(values: FloatArray, counts: ArrayLike, *, alpha: float) -> FloatArray:
    """Largest mean refuted from below, by bisection; rounding errs on the wide side."""
    table = np.asarray(counts, float)
    threshold = math.log(2 / alpha)
    low, high = np.full(table.shape[:-1], -1.0), np.full(table.shape[:-1], 1.0)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        refuted = log_wealth(middle, values, table) >= threshold
        low, high = np.where(refuted, middle, low), np.where(refuted, high, middle)
    return np.asarray(low)


# --- the stopping rule -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRule:
    """When the verdict of a cell is known.

    Raises
    ------
    ValueError
        Unless 0 < alpha < 1, and margin and limit are positive.
    """

    alpha: float
    """Probability of any false verdict of this cell, however often one looks. Cells of a family
    share its error rate: pass their part of it, e.g. 0.05 / 20."""
    margin: float | None
    """Equivalent means: the whole sequence inside ±margin. None: it cannot be shown."""
    limit: float = 1.0
    """Largest possible size of a difference: the width of the metric's range."""

    def __post_init__(self) -> None:
        positive = self.limit > 0 and (self.margin is None or self.margin > 0)
        if not 0 < self.alpha < 1 or not positive:
            raise ValueError(
                f"needs 0 < alpha < 1 and a positive margin and limit; got alpha={self.alpha}, "
                f"margin={self.margin}, limit={self.limit}"
            )

    def start(self) -> "LatestLook":
        """Before the first item: nothing is known."""
        return LatestLook(rule=self, interval=self._interval(-self.limit, self.limit))

    def _interval(self, low: float, high: float) -> Interval:
        return Interval(
            low=low, high=high, level=1 - self.alpha, method="betting confidence sequence"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestLook:
    """What is known about a cell after the items so far."""

    rule: StopRule
    interval: Interval
    """Covers the mean difference at this look and all others, with probability 1 - alpha. It is
    the intersection of those of all looks, so it never widens and a known verdict stays known."""
    tally: dict[float, int] = field(default_factory=dict)
    """How often each difference was seen."""

    @property
    def n_items(self) -> int:
        """Items so far."""
        return sum(self.tally.values())

    @property
    def estimate(self) -> float | None:
        """Mean difference so far; None before the first item."""
        if not self.tally:
            return None
        return math.fsum(value * count for value, count in self.tally.items()) / self.n_items

    @property
    def verdict(self) -> Verdict:
        """Equivalent if inside the margin; else worse (better) if wholly below (above) 0.

        A true loss of more than half the margin tends to be shown as a loss before it can be shown
        to be inside the margin; then the verdict is *worse*, as it is true.
        """
        if self.rule.margin is not None and inside_margin(self.interval, self.rule.margin):
            return "equivalent"
        if self.interval.high < 0:
            return "worse"
        return "better" if self.interval.low > 0 else "undecided"

    @property
    def known(self) -> bool:
        """Whether the cell may stop."""
        return self.verdict != "undecided"

    def after(self, differences: ArrayLike) -> "LatestLook":
        """The next look, after one more batch of differences in the order fixed beforehand.

        Parameters
        ----------
        differences : shape (n,)
            ``variant - baseline`` of items not fed before. An empty batch changes nothing.

        Raises
        ------
        UnpairedItemsError
            If a difference is missing (NaN).
        ValueError
            If a difference is larger than the rule's limit: the sequence would not be valid.
        """
        batch = np.ravel(np.asarray(differences, float))
        if batch.size == 0:
            return self
        seen, counts = np.unique(checked_columns(batch)[:, 0], return_counts=True)
        if np.abs(seen).max() > self.rule.limit * (1 + 1e-12):
            raise ValueError(
                f"a difference of {np.abs(seen).max():g} is beyond the limit {self.rule.limit:g}; "
                "set the limit to the width of the metric's range"
            )
        tally = dict(self.tally)
        for value, count in zip(seen.tolist(), counts.tolist(), strict=True):
            tally[value] = tally.get(value, 0) + count
        return replace(self, tally=tally, interval=self._narrowed(tally))

    def _narrowed(self, tally: dict[float, int]) -> Interval:
        """Intersection with the sequence now.

        An empty one means that some look missed the mean (probability at most alpha, or an order
        that is not random); there is no right answer then, and the earlier interval stands.
        """
        limit = self.rule.limit
        values = np.clip(np.array(list(tally)) / limit, -1, 1)
        ends = mean_sequence(values, list(tally.values()), alpha=self.rule.alpha)
        low = max(self.interval.low, float(ends[0]) * limit)
        high = min(self.interval.high, float(ends[1]) * limit)
        return replace(self.interval, low=low, high=high) if low <= high else self.interval
