"""The keys and values of one path from the root of the forest, as a stack.

A forward pass writes the keys and values of its tokens behind the current length; `keep` makes
them part of the trunk, otherwise the next pass overwrites them. Buffers are allocated once and
grow by doubling, so nothing is concatenated.

Whole blocks of the trunk outlive the call that computed them. A later call takes over a block
only where it would have computed exactly the same piece after the same tokens, so the numbers do
not depend on what was asked before.
"""

from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

_FIRST_CAPACITY = 512


class TrunkLayer(DynamicLayer):  # type: ignore[misc]  # transformers has no type information
    """Keys and values of one layer, shape (1, heads, capacity, head size); `length` are in use."""

    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.length = 0

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write new states behind the trunk; return trunk and new states together, as views."""
        end = self.length + key_states.shape[2]
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys = _with_room(self.keys, like=key_states, needed=end)
        self.values = _with_room(self.values, like=value_states, needed=end)
        self.keys[:, :, self.length : end] = key_states
        self.values[:, :, self.length : end] = value_states
        return self.keys[:, :, :end], self.values[:, :, :end]

    def get_seq_length(self) -> int:
        """Length of the trunk."""
        return self.length


def _with_room(buffer: torch.Tensor, *, like: torch.Tensor, needed: int) -> torch.Tensor:
    """The buffer, or a larger copy of it if `needed` positions do not fit."""
    capacity = buffer.shape[2] if buffer.ndim == 4 else 0
    if needed <= capacity:
        return buffer
    larger_capacity = max(_FIRST_CAPACITY, 2 * capacity)
    while larger_capacity < needed:
        larger_capacity *= 2
    larger = like.new_empty(1, like.shape[1], larger_capacity, like.shape[3])
    if capacity:
        larger[:, :, :capacity] = buffer
    return larger


class Trunk:
    """The stack over all layers, and which tokens it holds."""

    def __init__(self, *, block: int) -> None:
        self.cache = Cache(layer_class_to_replicate=TrunkLayer)
        self.block = block
        self._tokens: list[int] = []
        """Tokens whose keys and values are in the buffers, also beyond the current length."""
        self._whole = 0
        """Leading blocks of them that were computed in one piece each."""

    @property
    def length(self) -> int:
        """Tokens that count as trunk now."""
        return int(self.cache.get_seq_length())

    def has(self, depth: int, tokens: list[int]) -> bool:
        """Whether this very piece is there already, behind the trunk's first `depth` tokens."""
        end = depth + len(tokens)
        is_block = depth % self.block == 0 and len(tokens) == self.block
        return is_block and end <= self._whole * self.block and self._tokens[depth:end] == tokens

    def retreat(self, depth: int) -> None:
        """Set the length to `depth`; what lies beyond stays until it is overwritten."""
        for layer in self.cache.layers:
            layer.length = depth

    def wrote(self, depth: int, tokens: list[int], *, keep: bool) -> None:
        """Take note of a forward pass over `tokens` at `depth`."""
        self._whole = min(self._whole, depth // self.block)
        self._tokens = self._tokens[:depth]
        if not keep:
            return
        self._tokens += tokens
        aligned = depth == self._whole * self.block and len(tokens) == self.block
        self._whole += int(aligned)
        self.retreat(depth + len(tokens))

    def copy(self, depth: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Keys and values of the first `depth` tokens, each of shape (heads, depth, size)."""
        return [
            (layer.keys[0, :, :depth].clone(), layer.values[0, :, :depth].clone())
            for layer in self.cache.layers
        ]

    def gather(self, layer: int, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values at positions `rows` (n, length), each shape (n, heads, length, size)."""
        n, length = rows.shape
        states = []
        for buffer in (self.cache.layers[layer].keys, self.cache.layers[layer].values):
            picked = buffer[0].index_select(1, rows.flatten().to(buffer.device))
            states.append(picked.unflatten(1, (n, length)).transpose(0, 1))
        return states[0], states[1]
