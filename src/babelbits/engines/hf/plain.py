"""The plain path: whole sequences in padded batches, nothing shared.

It is the oracle that the shared path is tested against, and the path of architectures on which
sharing is not known to be exact. Padding is on the right, where causal attention never looks, as
in lm-evaluation-harness.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from babelbits.engines.encoding import Query
from babelbits.engines.hf.forward import read_logits, select_logits
from babelbits.engines.hf.lengths import UNLIMITED
from babelbits.engines.replies import Scored


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """Which rows may be in one forward pass. All lengths are in tokens."""

    token_budget: int
    """Largest padded size; a single row may be larger."""
    alone: bool = False
    """Whether every row is a batch of its own: numbers depend on what else is in the batch."""
    rope_change: int = UNLIMITED
    """Rows up to this length are apart from longer ones: one longer row changes all the others'."""
    column_change: int = UNLIMITED
    """Rows that grow beyond this length are padded on the left by none (`lengths`)."""
    score_budget: int = UNLIMITED**2
    """Largest number of (row, query, key) triples; matters where attention holds all of them."""

    def groups(
        self, lengths: Sequence[int], *, apart: Sequence[Hashable] | None = None
    ) -> Iterator[list[int]]:
        """Indices in batches, longest first within what may be together.

        Parameters
        ----------
        apart : sequence of hashable, optional
            Rows are together only where these are equal; by default, on the same side of
            `rope_change`.
        """
        keys = [n > self.rope_change for n in lengths] if apart is None else apart
        kinds: dict[Hashable, list[int]] = {}
        for i, key in enumerate(keys):
            kinds.setdefault(i if self.alone else key, []).append(i)
        for members in kinds.values():
            yield from self._split(members, lengths)

    def _split(self, members: list[int], lengths: Sequence[int]) -> Iterator[list[int]]:
        batch: list[int] = []
        for i in sorted(members, key=lambda i: -lengths[i]):
            if batch and not self._fits(len(batch) + 1, lengths[batch[0]]):
                yield batch
                batch = []
            batch.append(i)
        if batch:
            yield batch

    def _fits(self, rows: int, width: int) -> bool:
        return rows * width <= self.token_budget and rows * width**2 <= self.score_budget


def score_plain(
    model: Any, queries: Sequence[Query], *, batching: Batching, device: torch.device
) -> list[Scored]:
    """Score queries in padded batches."""
    scored: dict[int, Scored] = {}
    for i, logits in compute_plain_logits(model, queries, batching=batching, device=device):
        scored[i] = read_logits(logits, range(len(logits)), queries[i].targets)
    return [scored[i] for i in range(len(queries))]


def compute_plain_logits(
    model: Any, queries: Sequence[Query], *, batching: Batching, device: torch.device
) -> Iterator[tuple[int, torch.Tensor]]:
    """Each query's index, in some order, and the logits of its targets."""
    for batch in batching.groups([len(q.tokens) for q in queries]):
        logits = _batch_logits(model, [queries[i] for i in batch], device=device)
        yield from zip(batch, logits, strict=True)


def _batch_logits(
    model: Any, queries: Sequence[Query], *, device: torch.device
) -> Iterator[torch.Tensor]:
    width = max(len(q.tokens) for q in queries)
    start = min(len(q.tokens) - len(q.targets) for q in queries)
    padded = [q.tokens + [0] * (width - len(q.tokens)) for q in queries]
    positions = torch.arange(start, width, device=device)
    logits = model(
        input_ids=torch.tensor(padded, device=device), use_cache=False, logits_to_keep=positions
    ).logits
    for row, query in zip(select_logits(logits, positions), queries, strict=True):
        end = len(query.tokens) - start
        yield row[end - len(query.targets) : end]
