"""Queries to log-probabilities: through the tree, or one sequence at a time.

The plain path is the oracle that the shared one is tested against, and the path of models on which
sharing is not exact. Log-probabilities are in nats.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from babelbits.engines.encoding import Query
from babelbits.engines.llama.session import Batch, Session
from babelbits.engines.llama.tree import Tree
from babelbits.engines.prefix_tree import ForwardStep

Read = Callable[[NDArray[np.intp], NDArray[np.float32]], None]
"""Told the slots (targets of all queries, numbered through) of some logits, and these."""


def run_shared(tree: Tree, steps: Iterable[ForwardStep], read: Read) -> None:
    """Run the steps planned for queries, and hand their logits over, a target at a time."""
    for step in steps:
        slots: dict[int, list[int]] = {}
        for row, slot in step.wants:
            slots.setdefault(row, []).append(slot)
        for rows, logits in tree.run(step):
            index = [i for i, row in enumerate(rows) for _slot in slots[row]]
            repeated = logits if len(index) == len(rows) else logits[index]
            read(np.array([slot for row in rows for slot in slots[row]], np.intp), repeated)


def run_plain(session: Session, queries: Sequence[Query], slots: Sequence[int], read: Read) -> None:
    """Decode each query alone, in an empty memory.

    Parameters
    ----------
    slots : sequence of int
        Of each query's first target.
    """
    for query, slot in zip(queries, slots, strict=True):
        session.wipe()
        first = len(query.tokens) - len(query.targets)
        for start, logits in decode_pieces(session, query.tokens, first=first):
            here = slot + max(start, first) - first
            read(np.arange(here, here + len(logits)), logits)


def decode_pieces(
    session: Session, tokens: Sequence[int], *, first: int
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Decode tokens as sequence 0; each piece's start, and its logits from `first` on."""
    for start in range(0, len(tokens), session.batch):
        end = min(start + session.batch, len(tokens))
        logits = session.decode(
            Batch(
                tokens=tokens[start:end],
                positions=range(start, end),
                sequences=[[0]] * (end - start),
                wanted=range(max(first - start, 0), end - start),
            )
        )
        if len(logits):
            yield start, logits
