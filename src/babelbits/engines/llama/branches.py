"""Which sequences each row of a step belongs to: the branches of a tree, numbered from 1.

A row belongs to every branch that runs through it, so that it is computed and held once.
Sequence 0 is the trunk. Pure Python: nothing here knows a model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from babelbits.engines.prefix_tree import ForwardStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Branches:
    """Some branches of a step, to be decoded together."""

    rows: list[int]
    """Of the step, in rising order."""
    sequences: list[list[int]]
    """Those of each row."""
    wanted: list[int]
    """Rows of the step whose logits are asked for here, in rising order."""


def branches(step: ForwardStep, ends: Sequence[int]) -> dict[int, list[int]]:
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
        members = branches(step, leaves[start : start + most])
        rows = sorted(members)
        wanted = [row for row in rows if row in waiting]
        waiting.difference_update(wanted)
        yield Branches(rows=rows, sequences=[members[row] for row in rows], wanted=wanted)
