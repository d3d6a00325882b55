"""How many items changed, beside the net difference.

Two variants with the same net loss may have changed 3 % or 21 % of all answers ("flips", Dutta et
al. 2024, arXiv 2407.09141). Compare with the churn of the A/A run: that is noise.
Sign: `broke` got worse, `fixed` got better, on oriented differences.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from babelbits.records import Interval
from babelbits.stats.binary import wilson
from babelbits.stats.paired_scores import checked_columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Churn:
    """Items whose score changed."""

    n_items: int
    broke: int
    fixed: int
    share: float
    """(broke + fixed) / n_items."""
    interval: Interval
    """Wilson interval of the share."""


def churn(differences: ArrayLike, *, level: float = 0.95, tolerance: float = 1e-12) -> Churn:
    """Count the differences that are not zero.

    Parameters
    ----------
    differences : shape (n_items,)
        Oriented ``variant - baseline``.
    tolerance : float
        Differences up to this size are rounding.
    """
    values = checked_columns(np.ravel(differences))[:, 0]
    broke, fixed = int(np.sum(values < -tolerance)), int(np.sum(values > tolerance))
    return Churn(
        n_items=values.size,
        broke=broke,
        fixed=fixed,
        share=(broke + fixed) / values.size,
        interval=wilson(broke + fixed, values.size, level=level),
    )
