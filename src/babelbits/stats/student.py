"""Student's t with as many degrees of freedom as there are changed units, less one.

A mean over 1,000 units of which 4 changed is known from 4 values: with 999 degrees of freedom four
equal losses would be significant, with 3 they are not. Where every unit changed this is the
textbook test. Units are independent: items, or one value a cluster.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from babelbits.records import Interval
from babelbits.stats.paired_scores import checked_columns


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanTest:
    """A mean, its standard error, and what Student's t makes of it."""

    estimate: float
    standard_error: float
    df: float
    p_value: float
    """Two-sided, of "the mean is 0"."""
    interval: Interval


def t_of_changed(
    values: ArrayLike, *, n_changed: int | None = None, level: float = 0.95
) -> MeanTest | None:
    """Test of "the mean is 0" and interval of the mean; they agree.

    Parameters
    ----------
    values : shape (n_units,)
        Their mean is the estimate and their spread its error.
    n_changed : int, optional
        Units that speak; those that are not 0 if left out.

    Returns
    -------
    MeanTest or None
        None where fewer than two units changed or the values do not vary.
    """
    table = checked_columns(np.ravel(values))[:, 0]
    changed = int(np.count_nonzero(table)) if n_changed is None else n_changed
    spread = float(np.ptp(table))
    if changed < 2 or spread <= 1e-12 * float(np.abs(table).max()):
        return None
    error = float(np.std(table, ddof=1)) / math.sqrt(table.size)
    return mean_test(float(table.mean()), error, df=changed - 1, level=level)


def mean_test(
    estimate: float, standard_error: float, *, df: float, level: float, name: str = "t"
) -> MeanTest:
    """`MeanTest` from its parts; `standard_error` > 0."""
    p = 2 * float(special.stdtr(df, -abs(estimate) / standard_error))
    half = float(special.stdtrit(df, (1 + level) / 2)) * standard_error
    return MeanTest(
        estimate=estimate,
        standard_error=standard_error,
        df=df,
        p_value=min(1.0, max(p, float(np.finfo(float).tiny))),
        interval=Interval(
            low=estimate - half, high=estimate + half, level=level, method=f"{name}, {df:.4g} df"
        ),
    )
