"""Languages pooled: differences that share a source item count as one unit.

Translations of one question are not independent; pooling L languages x n items as L n items gives
false alarms. Here a difference belongs to a cluster (its source item) and to a stratum (its
language). The estimand is the macro mean: the mean over strata of each stratum's mean difference.
Clusters are reduced to one value each, so that the tests of `bounded` apply to them unchanged.
Sign: harm is negative.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from babelbits.errors import UnpairedItemsError
from babelbits.records import Interval
from babelbits.stats.binary import wilson
from babelbits.stats.mean_tests import SignFlipResult, sign_flip
from babelbits.stats.paired_scores import FloatArray, IntArray, checked_columns


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClusterScores:
    """A macro mean taken apart into one value per cluster."""

    estimate: float
    """Mean over strata of the stratum's mean."""
    contributions: FloatArray
    """Shape (n_clusters,); their mean is `estimate`. Swapping the arms in a cluster negates its
    contribution: what a sign-flip test needs."""
    linearised: FloatArray
    """Shape (n_clusters,); their mean is `estimate`, and their spread is the cluster-robust
    variance when clusters are unequal: what an interval needs. Equal to `contributions` in a
    complete design."""
    limit: float
    """Largest possible size of a contribution when no difference exceeds 1."""
    item_limit: float
    """The same when one item of the cluster changes."""

    @property
    def n_clusters(self) -> int:
        """Independent units."""
        return int(self.contributions.size)


def cluster_scores(
    differences: ArrayLike,
    *,
    clusters: ArrayLike,
    strata: ArrayLike | None = None,
    layers: ArrayLike | None = None,
    sizes: ArrayLike | None = None,
) -> ClusterScores:
    """Reduce differences to one value per cluster.

    Parameters
    ----------
    differences : shape (n_items,)
        ``variant - baseline``.
    clusters : int, shape (n_items,)
        Which items are dependent; equal numbers share a source item.
    strata : int, shape (n_items,), optional
        Which items are averaged first (the language); one stratum if left out.
    layers : int, shape (n_items,), optional
        Which strata are averaged next, before the mean over layers is taken: the language, where a
        stratum is one of its several sets of items. Each stratum is a layer if left out.
    sizes : shape (n_items,), optional
        Positive. A stratum's mean is then ``sum(sizes x values) / sum(sizes)``, a ratio of totals
        such as bits over bytes; every item counts the same if left out.

    Raises
    ------
    UnpairedItemsError
        If the shapes differ, there are no items, or a stratum is in two layers.
    """
    values = checked_columns(np.ravel(differences))[:, 0]
    first = np.zeros(values.size, int) if strata is None else np.asarray(strata)
    second = first if layers is None else np.asarray(layers)
    labels = np.asarray(clusters)
    weights = np.ones(values.size) if sizes is None else np.asarray(sizes, float)
    if not labels.shape == first.shape == second.shape == weights.shape == values.shape:
        raise UnpairedItemsError(
            f"{values.size} differences, {labels.size} cluster labels, {first.size} strata, "
            f"{second.size} layers",
            hint="give every item its source item and its language",
        )
    return _reduce(values, _codes(labels), _codes(first), _codes(second), weights)


def _codes(labels: ArrayLike) -> IntArray:
    """The labels as 0, 1, ..., in their order."""
    found = np.asarray(labels)
    if found.dtype.kind == "i" and found.size and 0 <= found.min() <= found.max() < 8 * found.size:
        # Counting is several times faster than sorting, and this is done for every effect.
        places = np.cumsum(np.bincount(found) > 0) - 1
        return np.asarray(places[found], np.intp)
    return np.asarray(np.unique(found, return_inverse=True)[1]).astype(np.intp)


def _shares(strata: IntArray, layers: IntArray) -> FloatArray:
    """Weight of every stratum in the mean over layers of the mean over a layer's strata."""
    layer_of = np.zeros(int(strata.max()) + 1, np.intp)
    layer_of[strata] = layers
    if (layer_of[strata] != layers).any():
        raise UnpairedItemsError(
            "a stratum is in two layers", hint="give each layer its own strata"
        )
    counts = np.bincount(layer_of)
    return np.asarray(1.0 / (counts.size * counts[layer_of]))


def _reduce(
    values: FloatArray,
    clusters: IntArray,
    strata: IntArray,
    layers: IntArray,
    sizes: FloatArray,
) -> ClusterScores:
    totals, shares = np.bincount(strata, weights=sizes), _shares(strata, layers)
    means = np.bincount(strata, weights=sizes * values) / totals
    weights = shares[strata] * sizes / totals[strata]
    n_clusters = int(clusters.max()) + 1
    residuals = np.bincount(clusters, weights=weights * (values - means[strata]))
    estimate = float(shares @ means)
    return ClusterScores(
        estimate=estimate,
        contributions=np.asarray(
            n_clusters * np.bincount(clusters, weights=weights * values), float
        ),
        linearised=np.asarray(estimate + n_clusters * residuals, float),
        limit=float(n_clusters * np.bincount(clusters, weights=weights).max()),
        item_limit=float(n_clusters * weights.max()),
    )


def cluster_standard_error(scores: ClusterScores, *, small_sample: bool = True) -> float | None:
    """Cluster-robust standard error of the macro mean; None with one cluster.

    Parameters
    ----------
    small_sample : bool
        Multiply the variance by G/(G-1); without it the formula is Miller's.

    References
    ----------
    Miller (2024), arXiv 2411.00640, section 2.2; the factor as in Stata and statsmodels.
    """
    count = scores.n_clusters
    if count < 2:
        return None
    variance = float(np.sum(((scores.linearised - scores.estimate) / count) ** 2))
    return math.sqrt(variance * count / (count - 1) if small_sample else variance)


def cluster_sign_flip(
    scores: ClusterScores, *, rng: np.random.Generator, resamples: int = 10_000
) -> SignFlipResult:
    """Permutation test of "swapping the arms of all items of a source makes no difference".

    The primary test of pooled languages, for right/wrong items and for others: exact for few
    changed clusters, and valid whatever the dependence inside a cluster. `cluster_t` is the
    textbook alternative for many clusters.
    """
    return sign_flip(scores.contributions, rng=rng, resamples=resamples)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterTResult:
    """Outcome of a t test with clusters as units."""

    estimate: float
    standard_error: float
    t: float
    df: int
    """Clusters less one."""
    p_value: float
    """Two-sided."""


def cluster_t(scores: ClusterScores) -> ClusterTResult | None:
    """Test by Student's t of "the macro mean difference is 0"; None with one cluster or no spread.

    With one item a cluster and one stratum this is the paired t test.
    """
    error = cluster_standard_error(scores)
    if error is None or error == 0:
        return None
    t, df = scores.estimate / error, scores.n_clusters - 1
    p = 2 * float(special.stdtr(df, -abs(t)))
    return ClusterTResult(
        estimate=scores.estimate, standard_error=error, t=t, df=df, p_value=min(1.0, p)
    )


def cluster_t_interval(scores: ClusterScores, *, level: float = 0.95) -> Interval | None:
    """Student's t interval of the macro mean with G - 1 degrees; None where `cluster_t` is."""
    found = cluster_t(scores)
    if found is None:
        return None
    half = float(special.stdtrit(found.df, (1 + level) / 2)) * found.standard_error
    return Interval(
        low=scores.estimate - half,
        high=scores.estimate + half,
        level=level,
        method=f"cluster t, {found.df} df",
    )


def cluster_share_interval(scores: ClusterScores, *, level: float = 0.95) -> Interval:
    """Interval of a macro mean of shares, inside [0, 1].

    Student's t with G - 1 degrees on the logit scale, as for proportions in complex surveys. Where
    nothing varies (all right or all wrong) it is Wilson's interval with the clusters as items,
    which is wide rather than wrong.

    Parameters
    ----------
    scores : ClusterScores
        Of values in [0, 1].

    References
    ----------
    Korn & Graubard (1999), Analysis of Health Surveys, section 3.2; R's
    `survey::svyciprop(method="logit")`.
    """
    share, error = scores.estimate, cluster_standard_error(scores)
    if error is None or error == 0 or not 0 < share < 1:
        count = scores.n_clusters
        return replace(wilson(share * count, count, level=level), method="Wilson score, clusters")
    df = scores.n_clusters - 1
    middle = float(special.logit(share))
    half = float(special.stdtrit(df, (1 + level) / 2)) * error / (share * (1 - share))
    return Interval(
        low=float(special.expit(middle - half)),
        high=float(special.expit(middle + half)),
        level=level,
        method=f"cluster logit t, {df} df",
    )
