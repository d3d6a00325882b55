"""Many one-sided tests under one error rate: a sequentially rejective graph.

Each hypothesis has a share of the error rate. One that is rejected passes its share along the
edges of the graph to those that are not. However the truth looks, the chance of one false
rejection or more is at most alpha, provided that each p-value is valid at every level it may be
held against (Bretz, Maurer, Brannath & Posch 2009). Nothing is supposed about how the tests depend
on each other.

`graph_adjusted` takes any graph as a matrix. `harm_adjusted` is the graph of a report, which is too
large for a matrix (20 variants, 6 suites and 40 languages are 4,920 hypotheses) and is walked by
its structure instead:

* a *block* is a variant on a suite: the mean over its languages, and each language. Blocks share
  the error rate equally; half of a block's share is the mean's, half is its languages' in equal
  parts. A block of one language has one hypothesis;
* a rejected mean passes its share to its languages, a rejected language to the others of its
  block, the last of them to the mean if that still stands;
* a finished block passes its share to the other blocks of its variant, a finished variant to the
  other variants, divided as at the beginning.

p-values are one-sided; which side is harm is not known here.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


# --- any graph ---------------------------------------------------------------------------------


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

    Raises
    ------
    ValueError
        If weights or transitions are no graph.

    References
    ----------
    Bretz, Maurer, Brannath & Posch (2009), Statistics in Medicine 28:586, algorithms 1 and 2.
    """
    p = np.asarray(p_values, float)
    share, passed = np.array(weights, float), np.array(transitions, float)
    _check_graph(p, share, passed)
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


def _check_graph(p: Array, share: Array, passed: Array) -> None:
    slack = 1e-9
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p-values lie in [0, 1]")
    if share.shape != p.shape or (share < 0).any() or share.sum() > 1 + slack:
        raise ValueError("weights: one a hypothesis, none negative, together at most 1")
    if passed.shape != (p.size, p.size) or (passed < 0).any() or np.diagonal(passed).any():
        raise ValueError("transitions: a square matrix, none negative, nothing passed to itself")
    if (passed.sum(axis=1) > 1 + slack).any():
        raise ValueError("transitions: a hypothesis passes at most all that it has")


def _without(gone: int, passed: Array, waiting: NDArray[np.bool_]) -> Array:
    """The edges among those that are left, through the one that is gone."""
    through = passed + np.outer(passed[:, gone], passed[gone])
    back = 1.0 - passed[:, gone] * passed[gone]
    found = np.where(back[:, None] > 0, through / np.where(back > 0, back, 1.0)[:, None], 0.0)
    np.fill_diagonal(found, 0.0)
    found[~waiting, :] = 0.0
    found[:, ~waiting] = 0.0
    return found


# --- the graph of a report ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A variant on a suite: one-sided p-values, or adjusted ones."""

    variant: Hashable
    pooled: float | None
    """Of the mean over the languages; None where there is one language: then it is that one's."""
    languages: tuple[float, ...]
    """At least one."""

    def __post_init__(self) -> None:
        if not self.languages:
            raise ValueError("a block has at least one language")
        if (self.pooled is None) != (len(self.languages) == 1):
            raise ValueError("a block of one language has no mean beside it, any other has one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Level at which a block's hypotheses are tested before anything is rejected, one-sided."""

    pooled: float | None
    language: float


def initial_levels(languages: Sequence[int], *, alpha: float) -> tuple[Levels, ...]:
    """The strictest level each hypothesis of a report can be held against.

    Parameters
    ----------
    languages : sequence of int
        Number of languages of each block (variant x suite), >= 1.
    alpha : float
        Error rate of the whole report.
    """
    share = alpha / max(1, len(languages))
    return tuple(
        Levels(pooled=None, language=share)
        if count == 1
        else Levels(pooled=share / 2, language=share / 2 / count)
        for count in languages
    )


def harm_adjusted(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Adjusted one-sided p-values of all hypotheses of a report, in the blocks' order.

    The same as `graph_adjusted` with the matrix of `harm_graph` as its epsilon tends to 0.

    Parameters
    ----------
    blocks : sequence of Block
        Every question of the report; one without an answer has p = 1, and is part of it.
    """
    walk = _Walk(blocks)
    while walk.step():
        pass
    return walk.result()


class _Walk:
    """Blocks in the course of rejection. One pass; every step rejects one hypothesis."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = blocks
        share = 1.0 / max(1, len(blocks))
        self.order = [np.argsort(one.languages, kind="stable") for one in blocks]
        self.done = [0] * len(blocks)
        """Languages rejected."""
        self.languages = [share if one.pooled is None else share / 2 for one in blocks]
        """Share that a block's standing languages have together."""
        self.mean = [0.0 if one.pooled is None else share / 2 for one in blocks]
        self.mean_stands = [one.pooled is not None for one in blocks]
        self.standing = np.ones(len(blocks), bool)
        self.next = np.array([self._ready(i) for i in range(len(blocks))])
        self.reached = 0.0
        self.adjusted = [[1.0] * len(one.languages) for one in blocks]
        self.adjusted_mean: list[float | None] = [
            None if one.pooled is None else 1.0 for one in blocks
        ]

    def _ready(self, i: int) -> float:
        """The smallest level at which the block's next hypothesis falls."""
        return min(self._language(i), self._mean(i))

    def _language(self, i: int) -> float:
        block, left = self.blocks[i], len(self.blocks[i].languages) - self.done[i]
        if not left:
            return np.inf
        return float(block.languages[self.order[i][self.done[i]]] * left / self.languages[i])

    def _mean(self, i: int) -> float:
        pooled = self.blocks[i].pooled
        return np.inf if pooled is None or not self.mean_stands[i] else pooled / self.mean[i]

    def step(self) -> bool:
        """Reject the next hypothesis; False where none could be at a level below 1."""
        if not self.standing.any():
            return False
        i = int(np.argmin(self.next))
        self.reached = max(self.reached, float(self.next[i]))
        if self.reached >= 1:
            return False
        if self._mean(i) <= self._language(i):
            self.adjusted_mean[i] = self.reached
            self.mean_stands[i] = False
            self.languages[i] += self.mean[i]
            self.mean[i] = 0.0
        else:
            self.adjusted[i][self.order[i][self.done[i]]] = self.reached
            self.done[i] += 1
        self._settle(i)
        return True

    def _settle(self, i: int) -> None:
        """Pass on what a block, of which something was rejected, no longer needs."""
        if self.done[i] == len(self.blocks[i].languages):
            share, self.languages[i] = self.languages[i], 0.0
            if self.mean_stands[i]:
                self.mean[i] += share
            else:
                self.standing[i] = False
                self._pass_on(i, share)
        self.next[i] = self._ready(i) if self.standing[i] else np.inf

    def _pass_on(self, i: int, share: float) -> None:
        """To the standing blocks of the variant, else of all other variants alike."""
        there = [int(j) for j in np.flatnonzero(self.standing)]
        own = [j for j in there if self.blocks[j].variant == self.blocks[i].variant]
        by_variant: dict[Hashable, list[int]] = {}
        for j in own or there:
            by_variant.setdefault(self.blocks[j].variant, []).append(j)
        for members in by_variant.values():
            for j in members:
                self._receive(j, share / len(by_variant) / len(members))

    def _receive(self, j: int, share: float) -> None:
        left = self.done[j] < len(self.blocks[j].languages)
        halves = 2 if left and self.mean_stands[j] else 1
        if self.mean_stands[j]:
            self.mean[j] += share / halves
        if left:
            self.languages[j] += share / halves
        self.next[j] = self._ready(j)

    def result(self) -> tuple[Block, ...]:
        """The adjusted p-values so far; those that were not reached have 1."""
        return tuple(
            Block(variant=one.variant, pooled=mean, languages=tuple(languages))
            for one, mean, languages in zip(
                self.blocks, self.adjusted_mean, self.adjusted, strict=True
            )
        )


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
