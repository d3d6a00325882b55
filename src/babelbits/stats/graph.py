"""Many one-sided tests under one error rate: a sequentially rejective graph.

Each hypothesis has a share of the error rate. One that is rejected passes its share along the
edges of the graph to those that are not. However the truth looks, the chance of one false
rejection or more is at most alpha, provided that each p-value is valid at every level it may be
held against (Bretz, Maurer, Brannath & Posch 2009). Nothing is supposed about how the tests depend
on each other.

The graph of a report is too large for a matrix (20 variants, 6 suites and 40 languages are 4,920
hypotheses) and is walked by its structure instead:

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


def harm_adjusted(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Adjusted one-sided p-values of all hypotheses of a report, in the blocks' order.

    References
    ----------
    Bretz, Maurer, Brannath & Posch (2009), Statistics in Medicine 28:586, algorithm 1.

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
