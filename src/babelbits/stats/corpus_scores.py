"""BLEU and chrF of many corpora at once, from sums of their segments' sufficient statistics.

The statistics are sacrebleu's, in its order; text never comes here. sacrebleu scores one corpus at
a time, which a test of 10,000 resamples cannot wait for; the tests hold these equal to it.

Scores are fractions in [0, 1] (sacrebleu's over 100), higher is better.
"""

import numpy as np

from babelbits.stats.paired_scores import BoolArray, FloatArray

_BLEU_ORDER = 4


def bleu(sums: FloatArray) -> FloatArray:
    """Corpus BLEU with exponential smoothing, sacrebleu's default.

    Parameters
    ----------
    sums : shape (n_corpora, 10)
        Hypothesis length, reference length, 4 counts of matching n-grams, 4 of all.

    Returns
    -------
    shape (n_corpora,)
        0 where no n-gram matches or an order has none.

    References
    ----------
    Papineni et al. (2002), ACL; Chen & Cherry (2014), WMT, method 3; sacrebleu 2 `BLEU`.
    """
    lengths, references = sums[:, 0], sums[:, 1]
    correct, total = sums[:, 2 : 2 + _BLEU_ORDER], sums[:, 2 + _BLEU_ORDER :]
    missed: BoolArray = np.logical_and(correct == 0, total > 0)
    smoothed = np.where(missed, 0.5 ** np.cumsum(missed, axis=1), correct)
    possible: BoolArray = np.logical_and((total > 0).all(axis=1), (correct > 0).any(axis=1))
    precisions = np.where(possible[:, None], smoothed / np.where(total > 0, total, 1), 1.0)
    brevity = np.minimum(0.0, 1 - references / np.where(lengths > 0, lengths, 1))
    scores = np.exp(brevity + np.log(precisions).mean(axis=1))
    return np.asarray(np.where(possible, scores, 0.0))


def chrf(sums: FloatArray, *, beta: float = 2.0) -> FloatArray:
    """Corpus chrF (18 statistics) or chrF++ (24): the order of n-grams is in the shape.

    Parameters
    ----------
    sums : shape (n_corpora, 3 x orders)
        For each order: n-grams of the hypothesis, of the reference, matches.
    beta : float
        Weight of recall against precision.

    Returns
    -------
    shape (n_corpora,)
        Orders that hypothesis or reference lack are left out, as in sacrebleu.

    References
    ----------
    Popović (2015, 2017), WMT; sacrebleu 2 `CHRF`.
    """
    counts = sums.reshape(len(sums), -1, 3)
    hypothesis, reference, match = counts[..., 0], counts[..., 1], counts[..., 2]
    known: BoolArray = np.logical_and(hypothesis > 0, reference > 0)
    orders = np.maximum(1.0, known.sum(axis=1))
    precision = _mean(match, hypothesis, known, orders)
    recall = _mean(match, reference, known, orders)
    below = beta**2 * precision + recall
    score = (1 + beta**2) * precision * recall / np.where(below > 0, below, 1)
    return np.asarray(np.where(below > 0, score, 0.0))


def _mean(match: FloatArray, of: FloatArray, known: BoolArray, orders: FloatArray) -> FloatArray:
    shares = np.where(known, match / np.where(known, of, 1), 0.0)
    return np.asarray(shares.sum(axis=1) / orders)
