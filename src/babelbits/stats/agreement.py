"""Do raters agree? Krippendorff's alpha, kappas, raw agreement, each rater against the others.

Ratings are a matrix with a row a rater and a column an item; NaN where a rater did not see an item.
The item is the unit of every interval. Low agreement is shown beside a result, never hidden.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from babelbits.libraries import load
from babelbits.records import Interval
from babelbits.stats.paired_scores import FloatArray
from babelbits.stats.resampling import bootstrap_counts, percentile_interval

Measurement = Literal["nominal", "ordinal", "interval", "ratio"]
"""How categories differ: at all, in rank, in distance, in proportion."""


def krippendorff_alpha(ratings: ArrayLike, *, measurement: Measurement) -> float | None:
    """Krippendorff's alpha: 1 is perfect agreement, 0 is chance, negative is worse than chance.

    Parameters
    ----------
    ratings : shape (n_raters, n_items)
        Numbers; NaN where missing.

    Returns
    -------
    float or None
        None if no item has two ratings, or all ratings of such items are the same: then chance
        agreement is perfect, too.

    References
    ----------
    Krippendorff (2011), Computing Krippendorff's Alpha-Reliability; computed by evalica.
    """
    table = _pairable(ratings)
    if table.shape[1] == 0 or np.nanmin(table) == np.nanmax(table):
        return None
    return _alpha(table, measurement)


def alpha_interval(
    ratings: ArrayLike,
    *,
    measurement: Measurement,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 1000,
) -> Interval | None:
    """Percentile interval of alpha, resampling items.

    Only items with two ratings are drawn; the others say nothing about agreement. (The usual
    "KALPHA" bootstrap draws pairs of ratings instead, as if those of one item were independent.)

    Returns
    -------
    Interval or None
        None if alpha is undefined, or so in too many resamples.
    """
    table = _pairable(ratings)
    if krippendorff_alpha(table, measurement=measurement) is None:
        return None
    replicates = [
        krippendorff_alpha(np.repeat(table, row.astype(int), axis=1), measurement=measurement)
        for counts in bootstrap_counts(table.shape[1], rng=rng, resamples=resamples)
        for row in counts
    ]
    return percentile_interval(np.array(replicates, float), level=level)


def _alpha(table: FloatArray, measurement: Measurement) -> float:
    evalica = load("evalica", of="evalica", what="agreement of raters")  # late: both load pandas
    pd = load("pandas", of="evalica", what="agreement of raters")

    return float(evalica.alpha(pd.DataFrame(table), distance=measurement).alpha)


def _checked(ratings: ArrayLike) -> FloatArray:
    table = np.asarray(ratings, float)
    if table.ndim != 2:
        raise ValueError(f"ratings of shape {table.shape}: a row a rater, a column an item")
    return table


def _pairable(ratings: ArrayLike) -> FloatArray:
    """Only the items that at least two raters rated."""
    table = _checked(ratings)
    return np.asarray(table[:, np.sum(~np.isnan(table), axis=0) >= 2])


def raw_agreement(ratings: ArrayLike) -> float | None:
    """Share of pairs of ratings of one item that are the same, averaged over items.

    None if no item has two ratings.
    """
    table = _pairable(ratings)
    if table.shape[1] == 0:
        return None
    shares = []
    for column in table.T:
        counts = np.unique(column[~np.isnan(column)], return_counts=True)[1]
        total = counts.sum()
        shares.append(np.sum(counts * (counts - 1)) / (total * (total - 1)))
    return float(np.mean(shares))


def cohen_kappa(first: ArrayLike, second: ArrayLike) -> float | None:
    """Cohen's kappa of two complete raters; None if both always say the same one thing.

    Parameters
    ----------
    first, second : shape (n_items,)

    References
    ----------
    Cohen (1960), Educational and Psychological Measurement 20:37; `statsmodels` `cohens_kappa`.

    Raises
    ------
    ValueError
        If the shapes differ or there are no items.
    """
    raters = load(  # late: it loads pandas
        "statsmodels.stats.inter_rater", of="statsmodels", what="agreement of raters"
    )
    a, b = np.asarray(first), np.asarray(second)
    if a.shape != b.shape or a.ndim != 1 or a.size == 0:
        raise ValueError(f"two ratings an item, in one order; got shapes {a.shape} and {b.shape}")
    categories, codes = np.unique(np.concatenate([a, b]), return_inverse=True)
    if categories.size == 1:
        return None
    table = np.zeros((categories.size, categories.size))
    np.add.at(table, (codes[: a.size], codes[a.size :]), 1)
    return float(raters.cohens_kappa(table, return_results=False))


def plurality(ratings: ArrayLike, *, otherwise: float) -> FloatArray:
    """Each item's most frequent rating; `otherwise` if two lead, NaN if nobody rated it.

    Parameters
    ----------
    ratings : shape (n_raters, n_items)
    otherwise : float
        E.g. 0 for a tie.

    Returns
    -------
    shape (n_items,)
    """
    winners = []
    for column in _checked(ratings).T:
        labels, counts = np.unique(column[~np.isnan(column)], return_counts=True)
        leaders = labels[counts == counts.max()] if labels.size else np.array([np.nan])
        winners.append(float(leaders[0]) if leaders.size == 1 else otherwise)
    return np.array(winners)


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterAgreement:
    """One rater against the others."""

    rater: str
    n_items: int
    """Items that this rater shares with somebody."""
    agreement: float | None
    """Share of the others' ratings of those items that are the same, averaged over items; None
    without a shared item."""
    alpha_without: float | None
    """Alpha of the others alone: higher than alpha means that this rater lowers it."""


def leave_one_out(
    ratings: ArrayLike, *, raters: Sequence[str], measurement: Measurement
) -> tuple[RaterAgreement, ...]:
    """Every rater against the others, in the order of the rows.

    Parameters
    ----------
    ratings : shape (n_raters, n_items)
    """
    table = _checked(ratings)
    if len(raters) != table.shape[0]:
        raise ValueError(f"{len(raters)} names for {table.shape[0]} raters")
    alphas = []
    for row, name in enumerate(raters):
        others = np.delete(table, row, axis=0)
        shared = ~np.isnan(table[row]) & (~np.isnan(others)).any(axis=0)
        same = np.where(np.isnan(others), np.nan, others == table[row])[:, shared]
        alphas.append(
            RaterAgreement(
                rater=name,
                n_items=int(shared.sum()),
                agreement=float(np.nanmean(same, axis=0).mean()) if shared.any() else None,
                alpha_without=krippendorff_alpha(others, measurement=measurement),
            )
        )
    return tuple(alphas)
