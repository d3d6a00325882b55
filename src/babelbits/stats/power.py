"""What a comparison could have seen: minimal detectable effects and numbers of items.

For right/wrong items everything follows from the churn: the share of items that changed. Effects
are sizes (no sign) in the unit of the metric; tests are two-sided at `alpha` unless said otherwise.
"""

import math

from scipy import special

ALPHA = 0.05
POWER = 0.80


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
