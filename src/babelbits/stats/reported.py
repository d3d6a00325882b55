"""Tests that a published study reported, so that its analysis can be repeated beside a better one.

These are RECONSTRUCTIONS for comparison, never the basis of a verdict. Borgersen & Goodwin (2025,
arXiv 2503.03592) compared importance matrices in three languages; by one account with independent
t-tests, by another with a Monte Carlo binomial model; both ignore that the two models answered the
same items, and their correction is Bonferroni over 12 comparisons. On paired data that loses most
of the power there is: `paired_beside_reported` shows it.
Sign: ``delta = variant - baseline``, so harm is negative. p-values are two-sided.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from babelbits.records import Interval
from babelbits.stats.binary import mcnemar_midp, paired_table, tango
from babelbits.stats.pairs import paired_differences
from babelbits.stats.power import ALPHA, POWER, mcnemar_minimal_effect

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Reported and paired analysis of the same items."""

    n_items: int
    delta: float
    t_test_p: float
    """As reported, reconstruction."""
    monte_carlo_p: float
    """As reported, reconstruction."""
    paired_p: float
    """Mid-p McNemar."""
    paired_interval: Interval
    """Tango."""
    bonferroni_alpha: float
    unpaired_minimal_effect: float
    """Smallest difference that the unpaired test would show with 80 % power, at `alpha`."""
    paired_minimal_effect: float | None
    """The same for McNemar's test at the churn seen; None if no loss could be shown."""


def paired_beside_reported(
    baseline: ArrayLike,
    variant: ArrayLike,
    *,
    rng: np.random.Generator,
    draws: int = 10_000,
    alpha: float = ALPHA,
    comparisons: int = COMPARISONS,
) -> Beside:
    """What a paired analysis says of the items that an unpaired one was reported for.

    Parameters
    ----------
    baseline, variant : shape (n_items,)
        0 or 1 per item, in the same item order.
    """
    table = paired_table(baseline, variant)
    churn = (table.broke + table.fixed) / table.n_items
    return Beside(
        n_items=table.n_items,
        delta=table.delta,
        t_test_p=independent_t_test(baseline, variant),
        monte_carlo_p=monte_carlo_binomial(baseline, variant, rng=rng, draws=draws),
        paired_p=mcnemar_midp(table).p_value,
        paired_interval=tango(table, level=1 - alpha),
        bonferroni_alpha=bonferroni_alpha(alpha, comparisons=comparisons),
        unpaired_minimal_effect=unpaired_minimal_effect(
            table.n_items, share=(table.both_right + table.broke) / table.n_items, alpha=alpha
        ),
        paired_minimal_effect=mcnemar_minimal_effect(table.n_items, churn=churn, alpha=alpha),
    )


def unpaired_minimal_effect(
    n_items: int, *, share: float, alpha: float = ALPHA, power: float = POWER
) -> float:
    """Smallest difference of two independent shares near `share` that is shown with `power`.

    (z + z) sqrt(2 p (1 - p) / n), the usual approximation; n items in each run.
    """
    z = float(stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power))
    return z * math.sqrt(2 * share * (1 - share) / n_items)
