"""A slope within two kinds of random units that are crossed: models' seeds and items.

Every seed meets every item. Two models of different seeds share the items, and two items share the
seeds, so neither may be taken for independent: few seeds say little, whatever the number of items.
The slope of each seed is split into what every item contributes; these go through `crossed_mean`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from babelbits.stats.crossed_mean import crossed_mean
from babelbits.stats.paired_scores import FloatArray
from babelbits.stats.student import MeanTest


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossedSlope:
    """A slope within seeds and items."""

    estimate: float
    by_seed: tuple[float, ...]
    test: MeanTest | None
    """None where there is one seed or one item, or nothing varies."""
    held: float | None
    """Mean coefficient of the covariate that was held fixed; None without one."""


def crossed_slope(
    outcome: ArrayLike,
    dose: Sequence[float],
    *,
    weights: ArrayLike,
    covariate: ArrayLike | None = None,
    level: float = 0.95,
) -> CrossedSlope:
    """Slope of an outcome on a dose within every seed and item, mean over seeds.

    In each seed a weighted regression with an intercept for every item; the slope of a seed is
    split into what each item contributes (its influence), and these go through `crossed_mean`.

    Parameters
    ----------
    outcome : shape (n_seeds, n_doses, n_items)
        In its own unit.
    dose : shape (n_doses,)
        At least two different ones.
    weights : shape (n_items,)
        Above 0; with an outcome in bits per byte, the items' bytes: without a covariate the slope
        is then that of the total bits over the total bytes.
    covariate : shape (n_seeds, n_doses, n_items), optional
        Held fixed: the slope is that at equal values of it, in the same item and seed.

    Raises
    ------
    ValueError
        If the doses are all alike, or the covariate leaves none of them over.
    """
    y, x = np.asarray(outcome, float), np.asarray(dose, float)
    w = np.asarray(weights, float)
    if np.ptp(x) == 0:
        raise ValueError("a slope needs at least two different doses")
    held = None if covariate is None else np.asarray(covariate, float)
    found = [
        _of_seed(y[seed], x, w, None if held is None else held[seed]) for seed in range(len(y))
    ]
    influence = np.stack([values for values, _ in found])
    slopes = tuple(float(row.mean()) for row in influence)
    gammas = [gamma for _, gamma in found if gamma is not None]
    return CrossedSlope(
        estimate=float(np.mean(slopes)),
        by_seed=slopes,
        test=crossed_mean(influence, level=level),
        held=float(np.mean(gammas)) if gammas else None,
    )


def _of_seed(
    y: FloatArray, x: FloatArray, w: FloatArray, covariate: FloatArray | None
) -> tuple[FloatArray, float | None]:
    """What each item contributes to a seed's slope, whose mean is the slope; the covariate's."""
    dose = np.broadcast_to((x - x.mean())[:, None], y.shape)
    y = y - y.mean(axis=0)
    gamma = None
    rest = dose
    if covariate is not None:
        z = covariate - covariate.mean(axis=0)
        own = float((w * z * z).sum())
        shared = float((w * z * dose).sum())
        rest = dose - z * (shared / own if own else 0.0)
    size = float((w * rest * dose).sum())
    if size <= 1e-12 * float((w * dose * dose).sum()):
        raise ValueError("the covariate follows the dose exactly: none of it is left over")
    slope = float((w * rest * y).sum()) / size
    residual = y - slope * dose
    if covariate is not None:
        gamma = float((w * z * residual).sum()) / own if own else 0.0
        residual = residual - gamma * z
    return slope + y.shape[1] * (w * rest * residual).sum(axis=0) / size, gamma
