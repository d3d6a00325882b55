"""Does a number tell items that broke from items that did not: the area under the ROC curve.

Items are compared within strata (languages) only, so that a stratum with larger numbers and more
broken items proves nothing. Translations of one item are one cluster, across strata.
Scale: 0.5 is no better than chance, 1 is perfect, below 0.5 the order is reversed.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from babelbits.records import Interval
from babelbits.stats.paired_scores import FloatArray

METHOD = "DeLong by cluster, logit scale, Student t"


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrimination:
    """An area under the ROC curve over strata."""

    auc: float | None
    """None where no stratum has a positive and a negative."""
    standard_error: float | None
    interval: Interval | None
    reason: str
    """Why there is no area or no interval; '' where there are both."""
    n_positive: int
    n_negative: int
    n_clusters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stratum:
    """Placements of one stratum's members: the share of the other arm that lies on their side."""

    rows: NDArray[np.intp]
    positive: NDArray[np.bool_]
    placements: FloatArray

    @property
    def n_pairs(self) -> int:
        n_positive = int(self.positive.sum())
        return n_positive * (len(self.positive) - n_positive)

    @property
    def auc(self) -> float:
        return float(self.placements[self.positive].mean())


def stratified_auc(
    scores: ArrayLike,
    positive: ArrayLike,
    *,
    strata: Sequence[Hashable],
    clusters: Sequence[Hashable],
    level: float = 0.95,
) -> Discrimination:
    """Probability that of a positive and a negative of one stratum the positive scores higher.

    Ties count one half. Strata weigh by their pairs. Clusters may reach over strata.

    Parameters
    ----------
    scores : shape (n,)
        Finite numbers.
    positive : shape (n,)
        0 or 1, or bool.
    strata, clusters : sequences of length n
        What is compared with what, and what depends on what.
    level : float
        Of the interval.

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837, for the placements; Obuchowski
    (1997), Biometrics 53:567, for their sums by cluster.

    Raises
    ------
    ValueError
        If lengths differ, a score is not finite, or a label is neither 0 nor 1.
    """
    values, labels = _checked(scores, positive)
    if not len(values) == len(strata) == len(clusters):
        raise ValueError("scores, labels, strata and clusters are of different lengths")
    numbers = {name: number for number, name in enumerate(dict.fromkeys(clusters))}
    cluster = np.array([numbers[name] for name in clusters], int)
    counts = {"n_positive": int(labels.sum()), "n_negative": int((~labels).sum())}
    usable = list(_strata(values, labels, strata))
    pairs = sum(one.n_pairs for one in usable)
    if not pairs:
        missing = "a positive and a negative" if len(values) else "an item"
        return Discrimination(
            auc=None,
            standard_error=None,
            interval=None,
            reason=f"no stratum has {missing}",
            n_clusters=len(numbers),
            **counts,
        )
    auc = sum(one.auc * one.n_pairs for one in usable) / pairs
    error = _standard_error(usable, cluster, auc=auc, pairs=pairs)
    holding = np.unique(np.concatenate([cluster[one.rows[one.positive]] for one in usable]))
    others = np.unique(np.concatenate([cluster[one.rows[~one.positive]] for one in usable]))
    interval, reason = _interval(
        auc, error, freedom=min(len(holding), len(others)) - 1, level=level
    )
    return Discrimination(
        auc=auc,
        standard_error=error,
        interval=interval,
        reason=reason,
        n_clusters=len(numbers),
        **counts,
    )


def permuted_aucs(
    scores: ArrayLike,
    positive: ArrayLike,
    *,
    strata: Sequence[Hashable],
    draws: int,
    rng: np.random.Generator,
) -> FloatArray:
    """The same area with labels dealt anew within each stratum; shape (draws,).

    What chance alone gives; empty where the area is undefined.

    Raises
    ------
    ValueError
        As `stratified_auc`.
    """
    values, labels = _checked(scores, positive)
    total, pairs = np.zeros(draws), 0
    for one in _strata(values, labels, strata):
        ranks = stats.rankdata(values[one.rows])
        n_positive = int(one.positive.sum())
        dealt = rng.permuted(np.tile(ranks, (draws, 1)), axis=1)[:, :n_positive]
        total += dealt.sum(axis=1) - n_positive * (n_positive + 1) / 2
        pairs += one.n_pairs
    return total / pairs if pairs else np.empty(0)


def _checked(scores: ArrayLike, positive: ArrayLike) -> tuple[FloatArray, NDArray[np.bool_]]:
    values, labels = np.asarray(scores, float), np.asarray(positive, float)
    if values.shape != labels.shape or values.ndim != 1:
        raise ValueError(f"scores of shape {values.shape}, labels of shape {labels.shape}")
    if not np.isfinite(values).all():
        raise ValueError("a score is not finite")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("labels are 0 or 1")
    return values, labels.astype(bool)


def _strata(
    values: FloatArray, labels: NDArray[np.bool_], strata: Sequence[Hashable]
) -> Iterator[_Stratum]:
    """Strata with both kinds of items."""
    names = {name: number for number, name in enumerate(dict.fromkeys(strata))}
    codes = np.array([names[name] for name in strata], int)
    for code in range(len(names)):
        rows = np.flatnonzero(codes == code)
        positive = labels[rows]
        if positive.any() and not positive.all():
            placements = _placements(values[rows], positive)
            yield _Stratum(rows=rows, positive=positive, placements=placements)


def _placements(values: FloatArray, positive: NDArray[np.bool_]) -> FloatArray:
    """Share of the other arm that a member beats (positives) or is beaten by (negatives)."""
    ups, downs = np.sort(values[positive]), np.sort(values[~positive])
    found = np.empty(len(values))
    found[positive] = _share_below(values[positive], downs)
    found[~positive] = 1 - _share_below(values[~positive], ups)
    return found


def _share_below(values: FloatArray, ordered: FloatArray) -> FloatArray:
    low = np.searchsorted(ordered, values, side="left")
    high = np.searchsorted(ordered, values, side="right")
    return np.asarray((low + high) / (2 * len(ordered)), float)


def _standard_error(
    strata: Sequence[_Stratum], cluster: NDArray[np.intp], *, auc: float, pairs: int
) -> float:
    """Root of the sum over clusters of squared sums of centred placements.

    The only member of an arm has no mean of its own to be centred at: the area over all strata
    serves.
    """
    sums = np.zeros(int(cluster.max()) + 1)
    for one in strata:
        for arm in (one.positive, ~one.positive):
            size = int(arm.sum())
            centre, correction = (auc, 1.0) if size == 1 else (one.auc, size / (size - 1))
            share = one.n_pairs / pairs / size * np.sqrt(correction)
            np.add.at(sums, cluster[one.rows[arm]], share * (one.placements[arm] - centre))
    return float(np.sqrt((sums**2).sum()))


def _interval(
    auc: float, error: float, *, freedom: int, level: float
) -> tuple[Interval | None, str]:
    if freedom < 1:
        return None, "one side has a single item: how far chance may move it is not known"
    if error == 0 or not 0 < auc < 1:
        return None, "every pair has the same order: there is no spread to estimate"
    reach = float(stats.t.ppf((1 + level) / 2, freedom)) * error / (auc * (1 - auc))
    centre = float(special.logit(auc))
    low, high = special.expit([centre - reach, centre + reach])
    return Interval(low=float(low), high=float(high), level=level, method=METHOD), ""
