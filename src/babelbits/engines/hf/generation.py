"""Requests to continuations: prefill through the forest, then decode many rows at once.

Greedy decoding is the argmax of the model's logits. Of a checkpoint's generation_config only the
end-of-sequence tokens are used: no repetition penalty, no sampling that nobody asked for.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from babelbits.engines.hf.decode_batches import (
    GROWTH,
    DecodeRows,
    PlainRows,
    RowGroup,
    TreeRows,
    WholeRows,
    branch_off,
)
from babelbits.engines.hf.forward import TreeRunner, list_wanted_rows
from babelbits.engines.hf.plain import Batching
from babelbits.engines.prefix_tree import ForwardStep
from babelbits.engines.replies import Continuation, append
from babelbits.engines.sampling import Sampler
from babelbits.engines.stopping import Stopping

CacheUse = Literal["padded", "even", "none"]
"""The model's own cache: for any rows, for rows whose prompts are of one length, or not at all."""

_SPARSE = 0.75
"""Finished rows are dropped once this share or less is still growing."""
_HELD = 3
"""Token budgets of keys and values that decoding rows may hold: a token's are about as large as
what a forward pass holds of a few."""


def decode(
    rows: DecodeRows, logits: torch.Tensor, grown: Sequence[Continuation], stopping: Stopping
) -> None:
    """Grow every continuation to its end, starting from the logits of its first token."""
    held = list(grown)
    while True:
        _append(logits, held, stopping)
        going = [i for i, one in enumerate(held) if one.finish is None]
        if not going:
            return
        if len(going) <= _SPARSE * len(held):
            rows.keep(going)
            held = [held[i] for i in going]
        logits = rows.step([one.tokens[-1] if one.tokens else 0 for one in held])


def _append(logits: torch.Tensor, held: Sequence[Continuation], stopping: Stopping) -> None:
    """Choose a token for every row that is still growing, and see whether that ends it."""
    going = [i for i, one in enumerate(held) if one.finish is None]
    growing = [held[i] for i in going]
    picked = logits if len(going) == len(held) else logits[going]
    append(choose(picked, [one.sampler for one in growing]), growing, stopping)


def generate_plain(
    model: Any,
    grown: Sequence[Continuation],
    stopping: Stopping,
    *,
    cache: CacheUse,
    batching: Batching,
    device: torch.device,
) -> None:
    """Grow continuations in batches, nothing shared; with the model's cache as far as it is exact.

    A continuation that grows over a change of rotary frequencies is computed anew at every step,
    alone: the keys of its prompt change too.
    """
    sizes = [len(one.prompt.tokens) + _room([one]) for one in grown]
    crosses = [_crosses(one, batching.rope_change) for one in grown]
    evens = [_length(one) > batching.column_change for one in grown]
    apart: list[Hashable] = [
        ("crosses", i)
        if crosses[i]
        else (
            len(one.prompt.tokens) > batching.rope_change,
            len(one.prompt.tokens) if cache == "even" or evens[i] else 0,
        )
        for i, one in enumerate(grown)
    ]
    for batch in batching.groups(sizes, apart=apart):
        members = [grown[i] for i in batch]
        begin = WholeRows if cache == "none" or crosses[batch[0]] else PlainRows
        rows = begin(model, [one.prompt.tokens for one in members], device=device)
        decode(rows, rows.first_logits, members, stopping)


def _crosses(one: Continuation, limit: int) -> bool:
    return len(one.prompt.tokens) <= limit < _length(one)


def _length(one: Continuation) -> int:
    """What it may grow to, its prompt included."""
    return len(one.prompt.tokens) + one.prompt.max_new_tokens


def _room(grown: Sequence[Continuation]) -> int:
    """New tokens for which rows get room, and which count against the token budget, at first.

    Few continuations use all that they may; the buffers of those that do grow.
    """
    return min(GROWTH, max(one.prompt.max_new_tokens for one in grown))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """Where a continuation starts."""

    logits: int
    """Row of the pack's logits that chooses its first token."""
    path: list[int]
    """The pack's rows from the trunk to the end of its prompt."""
    continuation: Continuation


class TreeGenerator:
    """Runs a plan for prompts; decodes the rows of many trunks together where that is exact.

    Parameters
    ----------
    members : sequence of sequences of Continuation
        For each slot of the plan (a distinct prompt), the continuations that grow from it.
    token_budget : int
        Padded tokens of one forward pass; of keys and values, rows hold up to `_HELD` times as
        many.
    cascade : bool
        Whether decoding reads each trunk once for all of its rows. Without, each row holds a copy
        of its trunk, and only rows of one trunk are decoded together.
    """

    def __init__(
        self,
        runner: TreeRunner,
        stopping: Stopping,
        *,
        members: Sequence[Sequence[Continuation]],
        token_budget: int,
        cascade: bool,
    ) -> None:
        self._runner = runner
        self._stopping = stopping
        self._members = members
        self._budget = _HELD * token_budget if cascade else token_budget
        self._cascade = cascade
        self._packs: list[ForwardStep] = []
        """Packs behind the trunk in place, whose number of rows is not known yet."""
        self._groups: list[RowGroup] = []
        """Rows that are ready to grow; with the logits that choose their first tokens."""
        self._logits: list[torch.Tensor] = []
        self._grown: list[Continuation] = []
        self._held = 0

    def run(self, steps: Iterable[ForwardStep]) -> None:
        """Grow all continuations to their ends."""
        for step in steps:
            if self._packs and not self._fits(step):
                self._branch_off()
            if not step.keep:
                self._packs.append(step)
                continue
            logits = self._runner.run(step)
            if logits is not None:
                self._from_trunk(step, logits)
        self._branch_off()
        self._decode()

    def _fits(self, step: ForwardStep) -> bool:
        """Whether a pack's rows can be in one group with those of the packs that wait."""
        if step.keep or step.depth != self._packs[0].depth:
            return False
        return self._size([*self._packs, step]) <= self._budget

    def _size(self, packs: Sequence[ForwardStep]) -> int:
        """Tokens of keys and values that rows of these packs hold."""
        members = [one for s in packs for _row, slot in s.wants for one in self._members[slot]]
        width = max(len(s.path(row)) for s in packs for row, _slot in s.wants)
        return len(members) * (width + _room(members))

    def _branch_off(self) -> None:
        """Compute the waiting packs, and hold their rows."""
        packs, self._packs = self._packs, []
        if not packs:
            return
        rows_of = [self._rows_of(step) for step in packs]
        grown = [row.continuation for rows in rows_of for row in rows]
        size = self._size(packs) + packs[0].depth
        self._make_room(size)
        group, computed = branch_off(
            self._runner,
            packs,
            [[row.path for row in rows] for rows in rows_of],
            room=_room(grown),
            cascade=self._cascade,
        )
        picked = [
            logits[[row.logits for row in rows]]
            for logits, rows in zip(computed, rows_of, strict=True)
        ]
        self._hold(group, torch.cat(picked), grown, size=size)

    def _rows_of(self, step: ForwardStep) -> list[_Row]:
        index = {row: i for i, row in enumerate(list_wanted_rows(step))}
        return [
            _Row(logits=index[row], path=step.path(row), continuation=one)
            for row, slot in step.wants
            for one in self._members[slot]
        ]

    def _from_trunk(self, step: ForwardStep, logits: torch.Tensor) -> None:
        """Hold rows of prompts that end inside a trunk: each is the trunk up to there."""
        for i, row in enumerate(list_wanted_rows(step)):
            grown = [one for r, slot in step.wants if r == row for one in self._members[slot]]
            depth = step.depth + row + 1
            size = depth + len(grown) * _room(grown)
            self._make_room(size)
            group = RowGroup(
                self._runner,
                depth=depth,
                lengths=[0] * len(grown),
                room=_room(grown),
                cascade=self._cascade,
            )
            group.fill(0, [[] for _one in grown])
            self._hold(group, logits[i].expand(len(grown), -1), grown, size=size)

    def _make_room(self, size: int) -> None:
        """Decode what is held if so many more tokens are too many, or may not be with others."""
        if self._groups and (not self._cascade or self._held + size > self._budget):
            self._decode()

    def _hold(
        self, group: RowGroup, logits: torch.Tensor, grown: list[Continuation], *, size: int
    ) -> None:
        self._groups.append(group)
        self._logits.append(logits)
        self._grown += grown
        self._held += size

    def _decode(self) -> None:
        """Grow all rows that are held."""
        groups, logits, grown = self._groups, self._logits, self._grown
        self._groups, self._logits, self._grown, self._held = [], [], [], 0
        if groups:
            rows = TreeRows(self._runner, groups, cascade=self._cascade)
            with rows.stepping():
                decode(rows, torch.cat(logits), grown, self._stopping)


# --- the next token -------------------------------------------------------------------------------


def choose(logits: torch.Tensor, samplers: Sequence[Sampler | None]) -> list[int | None]:
    """The next token of every row, None where its logits are not finite.

    Parameters
    ----------
    logits : tensor of shape (rows, vocabulary)
    samplers : one a row
        None chooses the most likely token.
    """
    highest, best = logits.max(dim=-1)
    finite = torch.isfinite(highest).tolist()
    chosen: list[int | None] = [
        b if ok else None for b, ok in zip(best.tolist(), finite, strict=True)
    ]
    for i, sampler in enumerate(samplers):
        if sampler is not None and finite[i]:
            chosen[i] = sampler.draw(logits[i].double().cpu().numpy())
    return chosen
