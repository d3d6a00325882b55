"""Random-effects meta-regression of estimates whose errors are known, with dependent estimates.

Several estimates come from one model and several are about one language, so they are not
independent beyond their sampling errors. The coefficients are those of the usual model (variance
of the true values by REML); their intervals do not believe it: the variance is estimated from the
residuals of whole clusters, corrected for few clusters (CR2), with Satterthwaite's degrees of
freedom. Clusters of two kinds that cross, such as models and languages, are both allowed for.
It never decides what to regress on. Signs are those of the estimates.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from babelbits.records import Interval
from babelbits.stats.meta import WeightedFit, weighted_fit
from babelbits.stats.paired_scores import FloatArray, checked_columns

FEW_DF = 4.0
"""Below so many degrees of freedom a robust interval is not to be relied on (Tipton 2015)."""
_GRID = 60
"""Places at which the likelihood is looked at, evenly on the scale of logarithms."""
_SINGULAR = 1e-10
"""Relative size below which an eigenvalue is 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficient:
    """One column of the design."""

    name: str
    estimate: float
    model_error: float
    """Standard error if all estimates are independent: what R's `metafor::rma` prints."""
    standard_error: float
    """Robust to clusters where there are any, else Knapp and Hartung's."""
    df: float
    p_value: float
    """Two-sided, by Student's t."""
    interval: Interval
    rests_on: str
    """Kind of cluster with most of the variance; 'estimates' without clusters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaRegression:
    """The model, and how much is left that it does not tell."""

    coefficients: tuple[Coefficient, ...]
    n_estimates: int
    n_clusters: Mapping[str, int]
    tau2: float
    """Variance of the true values around the regression."""
    i2: float
    """Share of the variance of estimates that is not sampling error, in [0, 1]."""
    q: float
    """Cochran's Q of what the moderators leave."""
    q_df: int
    q_p: float

    def coefficient(self, name: str) -> Coefficient:
        """The one of that name.

        Raises
        ------
        KeyError
            If there is none.
        """
        return {one.name: one for one in self.coefficients}[name]


def meta_regression(
    estimates: ArrayLike,
    variances: ArrayLike,
    design: Mapping[str, ArrayLike],
    *,
    clusters: Mapping[str, Sequence[str]] | None = None,
    level: float = 0.95,
) -> MetaRegression | None:
    """Regress estimates on columns, each weighed by what it tells.

    Parameters
    ----------
    estimates, variances : shape (n,)
        Estimates and their sampling variances, > 0.
    design : mapping of str to shape (n,)
        Name of a column to its values; an intercept is a column like any other.
    clusters : mapping of str to n labels, optional
        At most two kinds of cluster, e.g. 'models' and 'languages'. A kind with a single cluster is
        left out: its variance cannot be seen.
    level : float
        Of the intervals.

    Returns
    -------
    MetaRegression or None
        None with no more estimates than columns, a variance of 0, or columns that tell the same.

    Raises
    ------
    ValueError
        If lengths differ, or there are three kinds of cluster.

    References
    ----------
    Raudenbush (2009) in Cooper et al., chapter 16 (the model, REML); Higgins & Thompson (2002),
    Statistics in Medicine 21:1539 (I2, in the form of `metafor`); Knapp & Hartung (2003), ibid.
    22:2693; Bell & McCaffrey (2002), Survey Methodology 28:169, and Pustejovsky & Tipton (2018),
    JBES 36:672 (CR2 and its degrees of freedom); Cameron, Gelbach & Miller (2011), JBES 29:238
    (two kinds of cluster).
    """
    y, v = (checked_columns(np.ravel(one))[:, 0] for one in (estimates, variances))
    x = np.column_stack([np.asarray(one, float) for one in design.values()])
    kinds = {k: np.asarray(labels) for k, labels in (clusters or {}).items()}
    if len(kinds) > 2:
        raise ValueError(f"{len(kinds)} kinds of cluster; there can be two")
    if any(one.shape != y.shape for one in (v, x[:, 0], *kinds.values())):
        raise ValueError("estimates, variances, columns and cluster labels differ in length")
    n, p = x.shape
    if n <= p or (v <= 0).any() or np.linalg.matrix_rank(x) < p:
        return None
    fit = weighted_fit(y, v, x, _reml(y, v, x))
    fixed = weighted_fit(y, v, x, 0.0)
    q = float(fixed.weights @ (y - x @ fixed.coefficients) ** 2)
    kinds = {kind: labels for kind, labels in kinds.items() if np.unique(labels).size > 1}
    robust = _robust(fit, y, x, kinds)
    return MetaRegression(
        coefficients=tuple(
            _coefficient(fit, column, robust[column], name=name, df=float(n - p), level=level)
            for column, name in enumerate(design)
        ),
        n_estimates=n,
        n_clusters={kind: int(np.unique(labels).size) for kind, labels in kinds.items()},
        tau2=fit.tau2,
        i2=fit.tau2 / (fit.tau2 + _typical_variance(v, x)),
        q=q,
        q_df=n - p,
        q_p=float(stats.chi2.sf(q, n - p)),
    )


def _reml(y: FloatArray, v: FloatArray, x: FloatArray) -> float:
    """The variance of the highest restricted likelihood, which can have several peaks.

    Estimates without change and with tiny errors, among others that change much, make one at 0.
    """

    def loss(tau2: float) -> float:
        fit = weighted_fit(y, v, x, tau2)
        residuals = y - x @ fit.coefficients
        _, bread = np.linalg.slogdet(fit.covariance)
        spread = float(fit.weights @ residuals**2) - float(np.log(fit.weights).sum())
        return spread - float(bread)

    low, high = math.log(float(v.min()) * 1e-4), math.log(float(v.max() + 10 * np.var(y)))
    grid = np.linspace(low, high, _GRID)
    losses = [loss(math.exp(one)) for one in grid]
    best = int(np.argmin(losses))
    ends = (float(grid[max(0, best - 1)]), float(grid[min(_GRID - 1, best + 1)]))
    found = optimize.minimize_scalar(
        lambda one: loss(math.exp(one)), bounds=ends, method="bounded", options={"xatol": 1e-9}
    )
    return 0.0 if best == 0 or loss(0.0) <= float(found.fun) else math.exp(float(found.x))


def _typical_variance(v: FloatArray, x: FloatArray) -> float:
    """Of a sampling error, over all estimates: Higgins and Thompson's, with moderators."""
    weights = 1 / v
    weighted = x.T * weights
    hat = np.trace(np.linalg.solve(weighted @ x, (weighted * weights) @ x))
    return float((v.size - x.shape[1]) / (weights.sum() - hat))


@dataclass(frozen=True, slots=True)
class _Spread:
    variance: float
    df: float
    rests_on: str


def _coefficient(
    fit: WeightedFit, column: int, robust: _Spread | None, *, name: str, df: float, level: float
) -> Coefficient:
    model = float(fit.covariance[column, column])
    spread = robust or _Spread(fit.factor * model, df, "estimates")
    estimate, error = float(fit.coefficients[column]), math.sqrt(spread.variance)
    half = float(special.stdtrit(spread.df, (1 + level) / 2)) * error
    how = "Knapp-Hartung" if robust is None else "CR2"
    return Coefficient(
        name=name,
        estimate=estimate,
        model_error=math.sqrt(model),
        standard_error=error,
        df=spread.df,
        p_value=min(1.0, 2 * float(special.stdtr(spread.df, -abs(estimate) / error))),
        interval=Interval(
            low=estimate - half,
            high=estimate + half,
            level=level,
            method=f"random-effects meta-regression, {how}, t with {spread.df:.3g} df",
        ),
        rests_on=spread.rests_on,
    )


# --- clusters --------------------------------------------------------------------------------


def _robust(
    fit: WeightedFit, y: FloatArray, x: FloatArray, kinds: Mapping[str, FloatArray]
) -> list[_Spread | None]:
    """For each column: one kind of cluster, or two that cross."""
    if not kinds:
        return [None] * x.shape[1]
    found = {kind: _cr2(fit, y, x, labels) for kind, labels in kinds.items()}
    shared: list[_Spread | None] = [None] * x.shape[1]
    if len(kinds) > 1:
        first, second = kinds.values()
        both = [f"{one}\0{other}" for one, other in zip(first, second, strict=True)]
        shared = _cr2(fit, y, x, np.asarray(both))
    return [
        _together({kind: ours[column] for kind, ours in found.items()}, shared[column])
        for column in range(x.shape[1])
    ]


def _together(found: Mapping[str, _Spread | None], shared: _Spread | None) -> _Spread | None:
    """The sum less the common part, and never less than the larger of both alone."""
    known = {kind: one for kind, one in found.items() if one is not None and one.variance > 0}
    if not known:
        return None
    kind = max(known, key=lambda one: known[one].variance)
    variance, df = known[kind].variance, known[kind].df
    if len(known) > 1:
        total = sum(one.variance for one in known.values())
        total -= 0.0 if shared is None else shared.variance
        if total > variance:
            variance = total
            df = total**2 / sum(one.variance**2 / one.df for one in known.values())
    return _Spread(variance, max(1.0, df), kind)


def _cr2(
    fit: WeightedFit, y: FloatArray, x: FloatArray, labels: FloatArray
) -> list[_Spread | None]:
    """Variance of each coefficient and its degrees of freedom; None where clusters do not tell it.

    The working model is that of the fit: independent, variance 1 / weight.
    """
    weights, bread = fit.weights, fit.covariance
    residuals = y - x @ fit.coefficients
    parts = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        ours = x[rows]
        root = 1 / np.sqrt(weights[rows])
        middle = np.diag(1 / weights[rows]) - ours @ bread @ ours.T
        adjust = root[:, None] * _inverse_root(root[:, None] * middle * root) * root
        parts.append((rows, adjust @ (weights[rows, None] * (ours @ bread))))
    found = []
    for column in range(x.shape[1]):
        image = np.zeros((y.size, len(parts)))
        variance = 0.0
        for place, (rows, influences) in enumerate(parts):
            influence = influences[:, column]
            variance += float(influence @ residuals[rows]) ** 2
            image[rows, place] = influence
            image[:, place] -= weights * (x @ (bread @ (x[rows].T @ influence)))
        inner = (image.T / weights) @ image
        total, squares = float(np.trace(inner)), float((inner**2).sum())
        tells = squares > 0 and total > _SINGULAR * float(bread[column, column])
        found.append(_Spread(variance, total**2 / squares, "") if tells else None)
    return found


def _inverse_root(square: FloatArray) -> FloatArray:
    """Symmetric, of the part that is not singular."""
    values, vectors = np.linalg.eigh((square + square.T) / 2)
    usable = values > _SINGULAR * max(float(values.max(initial=0.0)), 1e-300)
    roots = np.where(usable, 1 / np.sqrt(np.where(usable, values, 1.0)), 0.0)
    return np.asarray((vectors * roots) @ vectors.T)


# --- planning --------------------------------------------------------------------------------


def clusters_needed(
    difference: float,
    *,
    standard_error: float,
    n_clusters: int,
    lost: int,
    alpha: float = 0.05,
    power: float = 0.80,
    limit: int = 100_000,
) -> int | None:
    """Clusters with which a coefficient of a given size would be seen.

    More clusters like those that are there: the variance of the coefficient falls as one over their
    number, and Student's t has their number less `lost` degrees of freedom.

    Parameters
    ----------
    difference : float
        Size of the coefficient to see, in its unit; the sign does not matter.
    standard_error : float
        As it is now, > 0.
    n_clusters : int
        As there are now.
    lost : int
        Degrees of freedom that the columns take, 2 for two groups.
    limit : int
        Largest number that is looked at.

    Returns
    -------
    int or None
        None where `limit` clusters are too few, or the difference is 0.

    References
    ----------
    Cohen (1988), Statistical Power Analysis, chapter 2: the noncentral t, as `statsmodels`'
    `TTestIndPower`.
    """
    if difference == 0 or standard_error <= 0:
        return None

    def excess(count: float) -> float:
        df = count - lost
        error = standard_error * math.sqrt(n_clusters / count)
        critical = float(special.stdtrit(df, 1 - alpha / 2))
        shift = abs(difference) / error
        return float(stats.nct.sf(critical, df, shift)) - power

    least = lost + 1.0
    if excess(least) >= 0:
        return math.ceil(least)
    if excess(float(limit)) < 0:
        return None
    return math.ceil(float(optimize.brentq(excess, least, float(limit), xtol=1e-3)) - 1e-2)
