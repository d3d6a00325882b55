"""Tail probabilities of weighted sums that random draws cannot reach: saddlepoint approximations.

A share of B random draws cannot fall below 1 / (B + 1); what a family of many tests needs is often
far smaller. The saddlepoint tail has a small *relative* error however far out it lies. Two sums:

* signs: ``sum(e_i a_i)``, e_i = ±1 with equal chance, the null of a sign-flip test;
* spacings: ``sum(w_i x_i)``, w uniform on the simplex, from which Gaffke's bound of a mean is read.

Nothing here draws a random number.

References
----------
Lugannani & Rice (1980), Adv. Appl. Prob. 12:475; Robinson (1982), JRSS B 44:91 (permutation tests);
Daniels (1987), Int. Stat. Rev. 55:37 (lattices: his second continuity correction).
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from babelbits.stats.paired_scores import FloatArray

_SMALLEST = float(np.finfo(float).tiny)
_FINEST = 12
"""Steps of a lattice that are looked for: the smallest value divided by 1, 2, ... 12."""
_ROUNDING = 1e-9


def sign_sum_p(values: ArrayLike) -> float:
    """Two-sided p of a sign-flip test: the chance of a sum as far from zero as that of `values`.

    Parameters
    ----------
    values : shape (n,)
        Differences. Zeros are of no account.

    Returns
    -------
    float
        In (0, 1]. Exact where all values have one sign; else a saddlepoint approximation, never
        below 2^(1 - n) and never above Chernoff's bound, which holds for certain. Of 20 values or
        more the relative error is some per cent, and up to a half where no more than a handful of
        all sign patterns lie as far out (see the tests).
    """
    terms = np.ravel(np.asarray(values, float))
    sizes = np.abs(terms[terms != 0])
    if not sizes.size:
        return 1.0
    sizes = sizes / sizes.max()
    total, reached = abs(float(np.sum(terms))) / float(np.abs(terms).max()), float(sizes.sum())
    least = (1 - sizes.size) * math.log(2)
    if total >= reached * (1 - _ROUNDING):
        return max(_SMALLEST, math.exp(max(least, -700.0)))
    step = _lattice(sizes)
    point = total if step is None else total - step
    if point <= 0.1 * math.sqrt(float(sizes @ sizes)):
        return 1.0 if point <= 0 else 2 * float(special.ndtr(-point / np.linalg.norm(sizes)))
    log_tail, bound = _log_upper(sizes, point, step)
    found_log = min(max(math.log(2) + min(log_tail, bound), least), 0.0)
    return max(_SMALLEST, math.exp(max(found_log, -700.0)))


def _lattice(sizes: FloatArray) -> float | None:
    """The largest step that divides all values; None where there is no such step.

    A sum of signed multiples of it moves by twice the step.
    """
    smallest = float(sizes.min())
    for parts in range(1, _FINEST + 1):
        step = smallest / parts
        multiples = sizes / step
        if np.all(np.abs(multiples - np.rint(multiples)) < _ROUNDING * multiples):
            return step
    return None


def _log_upper(sizes: FloatArray, point: float, step: float | None) -> tuple[float, float]:
    """Log of P(sum >= point) by Lugannani and Rice, and of Chernoff's bound."""

    def slope(t: float) -> float:
        return float(sizes @ np.tanh(sizes * t)) - point

    high = 1.0
    while slope(high) < 0 and high < 1e9:
        high *= 2
    t = float(optimize.brentq(slope, 0.0, high, xtol=1e-13, rtol=1e-13))
    cumulants = float(np.sum(_log_cosh(sizes * t)))
    spread = math.sqrt(float(np.sum((sizes / np.cosh(np.minimum(sizes * t, 300.0))) ** 2)))
    exponent = cumulants - t * point
    w = math.sqrt(max(0.0, -2 * exponent))
    # Daniels: on a lattice whose sums move by d = 2 steps, u has (2 / d) sinh(t d / 2) for t.
    u = (t if step is None else math.sinh(min(t * step, 300.0)) / step) * spread
    return lugannani_rice(w, u), exponent


def _log_cosh(values: FloatArray) -> FloatArray:
    return np.asarray(np.abs(values) + np.log1p(np.exp(-2 * np.abs(values))) - math.log(2))


def lugannani_rice(w: float, u: float) -> float:
    """Log of the upper tail ``1 - Phi(w) + phi(w) (1/u - 1/w)`` for w > 0.

    Chernoff's ``-w²/2`` where rounding or a sum at its edge leaves nothing positive.
    """
    mills = math.sqrt(math.pi / 2) * float(special.erfcx(w / math.sqrt(2)))
    inner = mills + 1 / u - 1 / w if u > 0 and w > 0 else 0.0
    if inner <= 0:
        return -0.5 * w * w
    return -0.5 * w * w - 0.5 * math.log(2 * math.pi) + math.log(inner)


# --- a mean of bounded values ------------------------------------------------------------------


def gaffke_lower(values: ArrayLike, *, worst: float, alpha: float) -> float:
    """Lower confidence bound of a mean of values that are never below `worst`.

    The `alpha` quantile of the mean of the values *and one more at the worst*, with weights drawn
    uniformly from the simplex. Of n zeros it is ``worst (1 - alpha^(1/n))``, about 3 worst / n; of
    values that are worst or best it is Clopper and Pearson's exact bound; of many values that vary
    it is close to Student's. It needs no upper bound and no look at how the values vary.

    Parameters
    ----------
    values : shape (n,)
        Independent values, each at least `worst`.
    worst : float
        The smallest possible value.
    alpha : float
        One-sided: the chance that the mean lies below the bound.

    Returns
    -------
    float
        Between `worst` and the mean of the values. By saddlepoint, within 1 % of the distance to
        the mean (see the tests).

    Raises
    ------
    ValueError
        If there are no values, or one is below `worst`.

    Notes
    -----
    Proven for populations of two values; for others it is a conjecture that no search has refuted.

    References
    ----------
    Gaffke (2005), Three test statistics for a nonparametric one-sided hypothesis on the mean of a
    nonnegative variable, Math. Methods Statist. 14:451; Learned-Miller & Thomas (2019), arXiv
    1905.06208.
    """
    seen = np.ravel(np.asarray(values, float))
    if not seen.size or not seen.min() >= worst - 1e-12 * abs(worst):
        raise ValueError("needs values, none of them below the worst possible")
    shifted = np.append(np.maximum(seen - worst, 0.0), 0.0)
    scale = float(shifted.max())
    if scale == 0:
        return worst
    if np.ptp(shifted[:-1]) <= 1e-12 * scale:  # the chance is exactly (1 - share)^n
        return worst + scale * math.exp(math.log(alpha) / seen.size)
    quantile = _spacing_quantile(shifted / scale, alpha)
    return worst + scale * quantile


def _spacing_quantile(x: FloatArray, alpha: float) -> float:
    """The alpha quantile of ``sum(w_i x_i)``, w uniform on the simplex; 0 <= x <= 1, min x = 0.

    ``sum(w x) <= c`` exactly when ``sum(E (x - c)) <= 0`` for exponential E. Its saddlepoint is
    found from the other end: each multiplier k >= 0 belongs to one c, that of an empirical
    likelihood with weights proportional to 1 / (1 + k x).
    """
    target = math.log(alpha)

    def miss(log_k: float) -> float:
        _, w, u = _saddlepoint(x, math.exp(log_k))
        return lugannani_rice(w, u) - target

    low, high = -12.0, 4.0
    while miss(high) > 0 and high < 600:
        high += 4.0
    while miss(low) < 0 and low > -60:
        low -= 4.0
    k = math.exp(float(optimize.brentq(miss, low, high, xtol=1e-9)))
    return _saddlepoint(x, k)[0]


def _saddlepoint(x: FloatArray, k: float) -> tuple[float, float, float]:
    """The point c, and w and u of its lower tail as those of an upper one (both positive)."""
    weights = 1 / (1 + k * x)
    c = float(weights @ x / weights.sum())
    exponent = float(np.sum(np.log1p(k * c) + np.log(weights)))
    w = math.sqrt(max(0.0, -2 * exponent))
    spread = math.sqrt(float(np.sum(((x - c) * weights) ** 2)))
    return c, w, k * spread
