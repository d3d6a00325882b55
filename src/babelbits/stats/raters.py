"""Raters and prompts are both a draw from many: a mean of votes with two kinds of units.

Three raters who like a terser answer are not a preference of people: with prompts alone as units,
modest differences of taste give 20 % false preferences. Here both vary. Sign and scale are those of
the votes: in [-1, 1], positive prefers the variant.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from babelbits.stats.paired_scores import FloatArray, IntArray, checked_columns
from babelbits.stats.student import MeanTest, mean_test

FEWEST_RATERS = 5
"""With fewer the votes say something about these raters, and little about others."""


def crossed_mean(
    votes: ArrayLike,
    *,
    weights: ArrayLike,
    prompts: ArrayLike,
    raters: ArrayLike,
    level: float = 0.95,
) -> MeanTest | None:
    """Test of "the weighted mean vote is 0" and its interval, prompts and raters both random.

    The variance is that of the prompts plus that of the raters less that of single votes, which is
    in both (never below that of the prompts alone), each from sums of weighted residuals. Student's
    t with Satterthwaite's degrees of freedom, so that three raters count as three.

    Parameters
    ----------
    votes, weights : shape (n_votes,)
        The mean is ``weights @ votes``; weights sum to 1.
    prompts : shape (n_votes,)
        Equal labels are one prompt with its translations.
    raters : int, shape (n_votes,)
        Equal numbers are one rater; -1 where nobody judged (identical pairs).

    Returns
    -------
    MeanTest or None
        None with fewer than two raters or prompts, or where nothing varies.

    References
    ----------
    Cameron, Gelbach & Miller (2011), J. Business & Economic Statistics 29:238 (two-way clusters);
    Owen (2007), Annals of Applied Statistics 1:386 (crossed units); Satterthwaite (1946),
    Biometrics Bulletin 2:110.
    """
    values = checked_columns(np.ravel(votes))[:, 0]
    share, who = np.asarray(weights, float), np.asarray(raters)
    mean = float(share @ values)
    parts = share * (values - mean)
    known = who >= 0
    by_prompt, n_prompts = _variance(parts, _codes(np.asarray(prompts)))
    if not known.any():
        return None
    rated, n_raters = _variance(parts[known], _codes(who[known]))
    if min(n_prompts, n_raters) < 2:
        return None
    variance = max(by_prompt, by_prompt + rated - float(np.sum(parts[known] ** 2)))
    if variance <= 0:
        return None
    df = variance**2 / (by_prompt**2 / (n_prompts - 1) + rated**2 / (n_raters - 1))
    return mean_test(
        mean, math.sqrt(variance), df=max(1.0, df), level=level, name="t over prompts and raters"
    )


def spread_of_raters(votes: ArrayLike, raters: ArrayLike) -> float | None:
    """Standard deviation of raters' mean votes, beyond what single votes vary.

    Parameters
    ----------
    votes : shape (n_votes,)
    raters : shape (n_votes,)

    Returns
    -------
    float or None
        None with fewer than two raters, or with one vote each.

    References
    ----------
    Searle, Casella & McCulloch (1992), Variance Components, section 3.6 (one-way analysis of
    variance, unequal numbers).
    """
    values, who = checked_columns(np.ravel(votes))[:, 0], _codes(np.asarray(raters))
    counts = np.bincount(who)
    if counts.size < 2 or values.size == counts.size:
        return None
    means = np.bincount(who, weights=values) / counts
    within = float(np.sum((values - means[who]) ** 2)) / (values.size - counts.size)
    between = float(counts @ (means - values.mean()) ** 2) / (counts.size - 1)
    each = (values.size - float(counts @ counts) / values.size) / (counts.size - 1)
    return math.sqrt(max(0.0, (between - within) / each))


def _codes(labels: np.ndarray) -> IntArray:
    return np.asarray(np.unique(labels, return_inverse=True)[1], np.intp)


def _variance(parts: FloatArray, units: IntArray) -> tuple[float, int]:
    """Of the sum of the parts, if units are independent; and how many there are."""
    count = int(units.max()) + 1
    if count < 2:
        return 0.0, count
    return float(np.sum(np.bincount(units, weights=parts) ** 2)) * count / (count - 1), count


def equal_weights(prompts: ArrayLike, languages: ArrayLike) -> FloatArray:
    """Weight of each vote in the mean over languages of the mean over prompts of their mean vote.

    Parameters
    ----------
    prompts, languages : shape (n_votes,)

    Returns
    -------
    shape (n_votes,)
        Sums to 1.
    """
    language = _codes(np.asarray(languages))
    _, unit = np.unique(
        np.column_stack([_codes(np.asarray(prompts)), language]), axis=0, return_inverse=True
    )
    cell = np.ravel(unit)
    per_language = np.zeros(int(language.max()) + 1)
    first = np.unique(cell, return_index=True)[1]
    np.add.at(per_language, language[first], 1)
    return np.asarray(
        1 / (per_language.size * per_language[language] * np.bincount(cell)[cell]), float
    )
