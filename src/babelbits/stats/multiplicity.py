"""Many tests at once: adjusted p-values, in the order they came.

Holm bounds the chance of any false alarm in a declared family; Benjamini-Hochberg bounds the share
of false alarms in an exploratory map. Adjust once, before any filtering of rows.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down adjusted p-values.

    Written out because `statsmodels` `multipletests`, which the tests compare it with, collects
    garbage on every call: a second each time while a large study's items are in memory.

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6:65.
    """
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(p.size)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    return tuple(float(value) for value in np.minimum(adjusted, 1.0))


def benjamini_hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    """Benjamini-Hochberg adjusted p-values.

    References
    ----------
    Benjamini & Hochberg (1995), JRSS B 57:289; `scipy.stats.false_discovery_control`.
    """
    if not p_values:
        return ()
    return tuple(float(p) for p in stats.false_discovery_control(list(p_values)))
