"""Baselines with nothing to lose: no harm can show there, so none can be ruled out either."""

import numpy as np

from babelbits.analysis.settings import AnalysisSettings
from babelbits.records import Metric, MetricKind, TaskInfo
from babelbits.stats.binary import wilson
from babelbits.stats.mean_tests import t_interval
from babelbits.stats.paired_scores import FloatArray


def is_corpus_at_floor(
    linearised: FloatArray, metric: Metric, *, settings: AnalysisSettings
) -> bool:
    """Whether a baseline's corpus score can be told from that of unrelated text.

    At floor when its interval (level 1 - alpha) reaches the metric's chance level, or, without one,
    when the score is below the declared floor.

    Parameters
    ----------
    linearised : shape (n_segments,)
        Values whose mean is the corpus score, see `analysis.corpora`.
    """
    score = float(np.mean(linearised))
    if metric.chance is None:
        return score < settings.floor
    interval = t_interval(linearised, level=1 - settings.alpha, df=len(linearised) - 1)
    return (score if interval is None else interval.low) <= metric.chance


FREE_ANSWERS = (
    "exact_match",
    "em",
    "f1",
    "bleu",
    "chrf",
    "chrf++",
    "ter",
    "rouge",
    "comet",
    "pass",
)
"""Names, or beginnings of names, of metrics of written answers: nothing is gained by guessing."""
MOST_CHANCE = 0.5
"""Guessing between two answers; no choice gives a guess more."""


def is_chance_unknown(
    scores: FloatArray,
    metric: Metric,
    *,
    info: TaskInfo,
    kind: MetricKind,
    n_units: int,
    settings: AnalysisSettings,
) -> bool:
    """Whether the baseline could be guessing, for all that is known.

    So where nobody says what a guess scores, the answers may be choices, and the score's Wilson
    interval (level 1 - alpha) reaches one half, which is the most that guessing can score.
    Generated text, and metrics that are known to be of written answers, have the declared floor.

    Parameters
    ----------
    scores : shape (n_items,)
        The baseline's, in the metric's own direction.
    """
    told = metric.chance is not None or info.output_type in ("generation", "text")
    written = metric.name.partition("[")[0].lower().startswith(FREE_ANSWERS)
    if told or written or kind == "real" or metric.unit != "fraction":
        return False
    if not metric.higher_is_better or metric.corpus is not None:
        return False
    interval = wilson(float(np.mean(scores)) * n_units, n_units, level=1 - settings.alpha)
    return interval.low <= MOST_CHANCE


def is_at_floor(
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
    units) reaches chance. Without one: when the mean is below the declared floor.
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
        interval = wilson(mean * n_units, n_units, level=1 - settings.alpha)
        reaches_down, reaches_up = interval.low <= metric.chance, interval.high >= metric.chance
        return reaches_down if metric.higher_is_better else reaches_up
    return info.output_type != "text" and metric.higher_is_better and mean < settings.floor
