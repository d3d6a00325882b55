"""Right or wrong, before and after: tests and intervals for paired binary outcomes.

The tests use only the items that changed; the intervals use all of them, and none has zero width
because nothing changed.
Sign: ``delta = (fixed - broke) / n_items``, so harm is negative. Scale: fractions.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from babelbits.errors import UnpairedItemsError
from babelbits.records import Interval
from babelbits.stats.paired_scores import checked_columns, paired_differences

_SMALLEST = float(np.finfo(float).tiny)
_NUDGE = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTable:
    """The 2 x 2 table of items right or wrong under baseline and variant."""

    both_right: int
    broke: int
    """Right at baseline, wrong under the variant."""
    fixed: int
    """Wrong at baseline, right under the variant."""
    both_wrong: int

    def __post_init__(self) -> None:
        counts = (self.both_right, self.broke, self.fixed, self.both_wrong)
        if min(counts) < 0 or sum(counts) == 0:
            raise UnpairedItemsError(
                f"a paired table needs items and no negative count; got {counts}",
                hint="join both runs on item_id before comparing",
            )

    @property
    def n_items(self) -> int:
        """All items."""
        return self.both_right + self.broke + self.fixed + self.both_wrong

    @property
    def delta(self) -> float:
        """Difference of the two shares of right items."""
        return (self.fixed - self.broke) / self.n_items


def paired_table(baseline: ArrayLike, variant: ArrayLike) -> PairedTable:
    """Count right and wrong items.

    Parameters
    ----------
    baseline, variant : shape (n_items,)
        0 or 1 (or bool) per item, in the same item order.

    Raises
    ------
    UnpairedItemsError
        If the shapes differ, there are no items, or a score is missing.
    ValueError
        If a score is neither 0 nor 1.
    """
    paired_differences(baseline, variant)
    before, after = np.asarray(baseline, float), np.asarray(variant, float)
    if not np.isin(before, (0, 1)).all() or not np.isin(after, (0, 1)).all():
        raise ValueError("binary scores are 0 or 1; use `bounded` for anything else")
    return PairedTable(
        both_right=int(np.sum((before == 1) & (after == 1))),
        broke=int(np.sum((before == 1) & (after == 0))),
        fixed=int(np.sum((before == 0) & (after == 1))),
        both_wrong=int(np.sum((before == 0) & (after == 0))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemarResult:
    """Outcome of a paired test on right/wrong items."""

    n_items: int
    broke: int
    fixed: int
    delta: float
    """(fixed - broke) / n_items, a fraction."""
    p_value: float
    """Two-sided, in (0, 1]; 1.0 when no item changed."""


def mcnemar_midp(table: PairedTable) -> McNemarResult:
    """Mid-p McNemar test: the exact test less half the probability of what was observed.

    Closer to its nominal level than the exact test, which is conservative.

    References
    ----------
    Fagerland, Lydersen, Laake (2013), BMC Med Res Methodol 13:91, section "mid-p".
    """
    changed = table.broke + table.fixed
    fewer = min(table.broke, table.fixed)
    observed = math.exp(_log_choose(changed, fewer) - changed * math.log(2))
    return _result(table, 2 * float(special.bdtr(fewer, changed, 0.5)) - observed)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _result(table: PairedTable, p: float) -> McNemarResult:
    return McNemarResult(
        n_items=table.n_items,
        broke=table.broke,
        fixed=table.fixed,
        delta=table.delta,
        p_value=1.0 if table.broke == table.fixed else min(1.0, max(p, _SMALLEST)),
    )


# --- intervals -------------------------------------------------------------------------------


def wilson(successes: float, n_items: int, *, level: float = 0.95) -> Interval:
    """Wilson score interval of a share.

    Parameters
    ----------
    successes : float
        In [0, n_items]. A sum of scores in [0, 1] is allowed; the interval is then conservative,
        because such scores vary less than right/wrong ones of the same mean.

    References
    ----------
    Newcombe (1998a), Statistics in Medicine 17:857, method 3.
    """
    z2 = z_value(level) ** 2
    share = successes / n_items
    middle = (share + z2 / (2 * n_items)) / (1 + z2 / n_items)
    variance = share * (1 - share) / n_items + z2 / (4 * n_items**2)
    half = math.sqrt(z2 * variance) / (1 + z2 / n_items)
    return Interval(
        low=0.0 if successes == 0 else max(0.0, middle - half),
        high=1.0 if successes == n_items else min(1.0, middle + half),
        level=level,
        method="Wilson score",
    )


def z_value(level: float) -> float:
    """Normal quantile of a two-sided interval: 1.96 for 0.95."""
    return float(special.ndtri((1 + level) / 2))


def tango(table: PairedTable, *, level: float = 0.95) -> Interval:
    """Tango's score interval of the difference of two paired shares.

    The differences that the score test does not reject. With no changed item it is
    ±z²/(n + z²), never zero.

    References
    ----------
    Tango (1998), Statistics in Medicine 17:891; Fagerland, Lydersen, Laake (2014), Statistics in
    Medicine 33:2850.
    """
    z, n, net = z_value(level), table.n_items, table.fixed - table.broke

    def edge(side: int) -> Callable[[float], float]:
        return lambda delta: net - n * delta + side * z * math.sqrt(n * _variance(table, delta))

    low = -1.0 if net == -n else _root(edge(-1), -1.0, table.delta - _NUDGE)
    high = 1.0 if net == n else _root(edge(+1), table.delta + _NUDGE, 1.0)
    return Interval(low=low, high=high, level=level, method="Tango score")


def score_statistic(table: PairedTable, *, delta: float = 0.0) -> float:
    """Tango's score statistic of "the true difference is `delta`": standard normal if it is.

    Positive where the observed difference is larger. `tango` holds the differences at which it
    stays within ±z. At 0 it is the signed root of McNemar's chi-squared without continuity
    correction, (fixed - broke)/sqrt(fixed + broke).

    References
    ----------
    Tango (1998), Statistics in Medicine 17:891.
    """
    away = table.fixed - table.broke - table.n_items * delta
    spread = math.sqrt(table.n_items * _variance(table, delta))
    if spread == 0:
        return 0.0 if away == 0 else math.copysign(math.inf, away)
    return away / spread


def _variance(table: PairedTable, delta: float) -> float:
    """Variance of n_items differences of one item, given that the true difference is `delta`.

    The share that broke is estimated by maximum likelihood under that constraint.
    """
    n, broke, changed = table.n_items, table.broke, table.broke + table.fixed
    linear = changed - delta * (2 * n + table.broke - table.fixed)
    root = math.sqrt(max(0.0, linear**2 + 8 * n * broke * delta * (1 - delta)))
    share_broke = (linear + root) / (4 * n)
    return max(0.0, 2 * share_broke + delta - delta**2)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    return float(optimize.brentq(function, low, high, xtol=1e-12, rtol=1e-12))


# --- how many items changed -----------------------------------------------------------------------
# Two variants with the same net loss may have changed 3 % or 21 % of all answers ("flips", Dutta et
# al. 2024, arXiv 2407.09141). Compare with the churn of the A/A run: that is noise.
# Sign: `broke` got worse, `fixed` got better, on oriented differences.


@dataclass(frozen=True, slots=True, kw_only=True)
class Churn:
    """Items whose score changed."""

    n_items: int
    broke: int
    fixed: int
    share: float
    """(broke + fixed) / n_items."""
    interval: Interval
    """Wilson interval of the share."""


def churn(differences: ArrayLike, *, level: float = 0.95, tolerance: float = 1e-12) -> Churn:
    """Count the differences that are not zero.

    Parameters
    ----------
    differences : shape (n_items,)
        Oriented ``variant - baseline``.
    tolerance : float
        Differences up to this size are rounding.
    """
    values = checked_columns(np.ravel(differences))[:, 0]
    broke, fixed = int(np.sum(values < -tolerance)), int(np.sum(values > tolerance))
    return Churn(
        n_items=values.size,
        broke=broke,
        fixed=fixed,
        share=(broke + fixed) / values.size,
        interval=wilson(broke + fixed, values.size, level=level),
    )
