"""Random signs, random draws of whole units, and intervals from the replicates.

Everything that belongs to a unit (a prompt, an item, a cluster) is drawn with it: both orders, all
raters, all variants. `rng` is an argument; nothing here owns randomness.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from babelbits.records import Interval
from babelbits.stats.paired_scores import FloatArray

_CELLS_AT_ONCE = 1 << 21
_LONG = 10_000


def random_signs(n: int, *, resamples: int, rng: np.random.Generator) -> Iterator[FloatArray]:
    """Random ±1 in blocks of shape (rows, n), `resamples` rows in all."""
    for rows in _blocks(n, resamples):
        raw = rng.integers(0, 256, size=(rows, (n + 7) // 8), dtype=np.uint8)
        signs = np.unpackbits(raw, axis=1, count=n).astype(np.float64)
        signs *= 2
        signs -= 1
        yield signs


def bootstrap_counts(n: int, *, resamples: int, rng: np.random.Generator) -> Iterator[FloatArray]:
    """How often each of n values is drawn, in blocks of shape (rows, n).

    Long rows are counted one by one, which is faster and draws the same.
    """
    for rows in _blocks(n, resamples):
        if n < _LONG:
            drawn = rng.integers(0, n, size=(rows, n)) + np.arange(rows)[:, None] * n
            yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(float)
            continue
        counts = np.empty((rows, n))
        for row in counts:
            row[:] = np.bincount(rng.integers(0, n, size=n), minlength=n)
        yield counts


def _blocks(n: int, resamples: int) -> Iterator[int]:
    """Rows per block, so that a block of n columns stays small."""
    size = max(1, _CELLS_AT_ONCE // n)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


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
