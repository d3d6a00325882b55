"""How large a gain looks when nothing is better: regression to the mean.

Whoever reports the best of many variants reports its luck as well. If k comparisons of no true
difference have standard errors s, the best of them is expected to show a gain; a "better" that does
not stand out from it, or from the baseline run twice (A/A), will shrink when it is measured again.
Gains are positive, in the unit of the metric.
"""

from collections.abc import Sequence

import numpy as np
from scipy import special

from babelbits.stats.paired_scores import FloatArray

_STEPS = 2001
_FAR = 9.0
"""Standard errors beyond which a normal variable has no weight."""


def expected_best(errors: Sequence[float]) -> float:
    """Expected largest of k independent normal differences of mean 0.

    Comparisons with one baseline are positively correlated, and then the largest is expected to be
    smaller (Slepian's inequality): this is an upper bound for them.

    Parameters
    ----------
    errors : sequence of float
        Standard error of each comparison, >= 0; those of 0 stay at 0.

    Raises
    ------
    ValueError
        If there are no comparisons, or an error is negative or not finite.

    References
    ----------
    Harter (1961), Biometrika 48:151, tables the expected largest of k standard normal values.
    """
    spread = np.asarray(errors, float)
    if spread.size == 0 or not np.isfinite(spread).all() or spread.min() < 0:
        raise ValueError("the best of several comparisons needs one standard error >= 0 each")
    top = float(spread.max())
    if top == 0:
        return 0.0
    x = np.linspace(0.0, _FAR * top, _STEPS)
    gain = np.trapezoid(1 - _all_below(x, spread[spread > 0]), x)
    loss = 0.0 if spread.min() == 0 else np.trapezoid(_all_below(-x, spread), x)
    return max(0.0, float(gain - loss))


def _all_below(x: FloatArray, spread: FloatArray) -> FloatArray:
    """Chance that every difference is at most x."""
    errors, counts = np.unique(spread, return_counts=True)
    return np.asarray(np.exp(special.log_ndtr(x[:, None] / errors) @ counts))


def stands_out(gain: float, *, best_by_chance: float, aa: float | None) -> bool:
    """Whether a gain is larger than the best by chance and than the baseline's own difference.

    Parameters
    ----------
    aa : float or None
        Difference of the baseline run twice, any sign; None where it was not run.
    """
    return gain > best_by_chance and (aa is None or gain > abs(aa))
