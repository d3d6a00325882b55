"""Showing that nothing beyond a margin happened: two one-sided tests (TOST).

A p-value above 0.05 never shows that. Equivalence at level alpha is shown exactly when the
1 - 2 alpha interval lies inside the margin; any interval method that fits the data may be used.
Equivalence tests are no part of a family of difference tests, and "equivalent in all languages" is
an intersection-union claim: each at alpha, no correction (Berger & Hsu 1996, Statistical Science
11:283).
Sign: harm is negative; margins are positive and in the unit of the difference.
"""

import numpy as np
from numpy.typing import ArrayLike

from babelbits.records import Interval
from babelbits.stats.pairs import paired_differences


def inside_margin(interval: Interval, margin: float) -> bool:
    """Whether an interval of level 1 - 2 alpha lies strictly inside (-margin, +margin)."""
    return -margin < interval.low and interval.high < margin


def not_worse(interval: Interval, margin: float) -> bool:
    """Non-inferiority: the lower end of the 1 - 2 alpha interval lies above -margin."""
    return interval.low > -margin


def tost_paired(baseline: ArrayLike, variant: ArrayLike, *, margin: float) -> float:
    """p-value of two one-sided paired t tests of "the mean difference is beyond ±margin".

    Parameters
    ----------
    baseline, variant : shape (n_items,)
        At least two items.

    References
    ----------
    Schuirmann (1987), J. Pharmacokin. Biopharm. 15:657; `statsmodels` `ttost_paired`.
    """
    from statsmodels.stats.weightstats import ttost_paired  # late: it loads pandas

    paired_differences(baseline, variant)
    p, _, _ = ttost_paired(np.asarray(variant, float), np.asarray(baseline, float), -margin, margin)
    return float(p)
