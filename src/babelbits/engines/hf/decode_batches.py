"""Many sequences decoded side by side: one token a row and step.

`RowGroup` starts from the keys and values that the forest left in the trunk's buffers: rows share
a copy of the trunk and hold only their own tokens. `TreeRows` lets groups of several trunks grow
together, for matrix products are faster the more rows they have. `PlainRows` prefills padded
prompts with the model's own cache: the oracle, and the path of architectures that cannot share. In
both, rows are padded on the left, so that all of them write to the same column; states that see
padding need prompts of one length. `WholeRows` computes everything again at every step: slow, and
right on any causal model, even one whose state is not a cache of this kind.
"""

import inspect
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np
import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from babelbits.engines.hf.forward import TreeRunner, make_additive_mask, select_logits
from babelbits.engines.hf.prefix_cache import TrunkLayer
from babelbits.engines.hf.shared_prefix_attention import Branches, States, cascading
from babelbits.engines.prefix_tree import ForwardStep

GROWTH = 256
"""Columns by which the rows' buffers grow: new tokens that they have room for at first."""


class DecodeRows(Protocol):
    """Sequences that grow by one token a step."""

    def step(self, tokens: Sequence[int]) -> torch.Tensor:
        """Append one token to each row; logits of the next, shape (rows, vocabulary)."""

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only."""


class RowLayer(DynamicLayer):  # type: ignore[misc]  # transformers has no type information
    """One layer's keys and values, shape (rows, heads, columns, size); `length` are in use.

    Values may be of another size than keys: multi-head latent attention keeps a latent and a
    rotary key in their places.
    """

    def __init__(self, like: TrunkLayer, *, rows: int, length: int, room: int) -> None:
        super().__init__()
        self.lazy_initialization(like.keys, like.values)
        self.keys = _zeros(like.keys, rows=rows, columns=length + room)
        self.values = _zeros(like.values, rows=rows, columns=length + room)
        self.length = length

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new column of every row; return all columns in use, as views."""
        if self.length == self.keys.shape[2]:
            self.keys = torch.nn.functional.pad(self.keys, (0, 0, 0, GROWTH))
            self.values = torch.nn.functional.pad(self.values, (0, 0, 0, GROWTH))
        self.keys[:, :, self.length] = key_states[:, :, 0]
        self.values[:, :, self.length] = value_states[:, :, 0]
        self.length += 1
        return self.states()

    def states(self) -> tuple[torch.Tensor, torch.Tensor]:
        """All columns in use, as views."""
        return self.keys[:, :, : self.length], self.values[:, :, : self.length]

    def get_seq_length(self) -> int:
        """Columns in use."""
        return self.length


def _zeros(like: torch.Tensor, *, rows: int, columns: int) -> torch.Tensor:
    return like.new_zeros(rows, like.shape[1], columns, like.shape[3])


class RowGroup:
    """Rows that grow from the first `depth` tokens of the runner's trunk, and all that they see.

    What they see of the trunk is copied, so the trunk may change afterwards.

    Parameters
    ----------
    runner : TreeRunner
        Its trunk has buffers, whose shape the rows take.
    depth : int
        Length of the trunk that all rows share.
    lengths : sequence of int
        Tokens of each row behind the trunk.
    room : int
        New tokens to have room for at first.
    cascade : bool
        Whether the rows share one copy of the trunk; otherwise each row holds its own.
    """

    def __init__(
        self,
        runner: TreeRunner,
        *,
        depth: int,
        lengths: Sequence[int],
        room: int = GROWTH,
        cascade: bool,
    ) -> None:
        self._runner = runner
        self.trunk = runner.trunk.copy(depth) if cascade and depth else None
        self._copied = 0 if cascade else depth
        self._width = self._copied + max(lengths)
        self.layers = [
            RowLayer(layer, rows=len(lengths), length=self._width, room=room)
            for layer in runner.trunk.cache.layers
        ]
        columns = np.arange(self._width)[None, :]
        own = np.asarray(lengths)[:, None] + self._copied
        self._visible = columns >= self._width - own
        self.positions = torch.tensor([depth + n for n in lengths], device=runner.device)
        self._depth = depth

    def __len__(self) -> int:
        return len(self.positions)

    def fill(self, first: int, paths: Sequence[Sequence[int]]) -> None:
        """Copy the states of rows `first`, `first + 1`, ... out of the pack just computed.

        Parameters
        ----------
        first : int
            Row of the first path.
        paths : sequence of sequence of int
            For each row, the pack's rows from the trunk to the end of its prompt.
        """
        sources = [[*range(self._copied), *(self._depth + row for row in path)] for path in paths]
        width = max(len(source) for source in sources)
        if width == 0:
            return
        padded = [[0] * (width - len(source)) + source for source in sources]
        index = torch.tensor(padded, device=self._runner.device)
        rows, columns = slice(first, first + len(paths)), slice(self._width - width, self._width)
        for i, layer in enumerate(self.layers):
            keys, values = self._runner.trunk.gather(i, index)
            layer.keys[rows, :, columns] = keys
            layer.values[rows, :, columns] = values

    def lengthen(self) -> torch.Tensor:
        """Count one more token in every row; the additive mask, shape (rows, 1, 1, own length)."""
        self.positions = self.positions + 1
        self._visible = np.pad(self._visible, ((0, 0), (0, 1)), constant_values=True)
        mask = make_additive_mask(
            self._visible, device=self._runner.device, dtype=self._runner.dtype
        )
        return mask[0, 0][:, None, None, :]

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only."""
        index = torch.tensor(rows, device=self._runner.device)
        for layer in self.layers:
            here = index.to(layer.keys.device)  # layers may be on several devices
            layer.keys = layer.keys.index_select(0, here)
            layer.values = layer.values.index_select(0, here)
        self._visible = self._visible[list(rows)]
        self.positions = self.positions[index]


class _JoinedLayer(DynamicLayer):  # type: ignore[misc]  # transformers has no type information
    """One layer of several groups: new states go to each; attention reads them there."""

    def __init__(self, layers: Sequence[RowLayer]) -> None:
        super().__init__()
        self.lazy_initialization(layers[0].keys, layers[0].values)
        self._layers = layers

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Hand every group the new column of its rows; return the new states alone."""
        first = 0
        for layer in self._layers:
            last = first + len(layer.keys)
            layer.update(key_states[first:last], value_states[first:last])
            first = last
        return key_states, value_states

    def get_seq_length(self) -> int:
        """Columns in use, of the widest group."""
        return max(layer.length for layer in self._layers)


class TreeRows:
    """Rows of one trunk, or of several where the model's attention can tell them apart.

    Parameters
    ----------
    groups : sequence of RowGroup
        Several, or any that shares its trunk, only with `cascade`.
    cascade : bool
        Whether attention is ours, which reads each trunk once for all of its rows.
    """

    def __init__(self, runner: TreeRunner, groups: Sequence[RowGroup], *, cascade: bool) -> None:
        self._runner = runner
        self._groups = list(groups)
        self._cascade = cascade
        self._cache = self._joined()

    def _joined(self) -> Cache:
        if not self._cascade:
            return Cache(layers=self._groups[0].layers)
        by_layer = zip(*(group.layers for group in self._groups), strict=True)
        return Cache(layers=[_JoinedLayer(layers) for layers in by_layer])

    def stepping(self) -> AbstractContextManager[None]:
        """Steps are made inside: the model then computes with the attention that they need."""
        return cascading(self._runner.model) if self._cascade else nullcontext()

    def step(self, tokens: Sequence[int]) -> torch.Tensor:
        """Append one token to each row; logits of the next, shape (rows, vocabulary)."""
        positions = torch.cat([group.positions for group in self._groups])
        masks = [group.lengthen() for group in self._groups]
        seen = masks[0]
        extra: dict[str, Any] = {}
        if self._cascade:
            seen = torch.zeros_like(positions, dtype=self._runner.dtype)[:, None, None, None]
            extra["branches"] = [
                Branches(rows=len(group), trunk=group.trunk, own=_Own(group.layers), mask=mask)
                for group, mask in zip(self._groups, masks, strict=True)
            ]
        output = self._runner.model(
            input_ids=torch.tensor(tokens, device=self._runner.device)[:, None],
            attention_mask=seen,
            position_ids=positions[:, None],
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
            **extra,
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only, and give up trunks that none of them has."""
        left, first = [], 0
        for group in self._groups:
            last = first + len(group)
            own = [row - first for row in rows if first <= row < last]
            if own and len(own) < len(group):
                group.keep(own)
            if own:
                left.append(group)
            first = last
        self._groups = left
        self._cache = self._joined()


class _Own(Sequence[States]):
    """The states of a group's layers as they are when they are asked for."""

    def __init__(self, layers: Sequence[RowLayer]) -> None:
        self._layers = layers

    def __len__(self) -> int:
        return len(self._layers)

    def __getitem__(self, layer: Any) -> Any:
        return self._layers[layer].states()


def branch_off(
    runner: TreeRunner,
    packs: Sequence[ForwardStep],
    paths: Sequence[Sequence[Sequence[int]]],
    *,
    room: int = GROWTH,
    cascade: bool,
) -> tuple[RowGroup, list[torch.Tensor]]:
    """Compute packs behind the trunk that is in place; keep what their rows need to grow.

    Parameters
    ----------
    packs : sequence of ForwardStep
        All of the same depth.
    paths : for each pack a sequence of paths
        The pack's rows from the trunk to the end of each prompt.

    Returns
    -------
    The rows of all packs, and the logits of each pack's wanted rows.
    """
    lengths = [len(path) for rows in paths for path in rows]
    depth, first = packs[0].depth, 0
    group: RowGroup | None = None
    logits = []
    for pack, rows in zip(packs, paths, strict=True):
        computed = runner.run(pack)
        if computed is None:
            raise ValueError("a pack in which nothing is wanted")
        if group is None:  # the trunk has buffers now
            group = RowGroup(runner, depth=depth, lengths=lengths, room=room, cascade=cascade)
        group.fill(first, rows)
        logits.append(computed)
        first += len(rows)
    if group is None:
        raise ValueError("no packs")
    return group, logits


class PlainRows:
    """Rows with the model's own cache, prefilled in one batch; padded where lengths differ."""

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]], *, device: torch.device):
        self._model = model
        self._device = device
        self._cache_name = _cache_name(model)
        self._cache = DynamicCache(config=model.config)
        width = max(len(prompt) for prompt in prompts)
        padding = [width - len(prompt) for prompt in prompts]
        ids = [[0] * n + list(prompt) for n, prompt in zip(padding, prompts, strict=True)]
        self._padding = torch.tensor(padding, device=device)
        self._width = 0
        self.first_logits = self._forward(torch.tensor(ids, device=device))

    def step(self, tokens: Sequence[int]) -> torch.Tensor:
        """Append one token to each row; logits of the next, shape (rows, vocabulary)."""
        return self._forward(torch.tensor(tokens, device=self._device)[:, None])

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only."""
        index = torch.tensor(rows, device=self._device)
        self._cache.reorder_cache(index)  # every kind of layer has it: beam search needs it
        self._padding = self._padding[index]

    def _forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits behind the new columns; no mask where nothing is padded."""
        start, self._width = self._width, self._width + ids.shape[1]
        columns = torch.arange(self._width, device=self._device)
        mask = (columns >= self._padding[:, None]).long()
        positions = (columns[start:] - self._padding[:, None]).clamp(min=0)
        logits: torch.Tensor = self._model(
            input_ids=ids,
            attention_mask=mask if self._padding.any() else None,
            position_ids=positions,
            use_cache=True,
            logits_to_keep=1,
            **{self._cache_name: self._cache},
        ).logits[:, -1]
        return logits


def _cache_name(model: Any) -> str:
    """What the model calls its cache: 'cache_params' in state-space models."""
    usual, other = "past_key_values", "cache_params"
    names = inspect.signature(model.forward).parameters
    return other if other in names and usual not in names else usual


class WholeRows:
    """Rows computed anew at every step, without any cache, padded on the right."""

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]], *, device: torch.device):
        self._model = model
        self._device = device
        self._rows = [list(prompt) for prompt in prompts]
        self.first_logits = self._forward()

    def step(self, tokens: Sequence[int]) -> torch.Tensor:
        """Append one token to each row; logits of the next, shape (rows, vocabulary)."""
        for row, token in zip(self._rows, tokens, strict=True):
            row.append(token)
        return self._forward()

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only."""
        self._rows = [self._rows[i] for i in rows]

    def _forward(self) -> torch.Tensor:
        width = max(len(row) for row in self._rows)
        ends = sorted({len(row) - 1 for row in self._rows})
        positions = torch.tensor(ends, device=self._device)
        logits: torch.Tensor = self._model(
            input_ids=torch.tensor(
                [row + [0] * (width - len(row)) for row in self._rows], device=self._device
            ),
            use_cache=False,
            logits_to_keep=positions,
        ).logits
        picked = [ends.index(len(row) - 1) for row in self._rows]
        return select_logits(logits, positions)[range(len(self._rows)), picked]
