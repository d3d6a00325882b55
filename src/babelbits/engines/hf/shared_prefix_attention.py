"""Attention of many rows to the trunk that they share and to each row's own tokens.

When rows are decoded one token at a time, time goes into reading keys and values. Here those of
a trunk are read once for all of its rows, as one matrix product, instead of once a row; the two
parts share one softmax. The result is the attention to the concatenation of both. Rows of several
trunks go through the model together, so that its matrix products have more rows: attention alone
is computed trunk by trunk.

Source: the decomposition of Hydragen (arXiv 2402.05099), section 3; here without its log-sum-exp
merge, as scores of both parts are in memory together.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch

from babelbits.engines.hf.attention import using

_NAME = "babelbits_cascade"

States = tuple[torch.Tensor, torch.Tensor]
"""Keys and values of one layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branches:
    """What the rows of one trunk see in a step."""

    rows: int
    trunk: Sequence[States] | None
    """For each layer, each of shape (heads, length, size); None where nothing is shared."""
    own: Sequence[States]
    """For each layer, each of shape (rows, heads, own length, size); sizes may differ."""
    mask: torch.Tensor
    """Additive, of shape (rows, 1, 1, own length)."""


def attend_in_cascade(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    branches: Sequence[Branches] | None = None,
    **kwargs: Any,  # the signature is that of transformers' attention functions
) -> tuple[torch.Tensor, None]:
    """Attention of one query token a row; plain SDPA where there are no branches.

    Parameters
    ----------
    query : tensor of shape (rows, query heads, 1, size)
    key, value : tensors of shape (rows, heads, 1, size)
        Of the new tokens, which the branches hold already.
    branches : sequence of Branches
        Their rows, one after the other, are those of `query`.

    Returns
    -------
    Tensor of shape (rows, 1, query heads, size of values), and None for the weights.
    """
    if branches is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        output: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
        return output
    scaled = query * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    parts = torch.split(scaled, [one.rows for one in branches])
    mixed = [
        _attend(part, one, module.layer_idx) for part, one in zip(parts, branches, strict=True)
    ]
    return torch.cat(mixed), None


def _attend(query: torch.Tensor, branches: Branches, layer: int) -> torch.Tensor:
    """Attention of the rows of one trunk; the query is scaled already."""
    key, value = branches.own[layer]
    grouped = query.reshape(len(query), key.shape[1], -1, query.shape[-1])
    mask = branches.mask.to(query.device)  # layers may be on several devices
    # keys first: products with one column are faster than those with one row
    scores = (key @ grouped.transpose(2, 3)).transpose(2, 3) + mask
    if branches.trunk is None:
        mixed = _softmax(scores) @ value
    else:
        trunk_key, trunk_value = branches.trunk[layer]
        to_trunk = _for_all_rows(grouped, trunk_key.transpose(1, 2))
        weights = _softmax(torch.cat([to_trunk, scores], dim=-1))
        of_trunk, of_own = weights.tensor_split([trunk_key.shape[1]], dim=-1)
        mixed = _for_all_rows(of_trunk, trunk_value) + of_own @ value
    return mixed.reshape(len(query), 1, -1, value.shape[-1])


def _softmax(scores: torch.Tensor) -> torch.Tensor:
    return torch.softmax(scores, dim=-1, dtype=torch.float32).to(scores.dtype)


def _for_all_rows(states: torch.Tensor, shared: torch.Tensor) -> torch.Tensor:
    """Product of (rows, heads, group, n) with (heads, n, m) that reads the latter once."""
    rows, heads, group, _n = states.shape
    product = states.transpose(0, 1).flatten(1, 2) @ shared
    return product.view(heads, rows, group, -1).transpose(0, 1)


def cascading(model: Any) -> AbstractContextManager[None]:
    """Let the model's attention look at the `branches` that its forward pass is given."""
    return using(model, _NAME, attend_in_cascade)
