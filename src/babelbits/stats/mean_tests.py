"""Scores that are not right/wrong: a permutation test and intervals for a mean paired difference.

Works on differences (see `pairs`), or on one value per cluster (see `cluster`). Many comparisons
over equally many items share one set of random draws: `*_columns` take a column a comparison, and
a column's result does not depend on its neighbours.
Sign: harm is negative. `rng` is an argument; nothing here owns randomness.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from babelbits.records import Interval
from babelbits.stats.binary import wilson
from babelbits.stats.paired_scores import FloatArray, checked_columns
from babelbits.stats.resampling import bootstrap_counts, random_signs
from babelbits.stats.tails import gaffke_lower, sign_sum_p

EXACT_LIMIT = 20
"""With at most this many non-zero differences all 2^k sign patterns are visited."""
SPARSE_LIMIT = 10
"""With fewer changed values than this, resampling them says too little about the unseen ones."""
FEW_HITS = 10
"""With fewer draws than this beyond what was observed, the tail is computed instead of counted."""
_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class SignFlipResult:
    """Outcome of a sign-flip permutation test."""

    n_items: int
    n_changed: int
    """Differences that are not zero; only they matter."""
    delta: float
    """Mean difference over all items."""
    p_value: float
    """Two-sided, in (0, 1]; 1.0 when nothing changed."""
    exact: bool
    resamples: int
    """Sign patterns visited: 2^n_changed when exact."""
    saddlepoint: bool = False
    """p is the computed tail of `tails.sign_sum_p`: too few draws lay beyond what was observed."""


def sign_flip(
    differences: ArrayLike, *, rng: np.random.Generator, resamples: int = 10_000
) -> SignFlipResult:
    """Permutation test of "swapping baseline and variant in any item makes no difference".

    Parameters
    ----------
    differences : shape (n_items,)
        ``variant - baseline``.
    resamples : int
        Monte Carlo draws when more than `EXACT_LIMIT` differences are not zero; then
        p = (k + 1) / (resamples + 1), so that it is a valid p-value and never 0. Where k is below
        `FEW_HITS` the tail is computed by saddlepoint, so that a large family's correction never
        asks for less than the draws could give.

    Raises
    ------
    UnpairedItemsError
        If there are no items, or a difference is NaN.

    References
    ----------
    Fisher (1935), The Design of Experiments, section 21; Phipson & Smyth (2010), SAGMB 9:39 for +1;
    Robinson (1982), JRSS B 44:91 for the tail.
    """
    return sign_flip_columns(np.ravel(differences), rng=rng, resamples=resamples)[0]


def sign_flip_columns(
    differences: ArrayLike, *, rng: np.random.Generator, resamples: int = 10_000
) -> tuple[SignFlipResult, ...]:
    """`sign_flip` of every column of `differences`, shape (n_items, n_comparisons)."""
    table = checked_columns(differences)
    changed = np.count_nonzero(table, axis=0)
    exact = changed <= EXACT_LIMIT
    p_values = np.empty(table.shape[1])
    far = np.zeros(table.shape[1], bool)
    for column in np.flatnonzero(exact):
        p_values[column] = _exact_p(table[:, column])
    if not exact.all():
        hits = _hits(table[:, ~exact], rng=rng, resamples=resamples)
        p_values[~exact] = (hits + 1) / (resamples + 1)
        far[~exact] = hits < FEW_HITS
    for column in np.flatnonzero(far):
        p_values[column] = sign_sum_p(table[:, column])
    return tuple(
        SignFlipResult(
            n_items=table.shape[0],
            n_changed=int(changed[column]),
            delta=float(table[:, column].mean()),
            p_value=float(p_values[column]),
            exact=bool(exact[column]),
            resamples=2 ** int(changed[column]) if exact[column] else resamples,
            saddlepoint=bool(far[column]),
        )
        for column in range(table.shape[1])
    )


def _exact_p(differences: FloatArray) -> float:
    """Share of sign patterns whose sum is at least as far from zero as the observed one.

    A pattern and its mirror image are equally far, so the first sign is kept.
    """
    values = differences[differences != 0]
    if values.size == 0:
        return 1.0
    sums = values[:1]
    for value in values[1:]:
        sums = np.concatenate([sums + value, sums - value])
    return float(np.mean(np.abs(sums) >= _threshold(values[:, None])[0]))


def _hits(table: FloatArray, *, rng: np.random.Generator, resamples: int) -> FloatArray:
    """Draws whose sums are at least as far from zero as the observed ones."""
    threshold = _threshold(table)
    hits = np.zeros(table.shape[1])
    for signs in random_signs(table.shape[0], resamples=resamples, rng=rng):
        hits += np.sum(np.abs(signs @ table) >= threshold, axis=0)
    return hits


def _threshold(table: FloatArray) -> FloatArray:
    """Distance from zero of the observed sums, less what rounding may add: ties count."""
    return np.asarray(np.abs(table.sum(axis=0)) - _TOLERANCE * np.abs(table).sum(axis=0))


# --- intervals -------------------------------------------------------------------------------


def bootstrap_t_columns(
    values: ArrayLike,
    *,
    levels: Sequence[float],
    rng: np.random.Generator,
    resamples: int = 10_000,
) -> tuple[tuple[Interval | None, ...], ...]:
    """Studentised bootstrap intervals of every column's mean, one a level.

    Second-order accurate like BCa, and needs two matrix products instead of a jackknife.

    Parameters
    ----------
    values : shape (n, n_comparisons)
        Differences of items, or one value a cluster.
    levels : sequence of float
        E.g. (0.95, 0.90).

    Returns
    -------
    tuple of tuple
        Per column, per level; None where the values do not vary, or where so many resamples do
        not vary that an end would be infinite.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, section 12.5.
    """
    table = checked_columns(values)
    means = table.mean(axis=0)
    residuals = table - means
    variance = _sample_variance(residuals)
    statistics = np.sort(_studentised(residuals, rng=rng, resamples=resamples), axis=0)
    return tuple(
        tuple(
            _interval(means[column], variance[column], statistics[:, column], level=level)
            for level in levels
        )
        for column in range(table.shape[1])
    )


def _sample_variance(residuals: FloatArray) -> FloatArray:
    """Variance of each column's mean; 0 where rounding is all there is, or with one row."""
    n = residuals.shape[0]
    squares = np.sum(residuals**2, axis=0)
    squares[squares <= n * _rounding(residuals)] = 0.0
    return np.asarray(squares / max(1, n - 1) / n)


def _rounding(residuals: FloatArray) -> FloatArray:
    """Squared size below which a spread of the columns is rounding error."""
    return np.asarray((1e-7 * np.abs(residuals).max(axis=0)) ** 2 + 1e-30)


def _studentised(residuals: FloatArray, *, rng: np.random.Generator, resamples: int) -> FloatArray:
    """Resampled t statistics, shape (resamples, n_comparisons); infinite where nothing varies."""
    n = residuals.shape[0]
    squared, smallest = residuals**2, _rounding(residuals)
    blocks = []
    for counts in bootstrap_counts(n, resamples=resamples, rng=rng):
        mean = counts @ residuals / n
        spread = counts @ squared / n - mean**2
        spread[spread <= smallest] = 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            t = mean / np.sqrt(spread / max(1, n - 1))
        blocks.append(np.where(np.isnan(t), 0.0, t))
    return np.concatenate(blocks)


def _interval(
    mean: float, variance: float, statistics: FloatArray, *, level: float
) -> Interval | None:
    ranks = (1 - level) / 2 * (statistics.size + 1)
    first = max(0, math.floor(ranks + 1e-9) - 1)
    low_t, high_t = float(statistics[first]), float(statistics[statistics.size - 1 - first])
    if variance == 0 or not math.isfinite(low_t) or not math.isfinite(high_t):
        return None
    error = math.sqrt(variance)
    return Interval(
        low=float(mean - high_t * error),
        high=float(mean - low_t * error),
        level=level,
        method="bootstrap-t",
    )


def change_bound(differences: ArrayLike, *, level: float, limit: float = 1.0) -> Interval:
    """Interval of a mean difference when few or no items changed: never of zero width.

    At most a share U- of all items is harmed and a share U+ helped, where U are the upper Wilson
    bounds; no item changes by more than `limit`. So the mean lies in (-limit U-, +limit U+).
    With no change among n items that is ±z²/(n + z²), as Tango's interval is for right/wrong items.
    Conservative: it does not use the size of the changes that were seen.

    Parameters
    ----------
    limit : float
        Largest possible change of one value: the width of the metric's range.
    """
    values = np.ravel(differences)
    lost = wilson(int(np.sum(values < 0)), values.size, level=level).high
    gained = wilson(int(np.sum(values > 0)), values.size, level=level).high
    return Interval(
        low=-limit * lost, high=limit * gained, level=level, method="Wilson bound on changed items"
    )


def t_interval(values: ArrayLike, *, level: float, df: int) -> Interval | None:
    """Student's t interval of a mean with `df` degrees of freedom; None if the values do not vary.

    With few changed values among many, pass ``df = changed - 1``: the unchanged ones say nothing
    about the size of a change.
    """
    table = checked_columns(np.ravel(values))
    variance = float(_sample_variance(table - table.mean(axis=0))[0])
    if variance == 0 or df < 1:
        return None
    half = float(special.stdtrit(df, (1 + level) / 2)) * math.sqrt(variance)
    mean = float(table.mean())
    return Interval(low=mean - half, high=mean + half, level=level, method=f"t, {df} df")


def few_changes_interval(
    values: ArrayLike, *, level: float, one_change: float | None = None
) -> Interval | None:
    """Student's t interval as if `SPARSE_LIMIT` values had changed, where fewer did.

    Its width is that of `SPARSE_LIMIT` changes that are like those seen, in size and direction, so
    that it is never wider because less has changed; its middle is the mean of the values.

    Parameters
    ----------
    values : shape (n,)
        Mostly zeros.
    one_change : float, optional
        Size of a change where none was seen: what one item can change of its cluster's value.

    Returns
    -------
    Interval or None
        None where nothing changed and `one_change` is not known, or the values do not vary.
    """
    seen = np.ravel(np.asarray(values, float))
    n, changed, mean = seen.size, int(np.count_nonzero(seen)), float(seen.mean())
    whole = max(changed, min(SPARSE_LIMIT, n))
    if changed:
        size2, net = float(seen @ seen) / changed, mean * n / changed
    else:
        size2, net = (one_change or 0.0) ** 2, one_change or 0.0
    squares, df = whole * size2 - (whole * net) ** 2 / n, whole - 1
    if df < 1 or squares <= 1e-12 * n * size2:
        return None
    half = float(special.stdtrit(df, (1 + level) / 2)) * math.sqrt(squares / (n - 1) / n)
    return Interval(
        low=mean - half, high=mean + half, level=level, method=f"t as with {df + 1} changes"
    )


def mean_interval(
    values: ArrayLike,
    resampled: Interval | None,
    *,
    level: float,
    limit: float | None,
    one_change: float | None = None,
) -> Interval | None:
    """The interval to report: `resampled` where it can be trusted, else a fallback that can.

    Parameters
    ----------
    values : shape (n,)
        What was resampled.
    resampled : Interval or None
        From `bootstrap_t_columns`.
    limit : float or None
        Largest possible size of one value; None where the metric has no range.
    one_change : float, optional
        What one item can change of one value; `limit` if left out.

    Returns
    -------
    Interval or None
        If at least `SPARSE_LIMIT` values changed: the wider, end by end, of bootstrap-t and
        Student's t with (changed - 1) degrees of freedom. bootstrap-t follows skewness and is too
        narrow when some ten of many values changed symmetrically; Student's t is the reverse. If
        fewer did: the narrower, end by end, of `few_changes_interval` and `change_bound` (without
        a range: of the former and Student's t), so that fewer changes never make it wider. None
        where the metric has no range and fewer than two values changed or they do not vary:
        nothing bounds a change that was not seen.
    """
    changed = int(np.count_nonzero(values))
    few = None
    if changed < SPARSE_LIMIT:
        few = few_changes_interval(values, level=level, one_change=one_change or limit)
    if limit is not None and (changed < SPARSE_LIMIT or resampled is None):
        return _narrower(change_bound(values, level=level, limit=limit), few)
    student = t_interval(values, level=level, df=changed - 1)
    if student is None or resampled is None:
        return student and _narrower(student, few)
    interval = _narrower(_wider(resampled, student), few)
    return interval if limit is None else _clipped(interval, limit)


def with_rare_losses(
    interval: Interval | None,
    values: ArrayLike,
    *,
    alpha: float,
    loss: float,
    gain: float,
) -> Interval | None:
    """An interval that also holds what large changes too rare to have been seen could do.

    For "not worse" and "equivalent" only: end by end the wider of `interval` and Gaffke's bounds,
    which hold for any distribution within the limits. Without it a study of 80 items calls a
    variant that loses everything on 2 % of them harmless whenever it happens to see none.

    Parameters
    ----------
    interval : Interval or None
        Of level 1 - 2 alpha; None stays None.
    values : shape (n,)
        One a unit.
    loss, gain : float
        Largest possible size of a value on either side; raised to what was seen, where that is
        more.

    References
    ----------
    See `tails.gaffke_lower`.
    """
    if interval is None:
        return None
    seen = np.ravel(np.asarray(values, float))
    low = gaffke_lower(seen, worst=-max(loss, float(-seen.min())), alpha=alpha)
    high = -gaffke_lower(-seen, worst=-max(gain, float(seen.max())), alpha=alpha)
    if low >= interval.low and high <= interval.high:
        return interval
    return Interval(
        low=min(low, interval.low),
        high=max(high, interval.high),
        level=interval.level,
        method=f"{interval.method}, or Gaffke's bound, the wider",
    )


def fewest_units(margin: float, *, cap: float, alpha: float) -> int:
    """Units below which no data show that a loss stays within `margin`: about 3 cap / margin.

    Of n units without any change Gaffke's bound is ``cap (1 - alpha^(1/n))``.

    Parameters
    ----------
    margin, cap : float
        Positive, in one unit; the cap is the largest loss that one unit can have.

    Returns
    -------
    int
        1 where the cap is within the margin.
    """
    if not (margin > 0 and cap > 0):
        raise ValueError(f"a margin and a cap are positive; got {margin} and {cap}")
    if cap <= margin:
        return 1
    return math.floor(math.log(alpha) / math.log1p(-margin / cap)) + 1


def _narrower(first: Interval, second: Interval | None) -> Interval:
    """End by end; the method is that of the interval that set an end."""
    if second is None or (second.low <= first.low and second.high >= first.high):
        return first
    if second.low >= first.low and second.high <= first.high:
        return second
    return Interval(
        low=max(first.low, second.low),
        high=min(first.high, second.high),
        level=first.level,
        method=f"{first.method} or {second.method}, the narrower",
    )


def _wider(first: Interval, second: Interval) -> Interval:
    return Interval(
        low=min(first.low, second.low),
        high=max(first.high, second.high),
        level=first.level,
        method="bootstrap-t or t, the wider",
    )


def _clipped(interval: Interval, limit: float) -> Interval:
    return Interval(
        low=max(-limit, interval.low),
        high=min(limit, interval.high),
        level=interval.level,
        method=interval.method,
    )
