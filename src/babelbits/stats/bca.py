"""Bootstrap intervals, bias-corrected and accelerated (BCa), of any statistic.

For statistics that have no standard error to studentise by, such as the score of a corpus. The mean
of many columns is quicker with `bounded.bootstrap_t_columns`.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from babelbits.records import Interval
from babelbits.stats.paired_scores import FloatArray, checked_columns
from babelbits.stats.resampling import bootstrap_counts


def jackknife_error(leave_one_out: ArrayLike) -> float:
    """Standard error of a statistic from its n values with one unit left out.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, equation 11.5.
    """
    values = np.asarray(leave_one_out, float)
    n = values.size
    return math.sqrt((n - 1) / n * float(np.sum((values - values.mean()) ** 2)))


def acceleration(leave_one_out: ArrayLike) -> float:
    """How fast the standard error changes with the statistic; 0 where nothing varies.

    References
    ----------
    Efron & Tibshirani (1993), equation 14.15.
    """
    values = np.asarray(leave_one_out, float)
    away = values.mean() - values
    spread = float(np.sum(away**2))
    return 0.0 if spread == 0 else float(np.sum(away**3)) / (6 * spread**1.5)


def bca_interval(
    replicates: ArrayLike, *, estimate: float, leave_one_out: ArrayLike, level: float = 0.95
) -> Interval | None:
    """BCa interval from resampled values of a statistic.

    Parameters
    ----------
    replicates : shape (n_resamples,)
    estimate : float
        The statistic of the data.
    leave_one_out : shape (n_units,)
        The statistic without each unit.

    Returns
    -------
    Interval or None
        None where the replicates do not vary or all lie on one side of the estimate.

    References
    ----------
    Efron (1987), JASA 82:171; `scipy.stats.bootstrap(method="BCa")` for ties.
    """
    values = np.asarray(replicates, float)
    below = float(np.mean(values < estimate) + np.mean(values <= estimate)) / 2
    if np.ptp(values) == 0 or not 0 < below < 1:
        return None
    bias, pull = float(special.ndtri(below)), acceleration(leave_one_out)
    z = float(special.ndtri((1 + level) / 2))
    shares = [_moved(bias + side * z, bias, pull) for side in (-1, 1)]
    low, high = np.quantile(values, shares)
    return Interval(low=float(low), high=float(high), level=level, method="BCa bootstrap")


def _moved(z: float, bias: float, pull: float) -> float:
    return float(special.ndtr(bias + z / (1 - pull * z)))


def bca_mean(
    values: ArrayLike, *, rng: np.random.Generator, level: float = 0.95, resamples: int = 10_000
) -> Interval | None:
    """BCa interval of the mean of independent units; None where they do not vary.

    Parameters
    ----------
    values : shape (n_units,)
        Paired differences, or one value a cluster (`cluster.ClusterScores.linearised`).
    """
    table = checked_columns(np.ravel(values))[:, 0]
    n, total = table.size, float(table.sum())
    blocks = [counts @ table / n for counts in bootstrap_counts(n, resamples=resamples, rng=rng)]
    return bca_interval(
        np.concatenate(blocks),
        estimate=total / n,
        leave_one_out=_means_without_one(table),
        level=level,
    )


def _means_without_one(values: FloatArray) -> FloatArray:
    """The mean of the others; of a single value, itself."""
    return np.asarray((values.sum() - values) / (values.size - 1)) if values.size > 1 else values
