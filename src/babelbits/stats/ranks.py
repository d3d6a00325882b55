"""Ranks of more than two variants: an interval each, never a bare rank.

Simple bootstrap quantiles of a rank fail where it matters, at near ties (Xie, Singh & Zhang 2009,
JASA 104:775). Here all pairs are compared at once, with one critical value for all of them: a
variant's best rank is 1 + the number shown better than it, its worst is k - the number shown worse.
All intervals hold together, with ties or without.
Sign: larger is better; rank 1 is best.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from babelbits.stats.paired_scores import checked_columns


@dataclass(frozen=True, slots=True, kw_only=True)
class RankInterval:
    """Ranks that the data allow, both ends included."""

    best: int
    worst: int


def rank_intervals(
    estimates: ArrayLike, replicates: ArrayLike, *, level: float = 0.95
) -> tuple[RankInterval, ...]:
    """Simultaneous rank intervals from bootstrap replicates of jointly drawn units.

    Parameters
    ----------
    estimates : shape (k,)
        One number per variant, larger is better.
    replicates : shape (resamples, k)
        The same numbers in resamples of whole prompts or items; a row holds all variants in one
        resample.
    level : float
        Probability that all k intervals hold together.

    Returns
    -------
    tuple of RankInterval
        In the order of `estimates`. Pairs whose difference never varies are tied, or apart if it
        is not 0.

    References
    ----------
    Mogstad, Romano, Shaikh, Wilhelm (2024), Review of Economic Studies 91:476, section 3 (their
    one-step procedure: studentised maximum over all pairs).

    Raises
    ------
    ValueError
        If the shapes do not fit, or a replicate is not finite.
    """
    theta, draws = np.asarray(estimates, float), checked_columns(replicates)
    if theta.ndim != 1 or draws.shape[1] != theta.size or theta.size < 2 or draws.shape[0] < 2:
        raise ValueError(
            f"{theta.size} estimates, replicates of shape {draws.shape}: "
            "a column a variant, at least two of each"
        )
    first, second = np.triu_indices(theta.size, k=1)
    observed = theta[first] - theta[second]
    errors = draws[:, first] - draws[:, second] - observed
    spread = errors.std(axis=0, ddof=1)
    spread[spread <= 1e-12 * np.abs(theta).max()] = 0.0
    varies = spread > 0
    largest = np.zeros(draws.shape[0])
    if varies.any():
        largest = np.max(np.abs(errors[:, varies]) / spread[varies], axis=1)
    critical = float(np.quantile(largest, level, method="higher"))
    shown = np.abs(observed) > critical * spread
    better = np.zeros((theta.size, theta.size), bool)
    better[first, second] = shown & (observed > 0)
    better[second, first] = shown & (observed < 0)
    return tuple(
        RankInterval(
            best=1 + int(better[:, variant].sum()),
            worst=theta.size - int(better[variant].sum()),
        )
        for variant in range(theta.size)
    )


def ranks_of_estimates(
    estimates: ArrayLike,
    covariance: ArrayLike,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 20_000,
) -> tuple[RankInterval, ...]:
    """Simultaneous rank intervals from estimates and how they vary together, by Tukey's method.

    Every pair is compared, with the critical value of the largest standardised difference of all
    pairs where nothing differs, drawn from the normal distribution of the errors. For independent
    estimates of equal error it is Tukey's honestly significant difference.

    Parameters
    ----------
    estimates : shape (k,)
        Larger is better; rank 1 is best.
    covariance : shape (k, k)
        Of the estimates' errors.
    level : float
        Probability that all k intervals hold together, with ties or without.

    Returns
    -------
    tuple of RankInterval
        In the order of `estimates`. Estimates without error are tied or apart as they stand.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    Mohamad, Goeman & van Zwet (2019), arXiv 1812.05507 (simultaneous confidence intervals for
    ranks by Tukey's HSD); Tukey (1953).
    """
    theta, matrix = np.asarray(estimates, float), np.asarray(covariance, float)
    if theta.ndim != 1 or theta.size < 2 or matrix.shape != (theta.size, theta.size):
        raise ValueError(
            f"{theta.size} estimates, covariance of shape {matrix.shape}: a row an estimate, two "
            "at least"
        )
    values, vectors = np.linalg.eigh(matrix)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    draws = rng.standard_normal((resamples, theta.size)) @ root.T
    return rank_intervals(theta, theta + draws, level=level)
