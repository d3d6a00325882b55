"""The plain path: whole sequences in padded batches, nothing shared.

It is the oracle that the shared path is tested against, and the path of architectures on which
sharing is not known to be exact. Padding is on the right, where causal attention never looks, as
in lm-evaluation-harness.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from babelbits.engines.encoding import Query
from babelbits.engines.hf.forward import read_logits
from babelbits.engines.replies import Scored


def score_plain(
    model: Any, queries: Sequence[Query], *, token_budget: int, device: torch.device
) -> list[Scored]:
    """Score queries in batches of at most `token_budget` padded tokens (or a single row)."""
    scored: dict[int, Scored] = {}
    for i, logits in plain_logits(model, queries, token_budget=token_budget, device=device):
        scored[i] = read_logits(logits, range(len(logits)), queries[i].targets)
    return [scored[i] for i in range(len(queries))]


def plain_logits(
    model: Any, queries: Sequence[Query], *, token_budget: int, device: torch.device
) -> Iterator[tuple[int, torch.Tensor]]:
    """Each query's index, in some order, and the logits of its targets."""
    for batch in batches([len(q.tokens) for q in queries], token_budget=token_budget):
        logits = _batch_logits(model, [queries[i] for i in batch], device=device)
        yield from zip(batch, logits, strict=True)


def batches(lengths: Sequence[int], *, token_budget: int) -> Iterator[list[int]]:
    """Indices, longest first, in groups whose padded size stays within the budget."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > token_budget:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _batch_logits(
    model: Any, queries: Sequence[Query], *, device: torch.device
) -> Iterator[torch.Tensor]:
    width = max(len(q.tokens) for q in queries)
    start = min(len(q.tokens) - len(q.targets) for q in queries)
    padded = [q.tokens + [0] * (width - len(q.tokens)) for q in queries]
    logits = model(
        input_ids=torch.tensor(padded, device=device),
        use_cache=False,
        logits_to_keep=torch.arange(start, width, device=device),
    ).logits
    for row, query in zip(logits, queries, strict=True):
        end = len(query.tokens) - start
        yield row[end - len(query.targets) : end]
