"""How long something lasts: survival by position, and the mean up to a horizon.

What has not ended when observation stops is censored there. Positions count from 0; something that
ended at position 0 lasted 0. Kaplan-Meier throughout, with ties and censoring as in statsmodels'
`SurvfuncRight`, which the tests hold it against; resamples of clusters are one array here.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from babelbits.records import Interval
from babelbits.stats.paired_scores import FloatArray
from babelbits.stats.resampling import bootstrap_counts, percentile_interval

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class SurvivalPoint:
    """Share that lasts beyond a position."""

    position: int
    share: float
    interval: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanDifference:
    """Difference of two means up to a horizon, second less first: harm is negative."""

    difference: float
    interval: Interval | None
    horizon: int
    n_clusters: int


def survival_curve(
    lasted: ArrayLike,
    ended: ArrayLike,
    *,
    clusters: Sequence[Hashable],
    rng: np.random.Generator,
    resamples: int = 500,
) -> tuple[SurvivalPoint, ...]:
    """The Kaplan-Meier curve at every position up to the last, intervals by clusters.

    Parameters
    ----------
    lasted : shape (n,)
        Whole numbers: position of the end, or of the last observation.
    ended : shape (n,)
        Whether it ended there; else it is censored.
    clusters : sequence of length n
        What depends on what.

    References
    ----------
    Kaplan & Meier (1958), JASA 53:457. Bootstrap of clusters: Field & Welsh (2007).
    """
    times, ends = np.asarray(lasted, int), np.asarray(ended, bool)
    horizon = int(times.max(initial=0)) + 1
    estimate = _curves(times, ends, np.ones((1, len(times))), horizon=horizon)[0]
    draws = np.concatenate(
        [
            _curves(times, ends, counts, horizon=horizon)
            for counts in _drawn(clusters, rng=rng, resamples=resamples)
        ]
    )
    return tuple(
        SurvivalPoint(
            position=position,
            share=float(estimate[position]),
            interval=percentile_interval(draws[:, position]),
        )
        for position in range(horizon)
    )


def difference_of_means(
    first: tuple[ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike],
    *,
    clusters: tuple[Sequence[Hashable], Sequence[Hashable]],
    horizon: int,
    rng: np.random.Generator,
    resamples: int = 1000,
) -> MeanDifference:
    """Restricted mean survival of the second less that of the first, clusters drawn jointly.

    Parameters
    ----------
    first, second : pairs of `lasted` and `ended`
        As `survival_curve` takes them.
    clusters : pair of sequences
        Names that the two share are drawn together: the comparison is paired.
    horizon : int
        Positions that count: the area under the curves up to there.

    References
    ----------
    Royston & Parmar (2013), BMC Med Res Methodol 13:152, on restricted means.
    """
    names = {
        name: number for number, name in enumerate(dict.fromkeys([*clusters[0], *clusters[1]]))
    }
    arms = [
        (
            np.asarray(lasted, int),
            np.asarray(ended, bool),
            np.array([names[c] for c in of_arm], int),
        )
        for (lasted, ended), of_arm in zip((first, second), clusters, strict=True)
    ]

    def change(counts: FloatArray) -> FloatArray:
        before, after = (
            _curves(times, ends, counts[:, members], horizon=horizon).sum(axis=1)
            for times, ends, members in arms
        )
        return np.asarray(after - before, float)

    estimate = float(change(np.ones((1, len(names))))[0])
    draws = np.concatenate(
        [change(counts) for counts in bootstrap_counts(len(names), resamples=resamples, rng=rng)]
    )
    return MeanDifference(
        difference=estimate,
        interval=percentile_interval(draws),
        horizon=horizon,
        n_clusters=len(names),
    )


def pseudo_means(lasted: ArrayLike, ended: ArrayLike, *, horizon: int) -> FloatArray:
    """One value an observation, whose mean is the restricted mean up to a horizon (nearly).

    The jackknife's pseudo-values of the area under the Kaplan-Meier curve. Without censoring before
    the horizon they are the times themselves, cut there. They can be paired, clustered and averaged
    as complete observations would be; a censored one lies above its time.

    Parameters
    ----------
    lasted, ended : shape (n,)
        As `survival_curve` takes them; n >= 2.
    horizon : int
        Positions that count, >= 1.

    Returns
    -------
    array of shape (n,)
        Positions.

    Raises
    ------
    ValueError
        If there are fewer than two observations.

    References
    ----------
    Andersen, Hansen & Klein (2004), Lifetime Data Analysis 10:335.
    """
    times, ends = np.asarray(lasted, int), np.asarray(ended, bool)
    if times.size < 2:
        raise ValueError("pseudo-values need two observations or more")
    cut = np.minimum(times, horizon)
    kinds, member, counts = np.unique(
        np.stack([cut, ends & (times < horizon)]), axis=1, return_inverse=True, return_counts=True
    )
    member = np.ravel(member)
    left_out = np.vstack([np.zeros(counts.size), np.eye(counts.size)])
    drawn = np.asarray(counts - left_out, float)
    areas = _curves(kinds[0], kinds[1].astype(bool), drawn, horizon=horizon).sum(axis=1)
    n = times.size
    return np.asarray((n * areas[0] - (n - 1) * areas[1:])[member], float)


def _drawn(
    clusters: Sequence[Hashable], *, rng: np.random.Generator, resamples: int
) -> list[FloatArray]:
    """How often each member is drawn with its cluster, in blocks."""
    names = {name: number for number, name in enumerate(dict.fromkeys(clusters))}
    members = np.array([names[name] for name in clusters], int)
    return [
        counts[:, members] for counts in bootstrap_counts(len(names), resamples=resamples, rng=rng)
    ]


def _curves(
    times: NDArray[np.intp], ends: Bools, counts: FloatArray, *, horizon: int
) -> FloatArray:
    """Share that lasts beyond each position below the horizon; shape (resamples, horizon)."""
    shares = np.ones((len(counts), horizon))
    now = np.ones(len(counts))
    for position in range(horizon):
        at_risk = counts[:, times >= position].sum(axis=1)
        over = counts[:, (times == position) & ends].sum(axis=1)
        now = now * (1 - np.divide(over, at_risk, out=np.zeros_like(over), where=at_risk > 0))
        shares[:, position] = now
    return shares
