"""Strengths of more than two variants from votes between pairs of them: Bradley-Terry.

Fitted by evalica; a tie is half a win for each side. Intervals and ranks come from resampling whole
prompts, because votes on one prompt are dependent. With two variants use `preference` instead.
Sign: log-strengths relative to the reference (the baseline), so harm is negative. Unit: natural
logarithm of the odds of being preferred.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse.csgraph import connected_components

from babelbits.errors import UnpairedItemsError
from babelbits.libraries import load
from babelbits.records import Interval
from babelbits.stats.paired_scores import FloatArray, IntArray
from babelbits.stats.ranks import RankInterval, rank_intervals
from babelbits.stats.resampling import bootstrap_counts, percentile_interval

_TOLERANCE = 1e-10
_ITERATIONS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """One variant."""

    name: str
    log_strength: float
    """0 for the reference."""
    interval: Interval | None
    """Percentile, by prompt; None if too many resamples have no finite strengths."""
    rank: RankInterval | None
    """Simultaneous for all variants; None where `interval` would be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BradleyTerry:
    """A fitted model."""

    reference: str
    strengths: tuple[Strength, ...]
    """In the order of their names."""
    n_votes: int
    n_prompts: int
    undefined_resamples: int
    """Resamples in which some variants never lost to, or never met, the others."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Votes:
    """Votes, counted: `weights` has a row a prompt and a column a distinct (left, right, vote)."""

    names: tuple[str, ...]
    left: IntArray
    right: IntArray
    vote: IntArray
    weights: FloatArray


def bradley_terry(
    left: Sequence[str],
    right: Sequence[str],
    votes: ArrayLike,
    *,
    reference: str,
    rng: np.random.Generator,
    prompts: ArrayLike | None = None,
    level: float = 0.95,
    resamples: int = 1000,
) -> BradleyTerry | None:
    """Fit log-strengths to votes.

    Parameters
    ----------
    left, right : sequence of str, n_votes
        The two variants that a vote compares.
    votes : shape (n_votes,)
        +1 if the left was preferred, -1 if the right was, 0 for a tie.
    reference : str
        The variant whose log-strength is 0.
    prompts : shape (n_votes,), optional
        Which prompt a vote is about; every vote its own prompt if left out.

    Returns
    -------
    BradleyTerry or None
        None where no finite strengths exist: the variants fall into two groups, one of which
        never beat or tied the other.

    References
    ----------
    Bradley & Terry (1952), Biometrika 39:324; Ford (1957), American Mathematical Monthly 64:28 for
    when the maximum exists.

    Raises
    ------
    UnpairedItemsError
        If the lengths differ or there are no votes.
    ValueError
        If a vote is not -1, 0 or 1, or the reference has no vote.
    """
    counted = _counted(left, right, votes, prompts)
    if reference not in counted.names:
        raise ValueError(f"no vote about the reference {reference!r}; there are {counted.names}")
    base = counted.names.index(reference)
    fitted = _fit(counted, counted.weights.sum(axis=0), base=base)
    if fitted is None:
        return None
    replicates = _replicates(counted, base=base, rng=rng, resamples=resamples)
    return BradleyTerry(
        reference=reference,
        strengths=_strengths(counted.names, fitted, replicates, level=level),
        n_votes=len(left),
        n_prompts=counted.weights.shape[0],
        undefined_resamples=int(np.isnan(replicates[:, 0]).sum()),
    )


def _strengths(
    names: Sequence[str], fitted: FloatArray, replicates: FloatArray, *, level: float
) -> tuple[Strength, ...]:
    intervals = [percentile_interval(column, level=level) for column in replicates.T]
    defined = replicates[~np.isnan(replicates[:, 0])]
    ranks: Sequence[RankInterval | None] = [None] * len(names)
    if None not in intervals:
        ranks = rank_intervals(fitted, defined, level=level)
    return tuple(
        Strength(name=name, log_strength=float(value), interval=interval, rank=rank)
        for name, value, interval, rank in zip(names, fitted, intervals, ranks, strict=True)
    )


def _counted(
    left: Sequence[str], right: Sequence[str], votes: ArrayLike, prompts: ArrayLike | None
) -> _Votes:
    vote = np.ravel(np.asarray(votes))
    labels = np.arange(vote.size) if prompts is None else np.asarray(prompts)
    if not len(left) == len(right) == vote.size == labels.size or vote.size == 0:
        raise UnpairedItemsError(
            f"{len(left)} left, {len(right)} right, {vote.size} votes, {labels.size} prompts",
            hint="give every vote its two variants and its prompt",
        )
    if not np.isin(vote, (-1, 0, 1)).all():
        raise ValueError("a vote is -1, 0 or 1; leave pairs without a verdict out and count them")
    names = tuple(sorted({*left, *right}))
    number = {name: index for index, name in enumerate(names)}
    rows = np.array(
        [(number[a], number[b], int(v)) for a, b, v in zip(left, right, vote, strict=True)]
    )
    kinds, kind = np.unique(rows, axis=0, return_inverse=True)
    prompt = np.unique(labels, return_inverse=True)[1]
    weights = np.zeros((int(prompt.max()) + 1, len(kinds)))
    np.add.at(weights, (prompt, np.ravel(kind)), 1.0)
    return _Votes(
        names=names, left=kinds[:, 0], right=kinds[:, 1], vote=kinds[:, 2], weights=weights
    )


def _replicates(
    counted: _Votes, *, base: int, rng: np.random.Generator, resamples: int
) -> FloatArray:
    """Log-strengths in resamples of prompts, shape (resamples, k); NaN rows where undefined."""
    rows = []
    for counts in bootstrap_counts(counted.weights.shape[0], rng=rng, resamples=resamples):
        for weights in counts @ counted.weights:
            fitted = _fit(counted, weights, base=base)
            rows.append(np.full(len(counted.names), np.nan) if fitted is None else fitted)
    return np.array(rows)


def _fit(counted: _Votes, weights: FloatArray, *, base: int) -> FloatArray | None:
    """Log-strengths relative to variant `base`; None where no finite maximum exists."""
    if connected_components(_wins(counted, weights), connection="strong")[0] > 1:
        return None
    evalica = load("evalica", of="evalica", what="strength from votes")  # late: it loads pandas
    outcome = {1: evalica.Winner.X, 0: evalica.Winner.Draw, -1: evalica.Winner.Y}
    fit = evalica.bradley_terry(
        counted.left.tolist(),
        counted.right.tolist(),
        [outcome[vote] for vote in counted.vote.tolist()],
        weights=weights.tolist(),
        tie_weight=0.5,
        tolerance=_TOLERANCE,
        limit=_ITERATIONS,
    )
    logs = np.log(fit.scores.reindex(range(len(counted.names))).to_numpy())
    return np.asarray(logs - logs[base])


def _wins(counted: _Votes, weights: FloatArray) -> FloatArray:
    """How often row beat column; a tie is half a win for each."""
    k = len(counted.names)
    wins = np.zeros((k, k))
    np.add.at(wins, (counted.left, counted.right), weights * (counted.vote + 1) / 2)
    np.add.at(wins, (counted.right, counted.left), weights * (1 - counted.vote) / 2)
    return wins
