"""Relative change (%Δ) with an interval: the ratio of two paired means, less one.

Over languages there are two: the ratio of means, where languages with high scores weigh more, and
the mean of ratios, where each language counts the same. Both are named for what they are.

The ratio of means has no p-value of its own: "the ratio is 1" and "the difference is 0" are one
hypothesis, so the p-value of the difference is its p-value, and its interval is built from the
interval of the difference so that both exclude zero together. The mean of ratios is another
hypothesis and has a test of its own.

Scale: fractions (-0.05 is -5 %), oriented: harm is negative. Withheld where the baseline is near
its floor: nothing can be relative to nothing.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from babelbits.records import Interval
from babelbits.stats.cluster import ClusterScores, cluster_scores
from babelbits.stats.paired_scores import checked_columns
from babelbits.stats.student import MeanTest, t_of_changed


def ratio_of_means_interval(
    delta: float,
    delta_interval: Interval,
    *,
    baseline: float,
    baseline_interval: Interval,
    correlation: float = 0.0,
) -> Interval | None:
    """Interval of ``delta / baseline`` from the intervals of both (MOVER-R).

    Fieller's interval, with each variance recovered from the distance between an estimate and the
    end of its interval that matters. With two symmetric normal intervals it is Fieller's. It takes
    whatever interval fits the difference (Tango, bootstrap-t), and never has zero width.

    Parameters
    ----------
    delta : float
        Oriented difference of the means.
    delta_interval, baseline_interval : Interval
        Of the same level.
    correlation : float
        Of the two estimates, in [-1, 1]; see `delta_baseline_correlation`.

    Returns
    -------
    Interval or None
        None where the baseline's interval reaches 0: the ratio is then unbounded.

    References
    ----------
    Donner & Zou (2012), Statistical Methods in Medical Research 21:347, section on ratios;
    Fieller (1954), JRSS B 16:175.
    """
    if baseline <= 0 or baseline_interval.low <= 0:
        return None
    below, above = delta - delta_interval.low, delta_interval.high - delta
    down, up = baseline - baseline_interval.low, baseline_interval.high - baseline
    # An end has the sign of the difference's end, which says which arm of the baseline matters.
    low = _root(delta, baseline, below, up if delta_interval.low > 0 else down, correlation, -1)
    high = _root(delta, baseline, above, down if delta_interval.high > 0 else up, correlation, 1)
    method = f"MOVER-R of {delta_interval.method}"
    return Interval(low=low, high=high, level=delta_interval.level, method=method)


def _root(
    delta: float, baseline: float, arm: float, base_arm: float, correlation: float, side: int
) -> float:
    """The ratio r, below (side -1) or above the estimate, at the edge of what is not rejected.

    There (delta - r baseline)^2 = arm^2 + r^2 base_arm^2 - 2 r correlation arm base_arm.
    """
    square = baseline**2 - base_arm**2
    middle = delta * baseline - correlation * arm * base_arm
    constant = delta**2 - arm**2
    root = math.sqrt(max(0.0, middle**2 - square * constant))
    # Of the two forms of a quadratic's solution, the one that subtracts nothing from its like; it
    # also holds where the baseline's arm exceeds the baseline and `square` is 0 or negative.
    if side * middle > 0:
        return (middle + side * root) / square
    return constant / (middle - side * root) if constant else 0.0


def delta_baseline_correlation(differences: ArrayLike, baseline: ArrayLike) -> float:
    """Correlation of a mean difference and the baseline's mean; 0 where either does not vary.

    Parameters
    ----------
    differences, baseline : shape (n_units,)
        One value an independent unit (`ClusterScores.linearised`), in the same order.
    """
    first, second = checked_columns(differences)[:, 0], checked_columns(baseline)[:, 0]
    away = first - first.mean(), second - second.mean()
    scale = math.sqrt(float(np.sum(away[0] ** 2) * np.sum(away[1] ** 2)))
    return 0.0 if scale < 1e-20 else float(np.sum(away[0] * away[1])) / scale


def mean_of_ratios_scores(
    differences: ArrayLike, baseline: ArrayLike, *, clusters: ArrayLike, strata: ArrayLike
) -> ClusterScores | None:
    """The mean over languages of ``mean difference / mean baseline``, one value a cluster.

    Linearised: an item moves its language's ratio by (difference - ratio * baseline) / (mean
    baseline of the language).

    Parameters
    ----------
    differences, baseline : shape (n_items,)
        Oriented differences and baseline scores.
    clusters, strata : int, shape (n_items,)
        Source item and language of each item.

    Returns
    -------
    ClusterScores or None
        None where some language's mean baseline is not positive. `contributions` say which units
        changed; `linearised` carry the spread.

    References
    ----------
    Marchisio et al. (2024), arXiv 2407.03211, for the estimand; Cochran (1977), Sampling
    Techniques, section 6.4, for the linearisation.
    """
    change, base = checked_columns(differences)[:, 0], checked_columns(baseline)[:, 0]
    layers = np.unique(np.ravel(strata), return_inverse=True)[1]
    sizes = np.bincount(layers)
    levels = (np.bincount(layers, weights=base) / sizes)[layers]
    if levels.min() <= 0:
        return None
    ratios = (np.bincount(layers, weights=change) / sizes)[layers] / levels
    plain = cluster_scores(change / levels, clusters=clusters, strata=layers)
    pulled = cluster_scores((change - ratios * base) / levels, clusters=clusters, strata=layers)
    return ClusterScores(
        estimate=plain.estimate,
        contributions=plain.contributions,
        linearised=plain.estimate + pulled.linearised,
        limit=plain.limit,
        item_limit=plain.item_limit,
    )


def mean_of_ratios(scores: ClusterScores, *, level: float = 0.95) -> MeanTest | None:
    """Test of "the mean relative change is 0" and its interval.

    Student's t over clusters with (changed - 1) degrees of freedom; None where fewer than two
    clusters changed.
    """
    changed = int(np.count_nonzero(scores.contributions))
    return t_of_changed(scores.linearised, n_changed=changed, level=level)
