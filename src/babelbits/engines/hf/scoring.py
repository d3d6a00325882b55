"""Queries to log-probabilities through the forest, in nats."""

from collections.abc import Iterable, Sequence

import numpy as np

from babelbits.engines.encoding import Query
from babelbits.engines.hf.forward import TreeRunner, read_logits, wanted_rows
from babelbits.engines.prefix_tree import ForwardStep
from babelbits.engines.replies import Scored


def score_shared(
    runner: TreeRunner, queries: Sequence[Query], steps: Iterable[ForwardStep]
) -> list[Scored]:
    """Run the steps planned for `queries` and hand each query its log-probabilities."""
    targets = [token for query in queries for token in query.targets]
    logprobs = np.full(len(targets), np.nan)
    greedy = np.zeros(len(targets), dtype=np.bool_)
    for step in steps:
        logits = runner.run(step)
        if logits is None:
            continue
        index = {row: i for i, row in enumerate(wanted_rows(step))}
        slots = [slot for _row, slot in step.wants]
        rows = [index[row] for row, _slot in step.wants]
        logprobs[slots], greedy[slots] = read_logits(logits, rows, [targets[s] for s in slots])
    bounds = np.cumsum([len(query.targets) for query in queries])[:-1]
    return list(zip(np.split(logprobs, bounds), np.split(greedy, bounds), strict=True))
