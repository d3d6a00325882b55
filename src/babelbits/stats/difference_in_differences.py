"""Double differences: whether a language is harmed more than a reference language.

``D = delta of the language - delta of the reference``, so a negative D says that the language is
harmed more. Comparing two verdicts ("worse here, undecided there") does not answer that.
Differences are ``variant - baseline``, oriented: harm is negative.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from babelbits.errors import UnpairedItemsError
from babelbits.records import Interval
from babelbits.stats.cluster import ClusterScores, cluster_scores
from babelbits.stats.paired_scores import checked_columns
from babelbits.stats.student import MeanTest, mean_test, t_of_changed


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubleDifference:
    """How much harder a language is hit than the reference."""

    estimate: float
    """Mean difference of the language less that of the reference."""
    paired: bool
    """Whether the two share source items, so that what these have in common cancels."""
    n_sources: int
    """Independent units: source items of either language."""
    p_value: float | None
    """Two-sided, of "both are hit alike"; None where too little changed to tell."""
    interval: Interval | None
    """None exactly where `p_value` is."""


def double_difference(
    target: ArrayLike,
    reference: ArrayLike,
    *,
    target_sources: ArrayLike,
    reference_sources: ArrayLike,
    level: float = 0.95,
) -> DoubleDifference:
    """Test and interval of D.

    Translations of the same items are paired by source: Student's t over source items with
    (changed - 1) degrees of freedom. Other items are two independent samples: Welch's t, with the
    changed units of each side in its degrees of freedom. Neither supposes that the two languages
    change equally often, as swapping their labels would.

    Parameters
    ----------
    target, reference : shape (n_items,), (m_items,)
        Differences of the language and of the reference.
    target_sources, reference_sources : int, shape (n_items,), (m_items,)
        Equal numbers share a source item, also across the two languages.

    Raises
    ------
    UnpairedItemsError
        If a side is empty, a difference is missing, or labels and differences differ in number.

    References
    ----------
    Card & Krueger (1994), AER 84:772, for the estimand; Welch (1947), Biometrika 34:28.
    """
    paired = bool(np.intersect1d(target_sources, reference_sources).size)
    if paired:
        scores = paired_scores(
            target,
            reference,
            target_sources=target_sources,
            reference_sources=reference_sources,
        )
        tested = t_of_changed(
            scores.linearised, n_changed=int(np.count_nonzero(scores.contributions)), level=level
        )
        estimate, n_sources = scores.estimate, scores.n_clusters
    else:
        ours = cluster_scores(target, clusters=target_sources)
        theirs = cluster_scores(reference, clusters=reference_sources)
        tested = _welch(ours, theirs, level=level)
        estimate, n_sources = ours.estimate - theirs.estimate, ours.n_clusters + theirs.n_clusters
    return DoubleDifference(
        estimate=estimate,
        paired=paired,
        n_sources=n_sources,
        p_value=None if tested is None else tested.p_value,
        interval=None if tested is None else tested.interval,
    )


def paired_scores(
    target: ArrayLike,
    reference: ArrayLike,
    *,
    target_sources: ArrayLike,
    reference_sources: ArrayLike,
) -> ClusterScores:
    """D taken apart into one value per source item; their mean is D.

    A source that only one language has counts for that language, so that D stays the difference of
    the two deltas that are reported.
    """
    ours, theirs = checked_columns(np.ravel(target)), checked_columns(np.ravel(reference))
    labels = np.ravel(target_sources), np.ravel(reference_sources)
    if labels[0].size != len(ours) or labels[1].size != len(theirs):
        raise UnpairedItemsError(
            f"{len(ours)} and {len(theirs)} differences, {labels[0].size} and {labels[1].size} "
            "source labels",
            hint="give every item its source item",
        )
    half = cluster_scores(
        np.concatenate([ours[:, 0], -theirs[:, 0]]),
        clusters=np.concatenate(labels),
        strata=np.repeat([0, 1], [len(ours), len(theirs)]),
    )
    return replace(
        half,
        estimate=2 * half.estimate,
        contributions=2 * half.contributions,
        linearised=2 * half.linearised,
        limit=2 * half.limit,
    )


def difference_of_samples(
    ours: ClusterScores, theirs: ClusterScores, *, level: float = 0.95
) -> MeanTest | None:
    """The mean of one sample of clusters less that of another that shares none: Welch's t.

    Where each is of differences, this is a difference of differences between two conditions with
    items of their own.

    Returns
    -------
    MeanTest or None
        None where fewer than two units of a side changed.

    References
    ----------
    Welch (1947), Biometrika 34:28.
    """
    return _welch(ours, theirs, level=level)


def _welch(ours: ClusterScores, theirs: ClusterScores, *, level: float) -> MeanTest | None:
    sides = [_side(ours), _side(theirs)]
    variance = sum(part for part, _ in sides)
    if min(changed for _, changed in sides) < 2 or variance == 0:
        return None
    df = variance**2 / sum(part**2 / (changed - 1) for part, changed in sides)
    return mean_test(
        ours.estimate - theirs.estimate, math.sqrt(variance), df=df, level=level, name="Welch t"
    )


def _side(scores: ClusterScores) -> tuple[float, int]:
    """Variance of one side's mean, and how many of its units changed."""
    n, changed = scores.n_clusters, int(np.count_nonzero(scores.contributions))
    return float(np.var(scores.linearised)) / max(1, n - 1), changed
