"""Plain forms that statistics are tested against, too large or too special for the package."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from babelbits.stats.graph import Block
from babelbits.stats.paired_scores import FloatArray, checked_columns
from babelbits.stats.resampling import bootstrap_counts
from babelbits.stats.stopping import mean_sequence

Array = NDArray[np.float64]


def graph_adjusted(p_values: Sequence[float], weights: Array, transitions: Array) -> Array:
    """Adjusted p-values of a sequentially rejective graph; rejected at alpha where <= alpha.

    Parameters
    ----------
    p_values : sequence of float, shape (m,)
        In [0, 1].
    weights : shape (m,)
        Share of the error rate that each hypothesis has at first, >= 0, together at most 1.
    transitions : shape (m, m)
        Row i: which part of its share hypothesis i passes to each other; rows add up to at most 1,
        and nothing is passed to itself.

    Returns
    -------
    shape (m,)
        In [0, 1]; 1 where no share ever arrives.

    References
    ----------
    Bretz, Maurer, Brannath & Posch (2009), Statistics in Medicine 28:586, algorithms 1 and 2.
    """
    p = np.asarray(p_values, float)
    share, passed = np.array(weights, float), np.array(transitions, float)
    adjusted = np.ones(p.size)
    reached = 0.0
    waiting = np.ones(p.size, bool)
    while (waiting & (share > 0)).any():
        ratio = np.where(waiting & (share > 0), p / np.where(share > 0, share, 1.0), np.inf)
        first = int(np.argmin(ratio))
        reached = max(reached, float(ratio[first]))
        adjusted[first] = min(1.0, reached)
        waiting[first] = False
        share = np.where(waiting, share + share[first] * passed[first], 0.0)
        passed = _without(first, passed, waiting)
    return adjusted


def _without(gone: int, passed: Array, waiting: NDArray[np.bool_]) -> Array:
    """The edges among those that are left, through the one that is gone."""
    through = passed + np.outer(passed[:, gone], passed[gone])
    back = 1.0 - passed[:, gone] * passed[gone]
    found = np.where(back[:, None] > 0, through / np.where(back > 0, back, 1.0)[:, None], 0.0)
    np.fill_diagonal(found, 0.0)
    found[~waiting, :] = 0.0
    found[:, ~waiting] = 0.0
    return found


def harm_graph(blocks: Sequence[Block], *, epsilon: float = 1e-4) -> tuple[Array, Array]:
    """Weights and transitions of a report's graph, for small reports and for tests.

    Hypotheses in the order of the blocks: the mean, if there is one, then the languages. Edges of
    `epsilon`, its square and its cube stand for "only when nothing nearer is left".

    Returns
    -------
    weights : shape (m,)
    transitions : shape (m, m)
    """
    places = [(i, k) for i, one in enumerate(blocks) for k in _members(one)]
    index = {place: at for at, place in enumerate(places)}
    entry = np.zeros((len(blocks), len(places)))
    for i, one in enumerate(blocks):
        for k in _members(one):
            half = 1.0 if one.pooled is None else 0.5
            entry[i, index[i, k]] = half if k is None else half / len(one.languages)
    weights = entry.sum(axis=0) / max(1, len(blocks))
    transitions = np.zeros((len(places), len(places)))
    for (i, k), at in index.items():
        near, mean = np.zeros(len(places)), np.zeros(len(places))
        others = [j for j in range(len(blocks[i].languages)) if j != k]
        for j in others:
            near[index[i, j]] = 1 / len(others)
        if k is not None and blocks[i].pooled is not None:
            mean[index[i, None]] = 1.0
        steps = [near, mean, *_beyond(blocks, i, entry)]
        row = np.sum([step * epsilon**power for power, step in enumerate(steps)], axis=0)
        transitions[at] = row / row.sum() if row.any() else row
    return weights, transitions


def _members(block: Block) -> list[int | None]:
    """None: the mean; else the position of a language."""
    return [*([] if block.pooled is None else [None]), *range(len(block.languages))]


def _beyond(blocks: Sequence[Block], i: int, entry: Array) -> tuple[Array, Array]:
    """Where a finished block's share goes within its variant, and to other variants."""
    nothing = np.zeros(entry.shape[1])
    own = [j for j, one in enumerate(blocks) if one.variant == blocks[i].variant and j != i]
    rest: dict[Hashable, list[int]] = {}
    for j, one in enumerate(blocks):
        if one.variant != blocks[i].variant:
            rest.setdefault(one.variant, []).append(j)
    elsewhere = [entry[members].mean(axis=0) for members in rest.values()]
    return (
        entry[own].mean(axis=0) if own else nothing,
        np.mean(elsewhere, axis=0) if elsewhere else nothing,
    )


def net_difference_sequence(
    broke: ArrayLike, fixed: ArrayLike, n_items: ArrayLike, *, alpha: float
) -> tuple[FloatArray, FloatArray]:
    """`mean_sequence` of right/wrong items: the net difference (fixed - broke) / n_items.

    Parameters
    ----------
    broke, fixed, n_items : shape (...)
        Counts so far, one per cell.

    Returns
    -------
    low, high : shape (...)
    """
    b, f, n = np.broadcast_arrays(broke, fixed, n_items)
    return mean_sequence([-1, 0, 1], np.stack([b, n - b - f, f], axis=-1), alpha=alpha)


def mean_replicates(
    values: ArrayLike, *, rng: np.random.Generator, resamples: int = 2000
) -> FloatArray:
    """Bootstrap means of every column, drawing rows.

    Parameters
    ----------
    values : shape (n_units, k)
        E.g. the score of k variants on each item; one column if it has shape (n_units,).

    Returns
    -------
    shape (resamples, k)
    """
    table = checked_columns(values)
    n = table.shape[0]
    return np.concatenate(
        [counts @ table / n for counts in bootstrap_counts(n, rng=rng, resamples=resamples)]
    )
