"""Baselines with nothing to lose: no harm can show there, so none can be ruled out either."""

import numpy as np

from babelbits.compare.settings import AnalysisSettings
from babelbits.records import Metric, MetricKind, TaskInfo
from babelbits.stats.binary import wilson
from babelbits.stats.pairs import FloatArray


def at_floor(
    scores: FloatArray,
    metric: Metric,
    *,
    info: TaskInfo,
    kind: MetricKind,
    n_units: int,
    settings: AnalysisSettings,
) -> bool:
    """Whether the baseline's score can be told from guessing.

    With a chance level: at floor when the Wilson interval (level 1 - alpha, `n_units` independent
    units) reaches chance. Generated text without one: when the mean is below the declared floor.
    Metrics without a range (bits per byte) have no floor.

    Parameters
    ----------
    scores : shape (n_items,)
        The baseline's, in the metric's own direction.
    """
    if kind == "real":
        return False
    mean = float(np.mean(scores))
    if metric.chance is not None:
        found = wilson(mean * n_units, n_units, level=1 - settings.alpha)
        reaches_down, reaches_up = found.low <= metric.chance, found.high >= metric.chance
        return reaches_down if metric.higher_is_better else reaches_up
    return info.output_type == "generation" and metric.higher_is_better and mean < settings.floor
