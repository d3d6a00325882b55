"""Attention of many rows to a shared trunk and to each row's own tokens.

When rows are decoded one token at a time, time goes into reading keys and values. Here those of
the trunk are read once for all rows, as one matrix product, instead of once a row; the two parts
share one softmax. The result is the attention to the concatenation of both.

Source: the decomposition of Hydragen (arXiv 2402.05099), section 3; here without its log-sum-exp
merge, as scores of both parts are in memory together.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch

from babelbits.engines.hf.attention import using
from babelbits.engines.hf.prefix_cache import Trunk

_NAME = "babelbits_cascade"


@dataclass(frozen=True, slots=True)
class SharedTrunk:
    """The first `length` tokens of a trunk, as every row's prefix."""

    trunk: Trunk
    length: int

    def states(self, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values, each of shape (heads, length, size)."""
        held = self.trunk.cache.layers[layer]
        return held.keys[0, :, : self.length], held.values[0, :, : self.length]


def cascade_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    shared_trunk: SharedTrunk | None = None,
    **kwargs: Any,  # the signature is that of transformers' attention functions
) -> tuple[torch.Tensor, None]:
    """Attention of one query token a row; plain SDPA where there is no shared trunk.

    Parameters
    ----------
    query : tensor of shape (rows, query heads, 1, size)
    key, value : tensors of shape (rows, heads, own length, size)
        Of values, the size may be another.
    attention_mask : additive, of shape (rows, 1, 1, own length)

    Returns
    -------
    Tensor of shape (rows, 1, query heads, size of values), and None for the weights.
    """
    if shared_trunk is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        output: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
        return output
    trunk_key, trunk_value = shared_trunk.states(module.layer_idx)
    rows, heads, size = query.shape[0], key.shape[1], query.shape[-1]
    scale = size**-0.5 if scaling is None else scaling
    grouped = query.reshape(rows, heads, -1, size) * scale  # (rows, heads, group, size)
    to_trunk = _for_all_rows(grouped, trunk_key.transpose(1, 2))
    to_own = grouped @ key.transpose(2, 3)
    if attention_mask is not None:
        to_own = to_own + attention_mask
    scores = torch.cat([to_trunk, to_own], dim=-1)
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    of_trunk, of_own = weights.tensor_split([shared_trunk.length], dim=-1)
    mixed = _for_all_rows(of_trunk, trunk_value) + of_own @ value
    return mixed.reshape(rows, 1, -1, value.shape[-1]), None


def _for_all_rows(states: torch.Tensor, shared: torch.Tensor) -> torch.Tensor:
    """Product of (rows, heads, group, n) with (heads, n, m) that reads the latter once."""
    rows, heads, group, _n = states.shape
    product = states.transpose(0, 1).flatten(1, 2) @ shared
    return product.view(heads, rows, group, -1).transpose(0, 1)


def cascading(model: Any) -> AbstractContextManager[None]:
    """Let the model's attention look at the `shared_trunk` that its forward pass is given."""
    return using(model, _NAME, cascade_attention)
