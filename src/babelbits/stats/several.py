"""Several variants on the same right/wrong items: whether any of them differ at all.

A screen before the pairwise tests, never instead of them. With two columns it is McNemar's
chi-squared without continuity correction.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from babelbits.stats.paired_scores import checked_columns


@dataclass(frozen=True, slots=True, kw_only=True)
class CochranResult:
    """Outcome of Cochran's Q test."""

    statistic: float
    df: int
    """Variants less one."""
    p_value: float
    """1.0 when no item separates the variants."""


def cochran_q(scores: ArrayLike) -> CochranResult:
    """Test of "all variants are right equally often".

    Written out because `statsmodels`, with which the tests compare it, divides by zero where no
    item separates the variants.

    Parameters
    ----------
    scores : shape (n_items, n_variants)
        0 or 1; at least two variants, in the same item order.

    Raises
    ------
    UnpairedItemsError
        If there are no items, or a score is missing.
    ValueError
        If a score is neither 0 nor 1, or there are fewer than two variants.

    References
    ----------
    Cochran (1950), Biometrika 37:256.
    """
    table = checked_columns(scores)
    k = table.shape[1]
    if k < 2 or not np.isin(table, (0, 1)).all():
        raise ValueError(f"{k} columns: Cochran's Q needs two or more of 0 and 1")
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    spread = float(np.sum(rows * (k - rows)))
    away = float(np.sum((columns - columns.mean()) ** 2))
    q = 0.0 if spread == 0 else k * (k - 1) * away / spread
    return CochranResult(statistic=q, df=k - 1, p_value=float(special.chdtrc(k - 1, q)))
