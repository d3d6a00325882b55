"""Is quality wearing away from release to release? A cumulative sum with a stated run length.

Each release is held against the one before on the same items; the signed z of each comparison is
summed up, less an allowance, and never below zero. One small loss says nothing; several in a row
do. The limit is set by how often one accepts a false alarm: the average run length is the mean
number of releases until an alarm where no release is worse than the one before.
Sign: z is oriented, harm is negative; the sum is positive and grows with harm.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

ALLOWANCE = 0.5
"""Half the loss, in standard errors of one comparison, that shall be found soonest."""
_STATES = 201


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A cumulative sum over releases."""

    sums: tuple[float, ...]
    """After each release; it starts again from zero after an alarm."""
    alarms: tuple[int, ...]
    """Places of the releases at which the sum exceeded the limit."""
    limit: float


def z_of(p_value: float | None, delta: float) -> float:
    """Signed z of a two-sided p; 0 where there is no p or nothing changed.

    Under "not worse than before" and a valid p, it is at most as large as a standard normal.
    """
    if p_value is None or delta == 0:
        return 0.0
    size = -float(special.ndtri(max(p_value, 1e-300) / 2))
    return math.copysign(size, delta)


def cumulate(z: Sequence[float], *, limit: float, allowance: float = ALLOWANCE) -> Chart:
    """Page's one-sided cumulative sum of losses.

    Parameters
    ----------
    z : sequence of float
        Of each release against the one before, oriented.
    limit : float
        Of the sum, > 0; see `limit_for`.
    """
    total, sums, alarms = 0.0, [], []
    for place, one in enumerate(z):
        total = max(0.0, total - one - allowance)
        sums.append(total)
        if total > limit:
            alarms.append(place)
            total = 0.0
    return Chart(sums=tuple(sums), alarms=tuple(alarms), limit=limit)


def run_length(limit: float, *, shift: float = 0.0, allowance: float = ALLOWANCE) -> float:
    """Average number of releases until an alarm, for independent normal z of variance 1.

    Parameters
    ----------
    limit : float
        Of the sum, > 0.
    shift : float
        True mean of z; negative: every release is worse than the one before.

    Returns
    -------
    float
        By a Markov chain over the values of the sum, 201 of them; within 1 % of published tables.

    References
    ----------
    Page (1954), Biometrika 41:100; Brook & Evans (1972), Biometrika 59:539.
    """
    width = 2 * limit / (2 * _STATES - 1)
    centres = width * np.arange(_STATES)
    # The sum moves by -z - allowance: normal around -(shift + allowance).
    middle = centres[:, None] - shift - allowance
    upper = special.ndtr(centres[None, :] + width / 2 - middle)
    lower = special.ndtr(centres[None, :] - width / 2 - middle)
    lower[:, 0] = 0.0  # everything below zero is zero
    moves = upper - lower
    lengths = np.linalg.solve(np.eye(_STATES) - moves, np.ones(_STATES))
    return float(lengths[0])


def limit_for(length: float, *, allowance: float = ALLOWANCE) -> float:
    """The limit at which a false alarm comes once in so many releases on average.

    Parameters
    ----------
    length : float
        Average run length where nothing gets worse; at least 5.

    Raises
    ------
    ValueError
        If it is below 5 or above a million.
    """
    if not 5 <= length <= 1e6:
        raise ValueError(f"an average run length is between 5 and 1,000,000 releases; got {length}")

    def excess(limit: float) -> float:
        return math.log(run_length(limit, allowance=allowance) / length)

    root: float = optimize.brentq(excess, 0.05, 30.0, xtol=1e-6)
    return root
