"""Whether the longer answer is preferred, and the win rate at equal length.

Votes as in `preference`: +1 prefers the variant, -1 the baseline, in [-1, 1]. A difference in
length is ``variant - baseline`` in any unit (characters). Quantization changes length itself, so
that adjusting may take away real harm: show both rates, conclude from the raw one.
"""

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from babelbits.libraries import load
from babelbits.records import Interval
from babelbits.stats.binary import wilson
from babelbits.stats.paired_scores import FloatArray, paired_differences

FEWEST = 20
"""Answers of unlike length below which no line is fitted."""
_STEPS = 50
_SEPARATED = 15.0
"""A logit beyond this is a win rate of 0 or 1: the votes are separated and have no finite fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LongerWins:
    """How often the preferred answer is the longer one."""

    n_pairs: int
    """Pairs with a preferred answer and unlike lengths."""
    share: float
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthAdjusted:
    """Win rate of answers as long as the baseline's, by a logistic regression."""

    win_rate: float
    interval: Interval
    slope: float
    """Change in log-odds with tanh of the standardized length difference; positive: the longer
    answer is preferred."""


def longer_wins(votes: ArrayLike, length_differences: ArrayLike) -> LongerWins | None:
    """Share of decided pairs in which the longer answer is preferred; None if there are none."""
    signs, longer = _aligned(votes, length_differences)
    decided = (signs != 0) & (longer != 0)
    n = int(decided.sum())
    if n == 0:
        return None
    wins = int(np.sum(np.sign(signs[decided]) == np.sign(longer[decided])))
    return LongerWins(n_pairs=n, share=wins / n, interval=wilson(wins, n))


def length_adjusted(
    votes: ArrayLike, length_differences: ArrayLike, *, level: float = 0.95
) -> LengthAdjusted | None:
    """Win rate at equal length: logistic regression on tanh of the standardized length difference.

    logit P(win) = a + b tanh(d / sd(d)), read at d = 0. Ties count half. This is the length term
    of AlpacaEval 2's model alone; its other terms (how hard an instruction is, learnt from many
    models) need more than two models, so that its leaderboard's rates are others. Unpenalized; the
    standard errors are robust (sandwich), as votes that are means of two orders are no coin tosses.

    Parameters
    ----------
    votes, length_differences : shape (n_pairs,)
        One a prompt.

    Returns
    -------
    LengthAdjusted or None
        None where the lengths say too little (fewer than `FEWEST` unlike ones) or no finite fit
        exists.

    References
    ----------
    Dubois et al. (2024), arXiv 2404.04475, section 3; White (1982), Econometrica 50:1.
    """
    values, differences = _aligned(votes, length_differences)
    spread = float(np.std(differences))
    if np.count_nonzero(differences) < FEWEST or spread == 0:
        return None
    design = np.column_stack([np.ones(values.size), np.tanh(differences / spread)])
    fitted = _logistic(design, (1 + values) / 2)
    if fitted is None:
        return None
    (intercept, slope), covariance = fitted
    half = float(special.ndtri((1 + level) / 2)) * math.sqrt(covariance[0, 0])
    low, rate, high = special.expit([intercept - half, intercept, intercept + half])
    return LengthAdjusted(
        win_rate=float(rate),
        interval=Interval(
            low=float(low), high=float(high), level=level, method="logistic, robust errors"
        ),
        slope=float(slope),
    )


def _aligned(votes: ArrayLike, length_differences: ArrayLike) -> tuple[FloatArray, FloatArray]:
    values, differences = np.ravel(np.asarray(votes, float)), np.ravel(length_differences)
    paired_differences(values, differences)  # refuses other shapes, and what is missing
    return values, np.asarray(differences, float)


def _logistic(design: FloatArray, wins: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Coefficients and their sandwich covariance; None without a finite fit."""
    what = "the share of length in votes"
    sm = load("statsmodels.api", of="statsmodels", what=what)  # late: it loads pandas
    faults = load("statsmodels.tools.sm_exceptions", of="statsmodels", what=what)
    model = sm.GLM(wins, design, family=sm.families.Binomial())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # separation and no convergence are looked for below
            fit = model.fit(maxiter=_STEPS, cov_type="HC0")
    except (faults.PerfectSeparationError, np.linalg.LinAlgError):
        return None
    coefficients, covariance = np.asarray(fit.params), np.asarray(fit.cov_params())
    finite = np.isfinite(coefficients).all() and np.isfinite(covariance).all()
    if not (fit.converged and finite) or np.abs(coefficients).max() > _SEPARATED:
        return None
    return coefficients, covariance
