"""Spearman's rank correlation with an interval, alone and with other quantities held fixed.

For few units (languages): the interval is by Fisher's transformation with Bonett and Wright's
variance, which does not take it that the correlation is 0. Never a test of a cause.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from babelbits.records import Interval
from babelbits.stats.paired_scores import FloatArray

_FEWEST = 3
"""Units beyond which, and beyond what is held fixed, there must be one more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankCorrelation:
    """Of two quantities over units."""

    r: float
    """In [-1, 1]."""
    interval: Interval
    n_units: int
    detectable: float | None
    """Smallest true correlation whose interval excludes 0 in 80 % of studies of so many units; None
    where none below 1 is."""


def spearman(
    first: ArrayLike, second: ArrayLike, *, controls: ArrayLike | None = None, level: float = 0.95
) -> RankCorrelation | None:
    """Rank correlation, or partial rank correlation given `controls`.

    Parameters
    ----------
    first, second : shape (n,)
        Equal values share their mean rank.
    controls : shape (n, k), optional
        Held fixed: the ranks of both are taken less what the ranks of these tell of them.

    Returns
    -------
    RankCorrelation or None
        None with fewer than 4 + k units, or where nothing is left that varies.

    Raises
    ------
    ValueError
        If lengths differ.

    References
    ----------
    Bonett & Wright (2000), Psychometrika 65:23 (the variance; for partial correlations the units
    count less by the number of controls, Fisher 1924).
    """
    x, y = np.asarray(first, float), np.asarray(second, float)
    held = np.empty((x.size, 0)) if controls is None else np.asarray(controls, float)
    if x.shape != y.shape or held.shape[0] != x.size:
        raise ValueError("the quantities and the controls differ in length")
    df = x.size - _FEWEST - held.shape[1]
    if df < 1:
        return None
    ranks = [_left(stats.rankdata(one), held) for one in (x, y)]
    sizes = [float(np.linalg.norm(one)) for one in ranks]
    if min(sizes) < 1e-9 * x.size:
        return None
    r = float(np.clip(ranks[0] @ ranks[1] / (sizes[0] * sizes[1]), -1, 1))
    limit = 1 - 1e-12
    centre = math.atanh(max(-limit, min(limit, r)))
    half = float(special.ndtri((1 + level) / 2)) * math.sqrt((1 + r * r / 2) / df)
    return RankCorrelation(
        r=r,
        interval=Interval(
            low=math.tanh(centre - half),
            high=math.tanh(centre + half),
            level=level,
            method="Fisher z, Bonett-Wright variance",
        ),
        n_units=x.size,
        detectable=_detectable(df, level=level),
    )


def _left(ranks: FloatArray, held: FloatArray) -> FloatArray:
    """What the ranks of the controls, and a mean, do not tell."""
    columns = [stats.rankdata(one) for one in held.T]
    design = np.column_stack([np.ones(ranks.size), *columns])
    coefficients, *_ = np.linalg.lstsq(design, ranks, rcond=None)
    return np.asarray(ranks - design @ coefficients)


def _detectable(df: int, *, level: float, power: float = 0.80) -> float | None:
    reach = float(special.ndtri((1 + level) / 2) + special.ndtri(power)) / math.sqrt(df)

    def lacking(r: float) -> float:
        return math.atanh(r) - reach * math.sqrt(1 + r * r / 2)

    highest = 1 - 1e-9
    if lacking(highest) < 0:
        return None
    return float(optimize.brentq(lacking, 0.0, highest))
