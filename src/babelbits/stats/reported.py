"""Tests that a published study reported, so that its analysis can be repeated beside a better one.

These are RECONSTRUCTIONS for comparison, never the basis of a verdict. Borgersen & Goodwin (2025,
arXiv 2503.03592) compared importance matrices in three languages; by one account with independent
t-tests, by another with a Monte Carlo binomial model; both ignore that the two models answered the
same items, and their correction is Bonferroni over 12 comparisons. On paired data that loses most
of the power there is: `analysis.paper_b` puts the paired tests of the same items beside them.
Sign: ``delta = variant - baseline``, so harm is negative. p-values are two-sided.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from babelbits.stats.binary import paired_table
from babelbits.stats.paired_scores import paired_differences
from babelbits.stats.power import ALPHA, POWER

COMPARISONS = 12
"""3 quantization levels x 2 evaluation languages x 2 alternative matrices (an inference)."""


def bonferroni_alpha(alpha: float = ALPHA, *, comparisons: int = COMPARISONS) -> float:
    """`alpha` shared out equally; 0.05 / 12 = 0.00417 is the study's adjusted level."""
    return alpha / comparisons


def independent_t_test(baseline: ArrayLike, variant: ArrayLike) -> float:
    """P of Student's t test as if two different sets of items had been answered (reconstruction).

    Returns 1.0 if no score varies in either run and the means are equal, and 0.0 if they differ.

    Raises
    ------
    UnpairedItemsError
        If the runs are not about equally many items, or a score is missing.
    """
    delta = paired_differences(baseline, variant)
    first, second = np.asarray(baseline, float), np.asarray(variant, float)
    if first.size < 2:
        raise ValueError("a t test needs two items in each run")
    if np.ptp(first) == 0 and np.ptp(second) == 0:
        return 1.0 if delta[0] == 0 else 0.0
    moments = (v for run in (second, first) for v in (run.mean(), run.std(ddof=1), run.size))
    return float(stats.ttest_ind_from_stats(*moments).pvalue)


def monte_carlo_binomial(
    baseline: ArrayLike, variant: ArrayLike, *, rng: np.random.Generator, draws: int = 10_000
) -> float:
    """P from simulated accuracies of two binomials with the pooled share (reconstruction).

    The share of draws whose difference is at least as large as the observed one; (k + 1) /
    (draws + 1), so that it is valid and never 0.

    Parameters
    ----------
    baseline, variant : shape (n_items,)
        0 or 1 per item.
    """
    table = paired_table(baseline, variant)
    n = table.n_items
    pooled = (2 * table.both_right + table.broke + table.fixed) / (2 * n)
    drawn = rng.binomial(n, pooled, size=(2, draws))
    hits = int(np.sum(np.abs(drawn[1] - drawn[0]) >= abs(table.fixed - table.broke)))
    return (hits + 1) / (draws + 1)


def unpaired_minimal_effect(
    n_items: int, *, share: float, alpha: float = ALPHA, power: float = POWER
) -> float:
    """Smallest difference of two independent shares near `share` that is shown with `power`.

    (z + z) sqrt(2 p (1 - p) / n), the usual approximation; n items in each run.
    """
    sd = math.sqrt(share * (1 - share))
    return unpaired_mean_minimal_effect(n_items, sd=sd, alpha=alpha, power=power)


def unpaired_mean_minimal_effect(
    n_items: int, *, sd: float, alpha: float = ALPHA, power: float = POWER
) -> float:
    """Smallest difference of two independent means that is shown with `power`, in the unit of `sd`.

    (z + z) sd sqrt(2 / n), the usual approximation; n items in each run, `sd` between items.
    """
    z = float(stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power))
    return z * sd * math.sqrt(2 / n_items)
