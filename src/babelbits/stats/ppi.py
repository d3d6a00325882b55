"""A mean from few human labels and many labels of a judge: prediction-powered inference.

The judge may be biased, in some languages more than in others: the human labels measure its error
on items like the rest and correct for it, so the interval holds whatever the judge is worth. A
useless judge costs (nearly) nothing with the tuned weight.
The human-labelled items must be a random part of all, and are not among the judge-only ones.
Sign and unit: those of the labels, e.g. net preference in [-1, 1], harm negative.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from babelbits.errors import UnpairedItemsError
from babelbits.records import Interval
from babelbits.stats.paired_scores import FloatArray, checked_columns


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionPoweredMean:
    """A mean over items like these."""

    estimate: float
    standard_error: float
    interval: Interval
    weight: float
    """Lambda: 0 ignores the judge, 1 trusts its differences fully."""
    n_human: int
    n_judge_only: int
    judge_bias: float
    """Mean of judge less human on the items that have both."""
    human_only_standard_error: float
    """What the human labels alone would give."""


def prediction_powered_mean(
    human: ArrayLike,
    judge: ArrayLike,
    judge_only: ArrayLike,
    *,
    weight: float | None = None,
    level: float = 0.95,
) -> PredictionPoweredMean:
    """Mean human label over all items.

    theta = mean(human) + weight (mean(judge_only) - mean(judge)).

    Parameters
    ----------
    human, judge : shape (n,)
        Labels of the same items by people (averaged within a prompt) and by the judge; n >= 2.
    judge_only : shape (N,)
        The judge's labels of other items; N >= 2.
    weight : float, optional
        In [0, 1]; 1 is the original method. Left out: the one of smallest variance, estimated from
        the data (power tuning), Cov(human, judge) / ((1 + n/N) Var(judge)) clipped to [0, 1].

    Returns
    -------
    PredictionPoweredMean
        The interval uses Student's t with n - 1 degrees, as it rests on few human labels; the
        papers use the normal quantile.

    References
    ----------
    Angelopoulos, Bates, Fannjiang, Jordan, Zrnic (2023), Science 382:669; Angelopoulos, Duchi,
    Zrnic (2023), arXiv 2311.01453 (PPI++), section 6 for the weight.

    Raises
    ------
    UnpairedItemsError
        If human and judge are not about the same items, or a label is missing.
    ValueError
        If there are fewer than two items of a kind, or the weight is outside [0, 1].
    """
    y, f, rest = (_column(values) for values in (human, judge, judge_only))
    if y.size != f.size:
        raise UnpairedItemsError(
            f"{y.size} human and {f.size} judge labels", hint="join both on the item"
        )
    if min(y.size, rest.size) < 2:
        raise ValueError(
            f"needs two items with human labels and two without; got {y.size} and {rest.size}"
        )
    if weight is not None and not 0 <= weight <= 1:
        raise ValueError(f"the weight lies in [0, 1]; got {weight}")
    lam = _tuned_weight(y, f, rest) if weight is None else weight
    estimate = float(y.mean() + lam * (rest.mean() - f.mean()))
    variance = np.var(y - lam * f, ddof=1) / y.size + lam**2 * np.var(rest, ddof=1) / rest.size
    error = math.sqrt(float(variance))
    half = float(special.stdtrit(y.size - 1, (1 + level) / 2)) * error
    return PredictionPoweredMean(
        estimate=estimate,
        standard_error=error,
        interval=Interval(
            low=estimate - half,
            high=estimate + half,
            level=level,
            method=f"prediction-powered t, {y.size - 1} df",
        ),
        weight=lam,
        n_human=y.size,
        n_judge_only=rest.size,
        judge_bias=float(f.mean() - y.mean()),
        human_only_standard_error=float(y.std(ddof=1)) / math.sqrt(y.size),
    )


def _column(values: ArrayLike) -> FloatArray:
    return checked_columns(np.ravel(np.asarray(values, float)))[:, 0]


def _tuned_weight(human: FloatArray, judge: FloatArray, judge_only: FloatArray) -> float:
    spread = float(np.var(np.concatenate([judge, judge_only]), ddof=1))
    if spread == 0:
        return 0.0
    shared = float(np.cov(human, judge, ddof=1)[0, 1])
    return min(1.0, max(0.0, shared / ((1 + human.size / judge_only.size) * spread)))
