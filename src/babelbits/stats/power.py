"""What a comparison could have seen: minimal detectable effects and numbers of items.

For right/wrong items everything follows from the churn: the share of items that changed. Effects
are sizes (no sign) in the unit of the metric; tests are two-sided at `alpha` unless said otherwise.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize, special, stats

ALPHA = 0.05
POWER = 0.80
_NEGLIGIBLE = 1e-15


def _z(probability: float) -> float:
    return float(special.ndtri(probability))


def mcnemar_sample_size(
    effect: float, *, churn: float, alpha: float = ALPHA, power: float = POWER
) -> float:
    """Paired items (not rounded up) to see a net change `effect` when a share `churn` changes.

    References
    ----------
    Miettinen (1968), Biometrics 24:339; Connor (1987), Biometrics 43:207.

    Raises
    ------
    ValueError
        Unless 0 < effect <= churn <= 1.
    """
    if not 0 < effect <= churn <= 1:
        raise ValueError(
            f"a net change of {effect} needs 0 < effect <= churn <= 1; churn is {churn}"
        )
    root = _z(1 - alpha / 2) * math.sqrt(churn) + _z(power) * math.sqrt(churn - effect**2)
    return (root / effect) ** 2


def mcnemar_minimal_effect(
    n_items: int, *, churn: float, alpha: float = ALPHA, power: float = POWER
) -> float | None:
    """Smallest net change that `n_items` paired items would show with probability `power`.

    The inverse of `mcnemar_sample_size` in closed form.

    Returns
    -------
    float or None
        A fraction; None if not even a loss by every changed item would be shown.
    """
    z_a, z_b = _z(1 - alpha / 2), _z(power)
    scale = n_items + z_b**2
    inner = churn * z_b**2 * (n_items - z_a**2 + z_b**2)
    if inner < 0 or churn == 0:
        return None
    effect = (math.sqrt(n_items * churn) * z_a + math.sqrt(inner)) / scale
    return effect if effect <= churn else None


def equivalence_sample_size(
    margin: float, *, churn: float, alpha: float = ALPHA, power: float = POWER
) -> float:
    """Paired right/wrong items to show equivalence within `margin` when the truth is 0 (TOST)."""
    return (_z(1 - alpha) + _z((1 + power) / 2)) ** 2 * churn / margin**2


def mean_minimal_effect(
    n_items: int, *, sd: float, alpha: float = ALPHA, power: float = POWER
) -> float | None:
    """Smallest mean difference that a paired t test on `n_items` would show.

    Parameters
    ----------
    n_items : int
        Independent units: items, or clusters.
    sd : float
        Standard deviation of the paired differences, in the metric's unit.

    Returns
    -------
    float or None
        (t + t) sd / sqrt(n), the usual approximation of the noncentral t, within 2 % from ten
        units on; None below two units or without spread.
    """
    if n_items < 2 or sd == 0:
        return None
    df = n_items - 1
    t_a, t_b = special.stdtrit(df, 1 - alpha / 2), special.stdtrit(df, power)
    return float(t_a + t_b) * sd / math.sqrt(n_items)


# --- exact -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemarPower:
    """What a McNemar test of a given size does."""

    power: float
    """Chance of a significant result under the alternative."""
    actual_alpha: float
    """The same when items break as often as they are fixed, at the same churn."""


def mcnemar_power(
    n_items: int,
    *,
    broke: float,
    fixed: float,
    alpha: float = ALPHA,
    test: Literal["exact", "mid-p"] = "mid-p",
    sided: Literal[1, 2] = 2,
) -> McNemarPower:
    """Exact power of McNemar's test, summed over the numbers of changed items.

    Parameters
    ----------
    n_items : int
    broke, fixed : float
        Expected shares of all items; their sum is the churn.
    sided : 1 or 2
        1: the test of "more broke than were fixed" alone.

    Raises
    ------
    ValueError
        Unless the shares are >= 0 with a sum in (0, 1], and there are items.

    References
    ----------
    Duffy (1984), Biometrics 40:1005 (unconditional power of the conditional test); example in the
    manual of G*Power 3.1, "Proportion: inequality, two dependent groups (McNemar)".
    """
    churn = broke + fixed
    if n_items < 1 or min(broke, fixed) < 0 or not 0 < churn <= 1:
        raise ValueError(
            f"shares {broke} and {fixed} of {n_items} items: they are >= 0, with a sum in (0, 1]"
        )
    power = actual = 0.0
    for changed in range(1, n_items + 1):
        weight = float(stats.binom.pmf(changed, n_items, churn))
        if weight < _NEGLIGIBLE:
            continue
        rejected = _rejected(changed, alpha=alpha / sided, half=test == "mid-p")
        power += weight * _hit(rejected, changed, broke / churn, sided=sided)
        actual += weight * _hit(rejected, changed, 0.5, sided=sided)
    return McNemarPower(power=power, actual_alpha=actual)


def _rejected(changed: int, *, alpha: float, half: bool) -> int:
    """Most fixed items, of `changed`, with which "more broke" is significant; -1: never."""
    counts = np.arange(changed // 2 + 1)
    tails = special.bdtr(counts, changed, 0.5)
    tails = tails - stats.binom.pmf(counts, changed, 0.5) / 2 if half else tails
    return int(np.sum(tails <= alpha)) - 1


def _hit(most: int, changed: int, share_broke: float, *, sided: int) -> float:
    if most < 0:
        return 0.0
    tail = float(stats.binom.cdf(most, changed, 1 - share_broke))
    other = float(stats.binom.cdf(most, changed, share_broke)) if sided == 2 else 0.0
    return tail + other


def mean_power(n_items: int, *, effect: float, sd: float, alpha: float = ALPHA) -> float:
    """Power of a paired t test on `n_items` (>= 2) units, from the noncentral t distribution."""
    return _t_power(n_items, n_items - 1, effect / sd, alpha)


def mean_sample_size(
    effect: float, *, sd: float, alpha: float = ALPHA, power: float = POWER
) -> float:
    """Units (not rounded up) with which a paired t test sees a mean difference `effect`.

    References
    ----------
    `statsmodels` `TTestPower`; R `pwr.t.test(type="paired")`.
    """
    return _solved(lambda n: _t_power(n, n - 1, effect / sd, alpha), power)


def two_sample_size(
    effect: float, *, sd: float, alpha: float = ALPHA, power: float = POWER
) -> float:
    """Units in *each* of two independent samples to see a difference of their means.

    What a double difference needs where the two languages share no items.

    References
    ----------
    `statsmodels` `TTestIndPower`; R `pwr.t.test(type="two.sample")`.
    """
    return _solved(lambda n: _t_power(n / 2, 2 * n - 2, effect / sd, alpha), power)


def _t_power(n: float, df: float, d: float, alpha: float) -> float:
    critical, shift = float(special.stdtrit(df, 1 - alpha / 2)), abs(d) * math.sqrt(n)
    return float(1 - special.nctdtr(df, shift, critical) + special.nctdtr(df, shift, -critical))


def _solved(reached: Callable[[float], float], power: float) -> float:
    high = 4.0
    while reached(high) < power:
        high *= 2
    if reached(2.0) >= power:
        return 2.0
    return float(optimize.brentq(lambda n: reached(n) - power, 2.0, high, xtol=1e-9))


def equivalence_power(
    n_items: int, *, margin: float, churn: float, delta: float = 0.0, alpha: float = ALPHA
) -> float:
    """Chance to show equivalence (TOST) of paired right/wrong items; normal approximation.

    Parameters
    ----------
    delta : float
        The true difference, |delta| <= churn.

    References
    ----------
    Julious (2004), Statistics in Medicine 23:1921, section on equivalence.
    """
    if n_items < 1 or not abs(delta) <= churn <= 1 or margin <= 0:
        raise ValueError(
            f"{n_items} items, margin {margin}, churn {churn}, delta {delta}: "
            "items and margin are positive and |delta| <= churn <= 1"
        )
    error = math.sqrt((churn - delta**2) / n_items)
    if error == 0:
        return float(abs(delta) < margin)
    z = _z(1 - alpha)
    up, down = (margin - delta) / error - z, (margin + delta) / error - z
    return max(0.0, float(special.ndtr(up) + special.ndtr(down) - 1))
