"""Resampling whole units (prompts, items, clusters), and intervals from the replicates.

Everything that belongs to a unit is drawn with it: both orders, all raters, all variants.
`rng` is an argument; nothing here owns randomness.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from babelbits.records import Interval
from babelbits.stats.pairs import FloatArray, IntArray, checked_columns

_CELLS_AT_ONCE = 1 << 21


def resampled_counts(
    n_units: int, *, rng: np.random.Generator, resamples: int
) -> Iterator[IntArray]:
    """How often each unit is drawn, a row a resample.

    Yields
    ------
    int, shape (rows, n_units)
        Blocks of rows, `resamples` in all; each row sums to n_units.
    """
    size = max(1, _CELLS_AT_ONCE // n_units)
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        drawn = rng.integers(0, n_units, size=(rows, n_units)) + np.arange(rows)[:, None] * n_units
        counts = np.bincount(drawn.ravel(), minlength=rows * n_units)
        yield np.asarray(counts.reshape(rows, n_units), np.intp)


def mean_replicates(
    values: ArrayLike, *, rng: np.random.Generator, resamples: int = 2000
) -> FloatArray:
    """Bootstrap means of every column, drawing rows.

    Parameters
    ----------
    values : shape (n_units, k)
        E.g. the score of k variants on each item; one column if it has shape (n_units,).

    Returns
    -------
    shape (resamples, k)
    """
    table = checked_columns(values)
    n = table.shape[0]
    return np.concatenate(
        [counts @ table / n for counts in resampled_counts(n, rng=rng, resamples=resamples)]
    )


def percentile_interval(replicates: ArrayLike, *, level: float = 0.95) -> Interval | None:
    """Percentiles of bootstrap replicates, interpolated linearly, as leaderboards print them.

    First-order accurate only: too short with few units (about 90 % for 20). Prefer bootstrap-t
    for means; this is for statistics without a standard error, and to repeat others' numbers.

    Parameters
    ----------
    replicates : shape (resamples,)
        NaN where the statistic is undefined in a resample: it counts as far away on both sides.

    Returns
    -------
    Interval or None
        None if undefined resamples fill a tail: then the data allow any value.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, section 13.3.

    Raises
    ------
    ValueError
        If there are no replicates.
    """
    values = np.ravel(np.asarray(replicates, float))
    if values.size == 0:
        raise ValueError("no replicates: draw some resamples")
    tail = (1 - level) / 2
    undefined = np.isnan(values)
    if undefined.any():
        low = np.quantile(np.where(undefined, -np.inf, values), tail, method="lower")
        high = np.quantile(np.where(undefined, np.inf, values), 1 - tail, method="higher")
    else:
        low, high = np.quantile(values, [tail, 1 - tail])
    if not np.isfinite([low, high]).all():
        return None
    return Interval(low=float(low), high=float(high), level=level, method="bootstrap percentile")
