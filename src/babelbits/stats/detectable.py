"""The loss that a verdict rule calls "worse" in 80 % of studies, and the items that show a margin.

The rule is that of the reports: the p-value is at most its *local level* (alpha divided by the
members of the Holm family, where all others are harmless) and the interval of level 1 - alpha lies
below zero. Right/wrong items are discrete, so their chances are summed over what can happen, not
approximated. Sizes have no sign and are in the unit of the metric.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy import optimize, special, stats

from babelbits.stats.binary import z_value
from babelbits.stats.mean_tests import fewest_units
from babelbits.stats.paired_scores import FloatArray, IntArray

ALPHA = 0.05
POWER = 0.80
"""Share of studies that are to see what is called detectable."""

_SPREADS = 9.0
"""Numbers of changed items so many standard deviations from their mean are left out."""


# --- right/wrong items -------------------------------------------------------------------------


def equivalence_sample_size(
    margin: float, *, churn: float, alpha: float = ALPHA, power: float = POWER
) -> float:
    """Paired right/wrong items to show equivalence within `margin` when the truth is 0 (TOST).

    Parameters
    ----------
    churn : float
        Share of the items that change.
    """
    quantiles = special.ndtri(1 - alpha) + special.ndtri((1 + power) / 2)
    return float(quantiles) ** 2 * churn / margin**2


def worse_power(
    n_items: int,
    *,
    broke: float,
    fixed: float,
    level: float,
    alpha: float,
    confirmed: float | None = None,
) -> float:
    """Chance that paired right/wrong items are called worse: mid-p McNemar and Tango's interval.

    Parameters
    ----------
    n_items : int
        At least 1.
    broke, fixed : float
        Expected shares of all items; their sum is the churn, in [0, 1].
    level : float
        Largest two-sided p that counts, e.g. alpha / 13.
    alpha : float
        The interval has the level 1 - alpha; 1 where no interval is asked.
    confirmed : float, optional
        Largest one-sided p of the exact binomial test, where the report as a whole is to confirm
        the loss, too.

    Returns
    -------
    float
        Exact but for numbers of changed items of negligible probability.
    """
    churn = min(1.0, broke + fixed)
    if churn <= 0:
        return 0.0
    low, high = _window(n_items, churn)
    changed = np.arange(low, high + 1)
    most = _most_fixed(low, high, level, alpha, confirmed)
    hit = np.where(most >= 0, special.bdtr(np.maximum(most, 0), changed, fixed / churn), 0.0)
    return float(stats.binom.pmf(changed, n_items, churn) @ hit)


def _window(n_items: int, churn: float) -> tuple[int, int]:
    away = _SPREADS * math.sqrt(n_items * churn * (1 - churn)) + _SPREADS
    low, high = math.floor(n_items * churn - away), math.ceil(n_items * churn + away)
    return max(1, low), min(n_items, high)


@lru_cache(maxsize=256)
def _most_fixed(
    low: int, high: int, level: float, alpha: float, confirmed: float | None
) -> IntArray:
    """Most fixed items with which `low` to `high` changed ones are called worse; -1: never."""
    changed = np.arange(low, high + 1)
    edge = np.asarray(stats.binom.ppf(level / 2, changed, 0.5)).astype(int)
    middle = special.bdtr(edge, changed, 0.5) - stats.binom.pmf(edge, changed, 0.5) / 2
    by_p = np.where(middle <= level / 2, edge, edge - 1)
    z = float(special.ndtri(1 - alpha / 2)) if alpha < 1 else 0.0
    by_interval = np.ceil((changed - z * np.sqrt(changed)) / 2).astype(int) - 1
    most = np.minimum(by_p, by_interval)
    if confirmed is not None:
        edge = np.asarray(stats.binom.ppf(confirmed, changed, 0.5)).astype(int)
        exact = np.where(special.bdtr(edge, changed, 0.5) <= confirmed, edge, edge - 1)
        most = np.minimum(most, exact)
    return np.asarray(most)


@lru_cache(maxsize=4096)
def detectable_share(
    n_items: int,
    *,
    churn: float,
    level: float,
    alpha: float,
    confirmed: float | None = None,
    power: float = POWER,
) -> float | None:
    """The smallest net loss of right/wrong items that is called worse with probability `power`.

    Losses come within the churn as long as there is room: a share (churn + loss) / 2 breaks and
    (churn - loss) / 2 is fixed. A loss above the churn raises it: then all that changes breaks.

    Parameters
    ----------
    churn : float
        Share of items that change, in [0, 1].
    level, alpha, confirmed : float
        See `worse_power`.

    Returns
    -------
    float or None
        In (0, 1]; None if not even the loss of every item would be called worse.
    """

    def reached(loss: float) -> float:
        whole = max(churn, loss)
        shares = (whole + loss) / 2, max(0.0, (whole - loss) / 2)
        return worse_power(
            n_items, broke=shares[0], fixed=shares[1], level=level, alpha=alpha, confirmed=confirmed
        )

    return _smallest(reached, power)


def _smallest(reached: Callable[[float], float], power: float) -> float | None:
    """By bisection; chances of discrete tests rise with the effect but for jumps below a step."""
    if reached(1.0) < power:
        return None
    low, high = 0.0, 1.0
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) >= power else (middle, high)
    return high


# --- means of units ----------------------------------------------------------------------------


def detectable_mean(
    n_units: int,
    *,
    sd: float,
    level: float,
    arm: float,
    power: float = POWER,
) -> float | None:
    """The smallest loss of a mean that is called worse with probability `power`.

    The mean has to fall below zero by more than both the test's critical value and the upper arm of
    the interval that stands beside it; to do so in 80 % of studies it has to lie further out by
    what a mean varies.

    Parameters
    ----------
    n_units : int
        Independent units.
    sd : float
        Standard deviation of the units' differences.
    arm : float
        Upper end of the interval of level 1 - alpha less the estimate.

    Returns
    -------
    float or None
        None below two units or without spread.
    """
    if n_units < 2 or sd == 0:
        return None
    df, error = n_units - 1, sd / math.sqrt(n_units)
    critical = max(float(special.stdtrit(df, 1 - level / 2)) * error, arm)
    return critical + float(special.stdtrit(df, power)) * error


def changes_needed(level: float) -> int:
    """Changed units below which no sign-flip test reaches `level`: 2^(1 - k) is its smallest p."""
    return math.ceil(1 - math.log2(level))


def share_to_change(n_units: int, *, changes: int, power: float = POWER) -> float | None:
    """Share of units that has to change for so many of them to do so with probability `power`."""
    if changes > n_units:
        return None
    return float(special.bdtri(changes - 1, n_units, 1 - power))


# --- showing that nothing beyond a margin happened ---------------------------------------------


@lru_cache(maxsize=4096)
def within_power(n_items: int, *, margin: float, churn: float, alpha: float, both: bool) -> float:
    """Chance that right/wrong items show a margin by Tango's interval, where nothing is truly lost.

    Parameters
    ----------
    churn : float
        Share of items that change, in [0, 1]; as many break as are fixed.
    alpha : float
        One-sided: the interval has the level 1 - 2 alpha.
    both : bool
        True: equivalence. False: not worse.

    Returns
    -------
    float
        Exact but for numbers of changed items of negligible probability.
    """
    z = float(special.ndtri(1 - alpha))
    if churn <= 0:
        return float(z**2 / (n_items + z**2) < margin)
    low, high = _window(n_items, churn)
    changed = np.arange(0 if low == 1 else low, high + 1)
    most = _most_broke(n_items, changed, margin, z)
    reach = np.where(most >= 0, special.bdtr(np.maximum(most, 0), np.maximum(changed, 1), 0.5), 0.0)
    if both:  # fixed - broke may not exceed the margin either: the mirror image
        reach = np.maximum(0.0, 2 * reach - 1)
    reach = np.where(changed == 0, (most >= 0).astype(float), reach)
    return float(stats.binom.pmf(changed, n_items, churn) @ reach)


def _most_broke(n_items: int, changed: IntArray, margin: float, z: float) -> IntArray:
    """Most broken items, of each number changed, with which "not worse" is shown; -1: never."""
    low, high = np.full(changed.shape, -1), changed.copy()
    while (low < high).any():
        middle = (low + high + 1) // 2
        fits = _score(n_items, middle, changed - middle, -margin) > z
        low, high = np.where(fits, middle, low), np.where(fits, high, middle - 1)
    return low


def _score(n_items: int, broke: IntArray, fixed: IntArray, delta: float) -> FloatArray:
    """Tango's score statistic of many tables, see `binary.score_statistic`."""
    linear = broke + fixed - delta * (2 * n_items + broke - fixed)
    root = np.sqrt(np.maximum(0.0, linear**2 + 8 * n_items * broke * delta * (1 - delta)))
    variance = np.maximum(0.0, (linear + root) / (2 * n_items) + delta - delta**2)
    away = fixed - broke - n_items * delta
    with np.errstate(divide="ignore", invalid="ignore"):
        found = away / np.sqrt(n_items * variance)
    sure = np.where(away > 0, np.inf, np.where(away < 0, -np.inf, 0.0))
    return np.where(variance > 0, found, sure)


def joint_power(single: float, *, questions: int, correlation: float) -> float:
    """Chance that all of several equally likely claims are shown.

    Parameters
    ----------
    single : float
        Chance of each, in (0, 1).
    questions : int
        At least 1.
    correlation : float
        Between any two of the estimates, in [0, 1): 0 where nothing is known, which promises least.

    Returns
    -------
    float
        Of estimates that are jointly normal, by integration over what they share.

    References
    ----------
    Dunnett & Sobel (1955), Biometrika 42:258, on equally correlated normal variables.
    """
    if questions == 1 or single <= 0 or single >= 1:
        return single
    edge = float(special.ndtri(single))
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    inside = (edge - math.sqrt(correlation) * nodes) / math.sqrt(1 - correlation)
    return float(weights @ special.ndtr(inside) ** questions / math.sqrt(2 * math.pi))


def single_power(joint: float, *, questions: int, correlation: float) -> float:
    """The chance that each of several claims must have for all of them to be shown: the inverse."""
    if questions == 1:
        return joint
    return float(
        optimize.brentq(
            lambda one: joint_power(one, questions=questions, correlation=correlation) - joint,
            joint,
            1 - 1e-12,
        )
    )


def fewest_items(
    *, binary: bool, margin: float, cap: float | None, alpha: float = ALPHA
) -> int | None:
    """Items below which nothing shows a margin, even if no score changes at all.

    Parameters
    ----------
    binary : bool
        Right/wrong items: Tango's interval of n unchanged ones is z² / (n + z²) wide on each side.
    cap : float or None
        The most that one item of another kind can lose.

    Returns
    -------
    int or None
        None where no cap is declared: then no number of items is enough.
    """
    if binary:
        return math.floor(z_value(1 - 2 * alpha) ** 2 * (1 / margin - 1)) + 1
    return None if cap is None else fewest_units(margin, cap=cap, alpha=alpha)
