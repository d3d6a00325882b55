"""Corpus metrics (BLEU, chrF) inside an analysis that is made for means of items.

The score of a corpus is a function of sums, not a mean. Each segment gets its *linearised* value:
the values' mean is the corpus score to the last digit, and their spread is its jackknife variance.
Groups of languages, contrasts and relative changes then work as for any other metric. One language
is tested as sacrebleu does it, by swapping and drawing segments and scoring sums.

A ratio of totals (bits over bytes) is linearised by the delta method instead and tested like a mean
in which every item counts by its size: swapping an item's arms leaves its size as it is.

Sign: scores keep the metric's direction; BLEU and chrF are better when higher.
Scale: fractions in [0, 1] for a corpus; a linearised value may lie outside.
"""

from collections.abc import Mapping

import numpy as np

from babelbits.records import Interval, Metric
from babelbits.stats.corpus import (
    CorpusScore,
    RandomisationResult,
    approximate_randomisation,
    corpus_interval,
)
from babelbits.stats.corpus_scores import bleu, chrf
from babelbits.stats.paired_scores import FloatArray, IntArray

_SCORES: Mapping[str, CorpusScore] = {"bleu": bleu, "chrf": chrf}


def make_corpus_score(metric: Metric) -> CorpusScore:
    """From sums of statistics to scores, for a metric that has such a function."""
    assert metric.corpus is not None  # noqa: S101  only asked of corpus metrics
    return _SCORES[metric.corpus]


def linearised(statistics: FloatArray, score: CorpusScore) -> FloatArray:
    """One value a segment; their mean is the corpus score.

    The value is the score plus n - 1 times what the corpus loses without the segment (the jackknife
    pseudo-value, centred; Efron & Tibshirani 1993, chapter 11).

    Parameters
    ----------
    statistics : shape (n_segments, n_statistics)

    Returns
    -------
    shape (n_segments,)
    """
    total = statistics.sum(axis=0)
    whole = float(score(total[None, :])[0])
    if len(statistics) == 1:
        return np.array([whole])
    without = score(total - statistics)
    return np.asarray(whole + (len(statistics) - 1) * (without.mean() - without))


def linearise_ratio(statistics: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Linearised values of a ratio of totals, and the items' sizes.

    With sizes b of mean B and a ratio R of totals, an item with ratio r has ``R + b (r - R) / B``:
    the values' mean is R, their spread that of the ratio estimator.

    Parameters
    ----------
    statistics : shape (n_items, 2)
        Numerator and size; sizes are positive.

    Returns
    -------
    values, sizes : shape (n_items,)
        The sizes have mean 1.

    References
    ----------
    Cochran (1977), Sampling Techniques, section 6.3.
    """
    sizes = statistics[:, 1] / statistics[:, 1].mean()
    ratios = statistics[:, 0] / statistics[:, 1]
    total = float(statistics[:, 0].sum() / statistics[:, 1].sum())
    return np.asarray(total + sizes * (ratios - total)), np.asarray(sizes)


def mark_changed(baseline: FloatArray, variant: FloatArray) -> FloatArray:
    """1 for segments whose statistics differ, else 0."""
    return np.asarray(np.any(baseline != variant, axis=1), float)


def test_corpus(
    baseline: FloatArray,
    variant: FloatArray,
    *,
    units: IntArray,
    metric: Metric,
    levels: tuple[float, float],
    seed: int,
    resamples: int,
) -> tuple[RandomisationResult, tuple[Interval | None, Interval | None]]:
    """Approximate randomisation, and paired bootstrap intervals at two levels.

    Parameters
    ----------
    baseline, variant : shape (n_segments, n_statistics)
    units : shape (n_segments,)
        Segments with equal numbers (of one document) are swapped and drawn together.
    levels : pair of float
        E.g. 0.95 and 0.90.
    """
    first, second = _summed(baseline, units), _summed(variant, units)
    score = make_corpus_score(metric)
    test = approximate_randomisation(
        first, second, score, rng=np.random.default_rng([seed, len(first), 2]), resamples=resamples
    )
    wide, narrow = (
        corpus_interval(
            first,
            second,
            score,
            rng=np.random.default_rng([seed, len(first), 3]),
            level=level,
            resamples=resamples,
        )
        for level in levels
    )
    return test, (wide, narrow)


def _summed(statistics: FloatArray, units: IntArray) -> FloatArray:
    _, places = np.unique(units, return_inverse=True)
    sums = np.zeros((int(places.max()) + 1, statistics.shape[1]))
    np.add.at(sums, places, statistics)
    return sums
