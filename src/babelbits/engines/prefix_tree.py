"""Which tokens must be computed, and in which forward passes, when sequences share prefixes.

The sequences of a bulk request form a forest in which every distinct prefix occurs once (a radix
tree): a few-shot prefix is the trunk of its items, an item the trunk of its choices. The forest is
walked from the root while a stack of keys and values (`trunk.Trunk`) holds the path to where we
are. A `ForwardStep` is one forward pass over one row, without padding:

- a step that is *kept* computes the next piece of the trunk;
- a *pack* computes many small branches side by side and is then forgotten. Each of its tokens sees
  the trunk, its ancestors in the pack and itself (`ForwardStep.visible`).

So each token of the forest is computed once, save those of tiny trunks: they are repeated in their
branches, because a forward pass of their own would cost more.

Pure Python and numpy: nothing here knows a model. Lengths, depths and positions are in tokens.
Related: Hydragen (arXiv 2402.05099), RadixAttention (arXiv 2312.07104), and the tree attention of
SpecInfer (arXiv 2305.09781).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

TINY_TRUNK = 32
"""Tokens that are cheaper to repeat than to compute in a forward pass of their own."""

Want = tuple[int, int]
"""(offset or row, slot): the logits there are asked for, and the answer's index."""


@dataclass(slots=True, eq=False)
class Node:
    """A run of tokens that the same sequences share, and what follows it."""

    tokens: list[int]
    wants: list[Want] = field(default_factory=list)
    children: list["Node"] = field(default_factory=list)
    size: int = 0
    """Tokens in the subtree, this node's included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardStep:
    """One forward pass over `tokens`, which attend to the first `depth` tokens of the trunk."""

    depth: int
    tokens: list[int]
    positions: list[int]
    """Position of each token in its own sequence."""
    parents: list[int]
    """Row of the token before, or -1 where that is the trunk's last token."""
    wants: list[Want]
    keep: bool
    """Whether the tokens become trunk."""

    def path(self, row: int) -> list[int]:
        """Rows from the trunk down to `row`, inclusive."""
        rows = []
        while row >= 0:
            rows.append(row)
            row = self.parents[row]
        return rows[::-1]

    @property
    def is_chain(self) -> bool:
        """Whether the rows are one sequence, so that plain causal attention is enough."""
        return all(parent == row - 1 for row, parent in enumerate(self.parents))

    def visible(self) -> NDArray[np.bool_]:
        """Which rows each row attends to beside the trunk, shape (rows, rows)."""
        seen = np.zeros((len(self.tokens), len(self.tokens)), dtype=np.bool_)
        for row, parent in enumerate(self.parents):
            if parent >= 0:
                seen[row] = seen[parent]
            seen[row, row] = True
        return seen


def grow(sequences: Sequence[Sequence[int]], starts: Sequence[int]) -> list[Node]:
    """Build the forest of token sequences, branches in the order in which they are first asked.

    So the trunk that is left at the end is that of the last requests, which the next call is
    likely to go on with.

    Parameters
    ----------
    sequences : sequence of token sequences
        None of them empty; they may repeat.
    starts : sequence of int
        The logits of sequence i are wanted from position `starts[i]` to its end. Their slots are
        numbered through: first those of sequence 0, then those of sequence 1, and so on.
    """
    arrays = [np.asarray(sequence, dtype=np.int64) for sequence in sequences]
    order = sorted(range(len(arrays)), key=lambda i: list(sequences[i]))
    counts = [len(array) - start for array, start in zip(arrays, starts, strict=True)]
    slots = np.cumsum([0, *counts])
    roots: list[Node] = []
    made: list[Node] = []
    todo = [(order, 0, roots)]
    while todo:
        members, depth, siblings = todo.pop()
        for group in sorted(_split(members, arrays, depth), key=min):
            end = _shared_length(arrays[group[0]], arrays[group[-1]], depth)
            node = Node(tokens=arrays[group[0]][depth:end].tolist())
            for i in group:
                wanted = range(max(depth, starts[i]), end)
                node.wants.extend((p - depth, int(slots[i]) + p - starts[i]) for p in wanted)
            siblings.append(node)
            made.append(node)
            todo.append(([i for i in group if len(arrays[i]) > end], end, node.children))
    for node in reversed(made):  # children were made after their parents
        node.size = len(node.tokens) + sum(child.size for child in node.children)
    return roots


def _split(members: list[int], arrays: list[NDArray[np.int64]], depth: int) -> Iterator[list[int]]:
    """Runs of sorted sequences with the same token at `depth`."""
    start = 0
    for i in range(1, len(members) + 1):
        if i == len(members) or arrays[members[i]][depth] != arrays[members[start]][depth]:
            yield members[start:i]
            start = i


def _shared_length(first: NDArray[np.int64], last: NDArray[np.int64], depth: int) -> int:
    """Length of the prefix shared by sorted sequences from `first` to `last`, at least `depth`."""
    short = min(len(first), len(last))
    differ = np.flatnonzero(first[depth:short] != last[depth:short])
    return depth + int(differ[0]) if len(differ) else short


def plan_steps(roots: list[Node], *, pack: int, block: int, longest: int) -> Iterator[ForwardStep]:
    """Forward passes that compute the forest, each trunk right before what needs it.

    Parameters
    ----------
    roots : list of Node
        From `grow`.
    pack : int
        Tokens that one pack should not exceed.
    block : int
        Trunks are computed in pieces that end at multiples of this, so that a piece is the same
        whatever shares it (`Trunk` keeps such pieces from call to call).
    longest : int
        A single sequence may form a pack of its own up to this length; of a longer one the first
        part is computed as trunk, in pieces of this length.
    """
    todo: list[tuple[int, Node | list[Node]]] = [(0, roots)]
    while todo:
        depth, item = todo.pop()
        if isinstance(item, Node):
            yield from _trunk(item, depth, block if item.children else longest)
            todo.append((depth + len(item.tokens), item.children))
            continue
        small, big = _sort_out(item, pack=pack, longest=longest)
        yield from _packs(small, depth, pack)
        todo.extend((depth, node) for node in reversed(big))


def _sort_out(siblings: list[Node], *, pack: int, longest: int) -> tuple[list[Node], list[Node]]:
    """Branches to be packed whole, and those whose root becomes trunk.

    A tiny trunk is repeated in each of its branches instead.
    """
    small: list[Node] = []
    big: list[Node] = []
    todo = list(reversed(siblings))
    while todo:
        node = todo.pop()
        if node.size <= (pack if node.children else longest):
            small.append(node)
        elif node.children and len(node.tokens) * (len(node.children) - 1) <= TINY_TRUNK:
            todo.extend(reversed(_distribute(node)))
        else:
            big.append(node)
    return small, big


def _distribute(node: Node) -> list[Node]:
    """The node's branches with its tokens before each; its own wants go to the first."""
    shift = len(node.tokens)
    branches = []
    for i, child in enumerate(node.children):
        own = node.wants if i == 0 else []
        branch = Node(
            tokens=node.tokens + child.tokens,
            wants=own + [(shift + offset, slot) for offset, slot in child.wants],
            children=child.children,
            size=shift + child.size,
        )
        branches.append(branch)
    return branches


def _trunk(node: Node, depth: int, block: int) -> Iterator[ForwardStep]:
    """Pieces of a trunk that end at multiples of `block`."""
    start = 0
    while start < len(node.tokens):
        reach = ((depth + start) // block + 1) * block - depth
        end = min(len(node.tokens), reach)
        yield ForwardStep(
            depth=depth + start,
            tokens=node.tokens[start:end],
            positions=list(range(depth + start, depth + end)),
            parents=list(range(-1, end - start - 1)),
            wants=[(offset - start, slot) for offset, slot in node.wants if start <= offset < end],
            keep=True,
        )
        start = end


def _packs(nodes: list[Node], depth: int, pack: int) -> Iterator[ForwardStep]:
    """Fill packs in order; one is closed when the next branch would not fit."""
    batch: list[Node] = []
    size = 0
    for node in nodes:
        if batch and size + node.size > pack:
            yield _flatten(batch, depth)
            batch, size = [], 0
        batch.append(node)
        size += node.size
    if batch:
        yield _flatten(batch, depth)


def _flatten(nodes: list[Node], depth: int) -> ForwardStep:
    """Write branches one after the other, each node before its children."""
    step = ForwardStep(depth=depth, tokens=[], positions=[], parents=[], wants=[], keep=False)
    todo = [(node, -1) for node in reversed(nodes)]
    while todo:
        node, parent = todo.pop()
        start, end = len(step.tokens), len(step.tokens) + len(node.tokens)
        first = depth if parent < 0 else step.positions[parent] + 1
        step.tokens.extend(node.tokens)
        step.positions.extend(range(first, first + end - start))
        step.parents.extend([parent, *range(start, end - 1)])
        step.wants.extend((start + offset, slot) for offset, slot in node.wants)
        todo.extend((child, end - 1) for child in reversed(node.children))
    return step
