"""Runs the steps of a plan (`engines.prefix_tree`) in a session; the tree's trunk is sequence 0.

A trunk is decoded once. The branches of a pack get it by a copy of its cells' membership, and are
forgotten when they have been read. A trunk stays from call to call, until another one needs its
place.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from babelbits.engines.llama.session import Batch, Session
from babelbits.engines.prefix_tree import ForwardStep

Part = tuple[list[int], NDArray[np.float32]]
"""Rows of a step and their logits, shape (rows, vocabulary); valid until the next part."""


class Tree:
    """The trunk in a session's memory, and what is run on it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._trunk: list[int] = []
        self._given = [0] * session.sequences
        """How much of the trunk each sequence has."""

    def run(self, step: ForwardStep) -> Iterator[Part]:
        """Compute a step; yields its wanted rows, each once."""
        if step.keep:
            yield from self._keep(step)
            return
        self.cut(step.depth)
        for part in divide(step, most=self._session.sequences - 1):
            self.give(range(1, 1 + max(ids[-1] for ids in part.sequences)))
            index = {row: i for i, row in enumerate(part.rows)}
            logits = self._session.decode(
                Batch(
                    tokens=[step.tokens[row] for row in part.rows],
                    positions=[step.positions[row] for row in part.rows],
                    sequences=part.sequences,
                    wanted=[index[row] for row in part.wanted],
                )
            )
            self._session.cut(step.depth)
            if part.wanted:
                yield part.wanted, logits

    def _keep(self, step: ForwardStep) -> Iterator[Part]:
        """Decode the trunk's next piece, unless it is there."""
        end = step.depth + len(step.tokens)
        wanted = sorted({row for row, _slot in step.wants})
        if not wanted and self._trunk[step.depth : end] == step.tokens:
            return
        self.cut(step.depth)
        for start in range(0, len(step.tokens), self._session.batch):
            stop = min(start + self._session.batch, len(step.tokens))
            rows = [row for row in wanted if start <= row < stop]
            logits = self._session.decode(
                Batch(
                    tokens=step.tokens[start:stop],
                    positions=step.positions[start:stop],
                    sequences=[[0]] * (stop - start),
                    wanted=[row - start for row in rows],
                )
            )
            self._trunk.extend(step.tokens[start:stop])
            if rows:
                yield rows, logits

    def give(self, sequences: Sequence[int]) -> None:
        """Let sequences have the whole trunk."""
        depth = len(self._trunk)
        for sequence in sequences:
            if self._given[sequence] < depth:
                self._session.copy(sequence, start=self._given[sequence], end=depth)
                self._given[sequence] = depth

    def cut(self, depth: int) -> None:
        """Forget the trunk from `depth` on, and all branches there."""
        self._session.cut(depth)
        del self._trunk[depth:]
        self._given = [min(given, depth) for given in self._given]

    def drop(self, sequence: int) -> None:
        """Forget a branch, and that it has the trunk."""
        self._session.drop(sequence)
        self._given[sequence] = 0

    def wipe(self) -> None:
        """Forget everything, and zero the memory."""
        self._session.wipe()
        self._trunk, self._given = [], [0] * self._session.sequences


# --- branches -------------------------------------------------------------------------------------
# Which sequences each row of a step belongs to: the branches of a tree, numbered from 1.
#
# A row belongs to every branch that runs through it, so that it is computed and held once.
# Sequence 0 is the trunk. Pure Python: nothing here knows a model.


@dataclass(frozen=True, slots=True, kw_only=True)
class Branches:
    """Some branches of a step, to be decoded together."""

    rows: list[int]
    """Of the step, in rising order."""
    sequences: list[list[int]]
    """Those of each row."""
    wanted: list[int]
    """Rows of the step whose logits are asked for here, in rising order."""


def find_branches(step: ForwardStep, ends: Sequence[int]) -> dict[int, list[int]]:
    """The sequences of each row on the way to an end; the i-th end's sequence is i + 1.

    Two branches may end in the same row.
    """
    members: dict[int, list[int]] = {}
    for number, end in enumerate(ends, start=1):
        for row in step.path(end):
            members.setdefault(row, []).append(number)
    return members


def divide(step: ForwardStep, *, most: int) -> Iterator[Branches]:
    """A step in parts of at most `most` branches; what parts share is computed in each.

    Each wanted row is wanted in the first part that holds it.
    """
    inner = set(step.parents)
    leaves = [row for row in range(len(step.tokens)) if row not in inner]
    waiting = {row for row, _slot in step.wants}
    for start in range(0, len(leaves), most):
        members = find_branches(step, leaves[start : start + most])
        rows = sorted(members)
        wanted = [row for row in rows if row in waiting]
        waiting.difference_update(wanted)
        yield Branches(rows=rows, sequences=[members[row] for row in rows], wanted=wanted)
