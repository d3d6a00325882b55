"""Showing that nothing beyond a margin happened: two one-sided tests (TOST).

A p-value above 0.05 never shows that. Equivalence at level alpha is shown exactly when the
1 - 2 alpha interval lies inside the margin; any interval method that fits the data may be used.
Equivalence tests are no part of a family of difference tests, and "equivalent in all languages" is
an intersection-union claim: each at alpha, no correction (Berger & Hsu 1996, Statistical Science
11:283).
Sign: harm is negative; margins are positive and in the unit of the difference.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from babelbits.records import Interval
from babelbits.stats.binary import PairedTable, score_statistic
from babelbits.stats.cluster import ClusterScores, cluster_scores, cluster_standard_error
from babelbits.stats.paired_scores import paired_differences


def inside_margin(interval: Interval, margin: float) -> bool:
    """Whether an interval of level 1 - 2 alpha lies strictly inside (-margin, +margin)."""
    return -margin < interval.low and interval.high < margin


def not_worse(interval: Interval, margin: float) -> bool:
    """Non-inferiority: the lower end of the 1 - 2 alpha interval lies above -margin."""
    return interval.low > -margin


@dataclass(frozen=True, slots=True, kw_only=True)
class TostResult:
    """Outcome of two one-sided tests against a margin."""

    margin: float
    delta: float
    p_not_worse: float
    """One-sided, of "delta <= -margin"; alone it is the test of non-inferiority."""
    p_not_better: float
    """One-sided, of "delta >= +margin"."""
    p_value: float
    """The larger of the two: equivalence at level alpha where it is at most alpha."""


def tost_binary(table: PairedTable, *, margin: float) -> TostResult:
    """Two one-sided score tests for right/wrong items.

    At level alpha they show equivalence exactly where Tango's 1 - 2 alpha interval lies inside the
    margin, also when nothing changed.

    References
    ----------
    Tango (1998), Statistics in Medicine 17:891; Liu et al. (2002), Statistics in Medicine 21:231.
    """
    _check_margin(margin)
    return _tost(
        margin,
        table.delta,
        float(special.ndtr(-score_statistic(table, delta=-margin))),
        float(special.ndtr(score_statistic(table, delta=margin))),
    )


def tost_cluster(scores: ClusterScores, *, margin: float) -> TostResult | None:
    """Two one-sided t tests with clusters as units; None with one cluster or no spread."""
    _check_margin(margin)
    error, df = cluster_standard_error(scores), scores.n_clusters - 1
    if error is None or error == 0:
        return None
    return _tost(
        margin,
        scores.estimate,
        float(special.stdtr(df, -(scores.estimate + margin) / error)),
        float(special.stdtr(df, (scores.estimate - margin) / error)),
    )


def tost_paired(baseline: ArrayLike, variant: ArrayLike, *, margin: float) -> TostResult | None:
    """Two one-sided paired t tests of "the mean difference is beyond ±margin".

    Written out because `statsmodels` `ttost_paired`, which the tests compare it with, loads pandas
    and divides by zero where the differences do not vary; then this is None.

    Parameters
    ----------
    baseline, variant : shape (n_items,)
        In the same item order.

    References
    ----------
    Schuirmann (1987), J. Pharmacokin. Biopharm. 15:657.
    """
    differences = paired_differences(baseline, variant)
    return tost_cluster(
        cluster_scores(differences, clusters=np.arange(differences.size)), margin=margin
    )


def _check_margin(margin: float) -> None:
    if not margin > 0:
        raise ValueError(f"a margin is positive; got {margin}")


def _tost(margin: float, delta: float, p_not_worse: float, p_not_better: float) -> TostResult:
    return TostResult(
        margin=margin,
        delta=delta,
        p_not_worse=p_not_worse,
        p_not_better=p_not_better,
        p_value=max(p_not_worse, p_not_better),
    )
