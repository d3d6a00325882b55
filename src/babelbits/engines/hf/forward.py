"""Forward passes over pieces of the forest, with logits only where they are asked for.

Logits come from the model's own `forward(logits_to_keep=...)`, so that whatever an architecture
does after its last layer (logit scales, soft caps) is done. Log-probabilities are in nats and are
computed in float32 whatever the model's type.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from babelbits.engines.encoding import Query
from babelbits.engines.hf.prefix_cache import Trunk
from babelbits.engines.prefix_tree import ForwardStep
from babelbits.engines.replies import Scored

_CHUNK_ELEMENTS = 2**24
"""Logits converted to float32 at a time."""


class TreeRunner:
    """Runs the steps of a plan, one after the other, on one trunk."""

    def __init__(self, model: Any, *, trunk: Trunk, device: torch.device, dtype: torch.dtype):
        self.model = model
        self.trunk = trunk
        self.device = device
        self.dtype = dtype

    def run(self, step: ForwardStep) -> torch.Tensor | None:
        """Logits of the wanted rows in rising order, shape (rows, vocabulary).

        None where none are wanted, or where the trunk has that piece already.
        """
        rows = list_wanted_rows(step)
        if step.keep and not rows and self.trunk.has(step.depth, step.tokens):
            self.trunk.retreat(step.depth + len(step.tokens))
            return None
        self.trunk.retreat(step.depth)
        positions = torch.tensor(rows, device=self.device)
        output = self.model(
            input_ids=torch.tensor([step.tokens], device=self.device),
            attention_mask=self._mask(step),
            position_ids=torch.tensor([step.positions], device=self.device),
            past_key_values=self.trunk.cache,
            use_cache=True,
            logits_to_keep=positions if rows else 1,
        )
        self.trunk.wrote(step.depth, step.tokens, keep=step.keep)
        return select_logits(output.logits, positions)[0] if rows else None

    def _mask(self, step: ForwardStep) -> torch.Tensor | None:
        """Additive mask, shape (1, 1, rows, depth + rows); None for plain causal attention."""
        if step.depth == 0 and step.is_chain:
            return None
        return make_additive_mask(
            np.pad(step.visible(), ((0, 0), (step.depth, 0)), constant_values=True),
            device=self.device,
            dtype=self.dtype,
        )


def list_wanted_rows(step: ForwardStep) -> list[int]:
    """Rows whose logits are wanted, in rising order, each once."""
    return sorted({row for row, _slot in step.wants})


def select_logits(logits: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Logits at the asked positions; some models compute all, whatever they are asked for."""
    return logits if logits.shape[1] == len(positions) else logits[:, positions]


def make_additive_mask(
    visible: NDArray[np.bool_], *, device: torch.device, dtype: torch.dtype
) -> torch.Tensor:
    """0 where visible, the type's lowest number elsewhere; shape (1, 1, *visible.shape)."""
    hidden = torch.from_numpy(~visible).to(device)
    mask = torch.zeros(visible.shape, device=device, dtype=dtype)
    return mask.masked_fill_(hidden, torch.finfo(dtype).min)[None, None]


def read_logits(
    logits: torch.Tensor, rows: Sequence[int], targets: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Log-probability of each target at its row, and whether it is the most likely token.

    Parameters
    ----------
    logits : tensor of shape (n, vocabulary)
    rows, targets : of equal length
        Row of `logits` and token id.
    """
    row = torch.tensor(rows, device=logits.device)
    target = torch.tensor(targets, device=logits.device)
    step = max(1, _CHUNK_ELEMENTS // logits.shape[1])
    totals = [torch.logsumexp(chunk.float(), dim=-1) for chunk in torch.split(logits, step)]
    chosen = logits[row, target].float() - torch.cat(totals)[row]
    greedy = logits.argmax(dim=-1)[row] == target
    return chosen.double().cpu().numpy(), greedy.cpu().numpy()


# --- queries to log-probabilities -----------------------------------------------------------------


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
        index = {row: i for i, row in enumerate(list_wanted_rows(step))}
        slots = [slot for _row, slot in step.wants]
        rows = [index[row] for row, _slot in step.wants]
        logprobs[slots], greedy[slots] = read_logits(logits, rows, [targets[s] for s in slots])
    bounds = np.cumsum([len(query.targets) for query in queries])[:-1]
    return list(zip(np.split(logprobs, bounds), np.split(greedy, bounds), strict=True))
