"""The relative change of a sample, with intervals: ratio of means and mean of ratios.

Withheld at the floor. Languages at their floor are left out of the mean of ratios. Cells that could
stop early have no intervals here: these are made for a number of items fixed beforehand.
"""

from dataclasses import dataclass

import numpy as np

from babelbits.analysis.paired_samples import Sample, number_clusters
from babelbits.records import Interval
from babelbits.stats.binary import wilson
from babelbits.stats.cluster import (
    ClusterScores,
    cluster_scores,
    cluster_share_interval,
    cluster_t_interval,
)
from babelbits.stats.mean_tests import t_interval
from babelbits.stats.relative import (
    delta_baseline_correlation,
    mean_of_ratios,
    mean_of_ratios_scores,
    ratio_of_means_interval,
)
from babelbits.stats.scales import relative_change


@dataclass(frozen=True, slots=True, kw_only=True)
class RelativeChange:
    """Both relative changes as fractions; harm is negative; None where withheld."""

    ratio_of_means: float | None
    interval: Interval | None
    mean_of_ratios: float | None = None
    """Several languages only: of one it is the ratio of means."""
    mean_interval: Interval | None = None
    mean_p: float | None = None


def estimate_relative_change(
    sample: Sample, *, baseline: float, variant: float, interval: Interval | None, level: float
) -> RelativeChange:
    """Relative changes of macro means.

    Parameters
    ----------
    baseline, variant : float
        Macro means, in the metric's own direction.
    interval : Interval or None
        Of the difference, of the same `level`; without it the ratio has none either.
    """
    ratio = relative_change(
        baseline,
        variant,
        higher_is_better=sample.metric.higher_is_better,
        at_floor=all(one.at_floor for one in sample.parts),
    ).value
    around = None
    if ratio is not None and interval is not None and not sample.stops:
        around = _ratio_interval(sample, baseline, interval, level=level)
    if sample.scope == "language":
        return RelativeChange(ratio_of_means=ratio, interval=around)
    scores = _mean_of_ratios(sample)
    mean_ratio = None if scores is None or sample.stops else mean_of_ratios(scores, level=level)
    return RelativeChange(
        ratio_of_means=ratio,
        interval=around,
        mean_of_ratios=None if scores is None else scores.estimate,
        mean_interval=None if mean_ratio is None else mean_ratio.interval,
        mean_p=None if mean_ratio is None else mean_ratio.p_value,
    )


def estimate_baseline_interval(sample: Sample, *, level: float) -> Interval | None:
    """Interval of one language's baseline score; None for several."""
    fixed = sample.scope == "language" and not sample.stops
    return _baseline_interval(sample, level) if fixed else None


def _baseline_interval(sample: Sample, level: float) -> Interval | None:
    """None for several languages."""
    if len(sample.parts) > 1:
        return None
    [part] = sample.parts
    units = sample.scores.n_clusters
    if units < sample.n_items:
        scores = cluster_scores(part.baseline, clusters=sample.clusters)
        if part.kind == "real":
            return cluster_t_interval(scores, level=level)
        return cluster_share_interval(scores, level=level)
    if part.kind == "real":
        return t_interval(part.baseline, level=level, df=units - 1)
    return wilson(float(np.mean(part.baseline)) * units, units, level=level)


def _ratio_interval(
    sample: Sample, baseline: float, interval: Interval, *, level: float
) -> Interval | None:
    base = cluster_scores(
        np.concatenate([one.baseline for one in sample.parts]),
        clusters=sample.clusters,
        strata=sample.strata,
    )
    # Wilson's variance is that of right/wrong items; of other scores it is too large, and the
    # covariance recovered from it with it.
    around = None if sample.is_paired_table else cluster_t_interval(base, level=level)
    around = around or _baseline_interval(sample, level)
    if around is None:
        return None
    return ratio_of_means_interval(
        sample.scores.estimate,
        interval,
        baseline=baseline,
        baseline_interval=around,
        correlation=delta_baseline_correlation(sample.scores.linearised, base.linearised),
    )


def _mean_of_ratios(sample: Sample) -> ClusterScores | None:
    """Over languages above their floor and above 0; None where there are none."""
    parts = [one for one in sample.parts if not one.at_floor and one.baseline.mean() > 0]
    if not parts:
        return None
    return mean_of_ratios_scores(
        np.concatenate([one.differences for one in parts]),
        np.concatenate([one.baseline for one in parts]),
        clusters=number_clusters(parts),
        strata=np.repeat(np.arange(len(parts)), [one.baseline.size for one in parts]),
    )
