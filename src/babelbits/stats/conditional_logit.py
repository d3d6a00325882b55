"""Conditional logistic regression on one covariate, with a bootstrap over clusters.

Strata (languages) have odds of their own, which conditioning on their number of events removes
(Breslow & Day 1980, chapter 7): only differences within a stratum count. The odds ratio is of one
unit of the covariate; above 1 more of it goes with more events.

statsmodels' `ConditionalLogit` gives the same estimate, which a test checks. It sums over subsets
by recursion in Python: a stratum of 500 items reaches the interpreter's limit, and a thousand
resamples would take hours. Here the sums of all resamples are one array.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from babelbits.records import Interval
from babelbits.stats.paired_scores import FloatArray
from babelbits.stats.resampling import percentile_interval

_STEPS = 60
_CONVERGED = 1e-3
"""Step after which the error is about its square, by Newton's method."""
_FURTHEST = 20.0
"""A log odds ratio beyond this is infinite: the covariate separates events from the others."""
_RESAMPLES_AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class OddsRatio:
    """Odds of the event for one more unit of the covariate, over the odds without it."""

    ratio: float | None
    """None where no stratum has an event and a non-event, or the covariate separates them."""
    interval: Interval | None
    reason: str
    """Why there is no ratio or no interval; '' where there are both."""
    n_events: int
    n_items: int
    n_clusters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """One stratum of every resample: rows in `members`, 0 times or more."""

    covariate: FloatArray
    event: NDArray[np.bool_]
    counts: NDArray[np.intp]
    """How often each item is drawn, shape (resamples, items)."""


def fit_odds_ratio(
    covariate: ArrayLike,
    event: ArrayLike,
    *,
    strata: Sequence[Hashable],
    clusters: Sequence[Hashable],
    rng: np.random.Generator,
    resamples: int = 400,
    level: float = 0.95,
) -> OddsRatio:
    """Maximum conditional likelihood, and percentiles of resamples of whole clusters.

    Parameters
    ----------
    covariate : shape (n,)
        Finite numbers of order 1, e.g. standardised within strata.
    event : shape (n,)
        0 or 1, or bool.
    strata, clusters : sequences of length n
        Clusters may reach over strata.
    resamples : int
        Bootstrap draws of clusters, with replacement.

    References
    ----------
    Gail, Lubin & Rubinstein (1981), Biometrika 68:703, for the recursion of the sums; Field & Welsh
    (2007), JRSS B 69:369, for the bootstrap of clusters.

    Raises
    ------
    ValueError
        If lengths differ or the covariate is not finite.
    """
    values, events = np.asarray(covariate, float), np.asarray(event, bool)
    if not values.shape == events.shape == (len(strata),) or len(strata) != len(clusters):
        raise ValueError("covariate, events, strata and clusters are of different lengths")
    if not np.isfinite(values).all():
        raise ValueError("the covariate is not finite")
    names = {name: number for number, name in enumerate(dict.fromkeys(clusters))}
    cluster = np.array([names[name] for name in clusters], int)
    members = _members(events, strata)
    counts = {"n_events": int(events.sum()), "n_items": len(values), "n_clusters": len(names)}
    if not members:
        why = "no stratum has an item that broke and one that did not"
        return OddsRatio(ratio=None, interval=None, reason=why, **counts)
    once = np.ones((1, len(names)), int)
    slope = float(_slopes(values, events, members, once[:, cluster])[0])
    if not np.isfinite(slope):
        why = "the covariate separates the items that broke from the others"
        return OddsRatio(ratio=None, interval=None, reason=why, **counts)
    draws = []
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        rows = min(_RESAMPLES_AT_ONCE, resamples - start)
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=rows)
        draws.append(_slopes(values, events, members, drawn[:, cluster], start=slope))
    interval = percentile_interval(np.concatenate(draws), level=level) if draws else None
    return OddsRatio(
        ratio=float(np.exp(slope)),
        interval=None if interval is None else _exponential(interval),
        reason="" if interval is not None else "in too many resamples it is not defined",
        **counts,
    )


def _members(events: NDArray[np.bool_], strata: Sequence[Hashable]) -> list[NDArray[np.intp]]:
    """Row numbers of each stratum with both kinds of items."""
    found: dict[Hashable, list[int]] = {}
    for row, name in enumerate(strata):
        found.setdefault(name, []).append(row)
    rows = [np.array(one, int) for one in found.values()]
    return [one for one in rows if events[one].any() and not events[one].all()]


def _exponential(interval: Interval) -> Interval:
    return Interval(
        low=float(np.exp(interval.low)),
        high=float(np.exp(interval.high)),
        level=interval.level,
        method="bootstrap of clusters, percentiles",
    )


def _slopes(
    values: FloatArray,
    events: NDArray[np.bool_],
    members: Sequence[NDArray[np.intp]],
    counts: NDArray[np.intp],
    *,
    start: float = 0.0,
) -> FloatArray:
    """Newton's method for every resample at once; NaN where there is no finite maximum."""
    strata = [
        _Sample(covariate=values[rows], event=events[rows], counts=counts[:, rows])
        for rows in members
    ]
    slopes = np.full(len(counts), start)
    for _ in range(_STEPS):
        gradient, curvature = np.zeros(len(counts)), np.zeros(len(counts))
        for one in strata:
            first, second = _derivatives(one, slopes)
            gradient += first
            curvature += second
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.where(curvature > 0, gradient / curvature, np.nan)
        slopes = slopes + np.clip(step, -1, 1)
        slopes[np.abs(slopes) > _FURTHEST] = np.nan
        if not (np.abs(step) > _CONVERGED).any():
            break
    return slopes


def _derivatives(one: _Sample, slopes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Slope and curvature (sign reversed) of the conditional log-likelihood of one stratum.

    An item that is drawn twice is two items. Sums over subsets grow by one item at a time and are
    rescaled at each, for they leave the range of floats.
    """
    n_events = (one.counts * one.event).sum(axis=1)
    observed = (one.counts * (one.event * one.covariate)).sum(axis=1)
    sums = np.zeros((3, int(n_events.max()) + 1, len(slopes)))
    sums[0, 0] = 1.0
    largest = 0
    for item, value in enumerate(one.covariate):
        drawn = one.counts[:, item]
        weight = np.exp(np.clip(slopes * value, -500, 500))
        for turn in range(int(drawn.max())):
            largest = min(largest + 1, sums.shape[1] - 1)
            _grow(sums[:, : largest + 1], np.where(drawn > turn, weight, 0.0), float(value))
        sums[:, : largest + 1] /= sums[0, : largest + 1].max(axis=0)
    at = np.take_along_axis(sums, n_events[None, None, :], axis=1)[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, square = at[1] / at[0], at[2] / at[0]
    return observed - mean, np.maximum(square - mean**2, 0.0)


def _grow(sums: FloatArray, weight: FloatArray, value: float) -> None:
    """Let every subset hold one item more or not; sums of 1, of totals, of squared totals."""
    count, total, square = sums
    square[1:] += weight * (square[:-1] + 2 * value * total[:-1] + value**2 * count[:-1])
    total[1:] += weight * (total[:-1] + value * count[:-1])
    count[1:] += weight * count[:-1]
