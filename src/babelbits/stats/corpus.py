"""Scores of whole corpora (BLEU, corpus chrF): a randomisation test and a bootstrap interval.

A corpus score is a function of sums over segments, so segments are swapped and drawn on their
sufficient statistics (counts of n-grams, matches, lengths) and each resample is scored from sums.
Segments that depend on each other (of one document) are summed first: the document is the segment.
`score` must be oriented (higher is better): a negative difference is harm. Its unit is its own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from babelbits.errors import UnpairedItemsError
from babelbits.records import Interval
from babelbits.stats.mean_tests import EXACT_LIMIT, FEW_HITS, SPARSE_LIMIT
from babelbits.stats.paired_scores import FloatArray
from babelbits.stats.resampling import bootstrap_counts, random_signs
from babelbits.stats.tails import sign_sum_p

CorpusScore = Callable[[FloatArray], FloatArray]
"""Sums of shape (n_corpora, n_statistics) to scores of shape (n_corpora,)."""
_TOLERANCE = 1e-10
_PATTERNS_AT_ONCE = 1 << 14


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomisationResult:
    """Outcome of an approximate randomisation test."""

    n_segments: int
    n_changed: int
    """Segments whose statistics differ; only they are swapped."""
    baseline_score: float
    variant_score: float
    delta: float
    p_value: float
    """Two-sided, in (0, 1]; 1.0 when nothing changed."""
    exact: bool
    resamples: int
    """Swaps tried: 2^n_changed when exact."""
    saddlepoint: bool = False
    """p is a computed tail: too few swaps lay as far out as the outputs themselves."""


def approximate_randomisation(
    baseline: ArrayLike,
    variant: ArrayLike,
    score: CorpusScore,
    *,
    rng: np.random.Generator,
    resamples: int = 10_000,
) -> RandomisationResult:
    """Test of "swapping the two outputs of any segment makes no difference".

    Swaps that score exactly as far apart as the observed corpora count as hits, less rounding;
    p = (k + 1)/(resamples + 1), or the share of all swaps when there are at most `EXACT_LIMIT`
    changed segments and no more swaps than `resamples`. Where k is below `FEW_HITS` it is the
    saddlepoint tail of the linearised score: what each segment's swap does by itself, added up.

    Parameters
    ----------
    baseline, variant : shape (n_segments, n_statistics)
        Sufficient statistics in the same order of segments.
    score : callable
        Scores of summed statistics, vectorised over the first axis.

    Raises
    ------
    UnpairedItemsError
        If the shapes differ, there are no segments, or a statistic is not finite.

    References
    ----------
    Noreen (1989), Computer-Intensive Methods; Riezler & Maxwell (2005), ACL workshop on intrinsic
    and extrinsic evaluation measures; Phipson & Smyth (2010), SAGMB 9:39 for +1.
    """
    first, second = _checked(baseline, variant)
    apart = second - first
    changed = apart[np.any(apart != 0, axis=1)]
    middle, half = (first.sum(axis=0) + second.sum(axis=0)) / 2, changed / 2
    before, after = _score(score, first.sum(axis=0)), _score(score, second.sum(axis=0))
    threshold = abs(after - before) - _TOLERANCE * max(abs(before), abs(after))
    exact = len(changed) <= EXACT_LIMIT and 2 ** len(changed) <= resamples
    swaps = 2 ** len(changed) if exact else resamples
    signs = _patterns(len(changed)) if exact else random_signs(len(half), resamples=swaps, rng=rng)
    hits = sum(_hits(block @ half, middle, score, threshold) for block in signs)
    p_value = hits / swaps if exact else (hits + 1) / (swaps + 1)
    far = not exact and hits < FEW_HITS
    if far:
        alone = score(middle + half) - score(middle - half)
        p_value = sign_sum_p(_with_sum(alone, after - before))
    return RandomisationResult(
        n_segments=len(first),
        n_changed=len(changed),
        baseline_score=before,
        variant_score=after,
        delta=after - before,
        p_value=p_value,
        exact=exact,
        resamples=swaps,
        saddlepoint=far,
    )


def _with_sum(alone: FloatArray, whole: float) -> FloatArray:
    """What each segment's swap does by itself, with the sum that all do together."""
    total = float(alone.sum())
    return alone * (whole / total) if total * whole > 0 else alone


def _checked(baseline: ArrayLike, variant: ArrayLike) -> tuple[FloatArray, FloatArray]:
    first, second = np.asarray(baseline, float), np.asarray(variant, float)
    if first.shape != second.shape or first.ndim != 2 or first.size == 0:
        raise UnpairedItemsError(
            f"baseline has statistics of shape {first.shape}, variant {second.shape}",
            hint="give both runs one row of statistics a segment, in the same order",
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise UnpairedItemsError(
            "a sufficient statistic is missing or infinite",
            hint="leave segments without an output out of both runs and count them",
        )
    return first, second


def _score(score: CorpusScore, sums: FloatArray) -> float:
    return float(score(sums[None, :])[0])


def _patterns(n: int) -> Iterator[FloatArray]:
    """All ±1 patterns of n segments, in blocks; one empty pattern if n is 0."""
    bits = np.arange(n)
    for start in range(0, 2**n, _PATTERNS_AT_ONCE):
        numbers = np.arange(start, min(2**n, start + _PATTERNS_AT_ONCE))
        yield np.asarray((numbers[:, None] >> bits & 1) * 2.0 - 1, np.float64)


def _hits(moved: FloatArray, middle: FloatArray, score: CorpusScore, threshold: float) -> int:
    found = np.abs(score(middle + moved) - score(middle - moved))
    return int(np.sum(found >= threshold))


def corpus_interval(
    baseline: ArrayLike,
    variant: ArrayLike,
    score: CorpusScore,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 10_000,
) -> Interval | None:
    """Paired bootstrap interval (BCa) of the difference of two corpus scores.

    Segments are drawn with both outputs, so the difficulty of a segment cancels.

    Returns
    -------
    Interval or None
        None with fewer than `SPARSE_LIMIT` changed segments: drawing those that were seen says
        nothing about those that were not.

    References
    ----------
    Koehn (2004), EMNLP, for pairing; Efron (1987), JASA 82:171, for BCa.
    """
    first, second = _checked(baseline, variant)
    if np.sum(np.any(first != second, axis=1)) < SPARSE_LIMIT:
        return None
    sums = first.sum(axis=0), second.sum(axis=0)
    drawn = [
        score(counts @ second) - score(counts @ first)
        for counts in bootstrap_counts(len(first), resamples=resamples, rng=rng)
    ]
    return bca_interval(
        np.concatenate(drawn),
        estimate=_score(score, sums[1]) - _score(score, sums[0]),
        leave_one_out=score(sums[1] - second) - score(sums[0] - first),
        level=level,
    )


# --- BCa intervals --------------------------------------------------------------------------------
# For statistics that have no standard error to studentise by, such as the score of a corpus. The
# mean of many columns is quicker with `bounded.bootstrap_t_columns`.


def acceleration(leave_one_out: ArrayLike) -> float:
    """How fast the standard error changes with the statistic; 0 where nothing varies.

    References
    ----------
    Efron & Tibshirani (1993), equation 14.15.
    """
    values = np.asarray(leave_one_out, float)
    away = values.mean() - values
    spread = float(np.sum(away**2))
    return 0.0 if spread == 0 else float(np.sum(away**3)) / (6 * spread**1.5)


def bca_interval(
    replicates: ArrayLike, *, estimate: float, leave_one_out: ArrayLike, level: float = 0.95
) -> Interval | None:
    """BCa interval from resampled values of a statistic.

    Parameters
    ----------
    replicates : shape (n_resamples,)
    estimate : float
        The statistic of the data.
    leave_one_out : shape (n_units,)
        The statistic without each unit.

    Returns
    -------
    Interval or None
        None where the replicates do not vary or all lie on one side of the estimate.

    References
    ----------
    Efron (1987), JASA 82:171; `scipy.stats.bootstrap(method="BCa")` for ties.
    """
    values = np.asarray(replicates, float)
    below = float(np.mean(values < estimate) + np.mean(values <= estimate)) / 2
    if np.ptp(values) == 0 or not 0 < below < 1:
        return None
    bias, pull = float(special.ndtri(below)), acceleration(leave_one_out)
    z = float(special.ndtri((1 + level) / 2))
    shares = [_moved(bias + side * z, bias, pull) for side in (-1, 1)]
    low, high = np.quantile(values, shares)
    return Interval(low=float(low), high=float(high), level=level, method="BCa bootstrap")


def _moved(z: float, bias: float, pull: float) -> float:
    return float(special.ndtr(bias + z / (1 - pull * z)))
