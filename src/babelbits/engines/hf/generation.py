"""Requests to continuations: prefill through the forest, then decode many rows at once.

Greedy decoding is the argmax of the model's logits. Of a checkpoint's generation_config only the
end-of-sequence tokens are used: no repetition penalty, no sampling that nobody asked for.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from babelbits.engines.hf.decode_batches import GROWTH, DecodeRows, PlainRows, TreeRows, WholeRows
from babelbits.engines.hf.forward import TreeRunner, wanted_rows
from babelbits.engines.hf.plain import Batching
from babelbits.engines.prefix_tree import ForwardStep
from babelbits.engines.replies import Continuation, append
from babelbits.engines.sampling import Sampler
from babelbits.engines.stopping import Stopping

CacheUse = Literal["padded", "even", "none"]
"""The model's own cache: for any rows, for rows whose prompts are of one length, or not at all."""

_SPARSE = 0.75
"""Finished rows are dropped once this share or less is still growing."""


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
    """Runs a plan for prompts; decodes the rows of a trunk while that trunk is in place.

    Parameters
    ----------
    members : sequence of sequences of Continuation
        For each slot of the plan (a distinct prompt), the continuations that grow from it.
    cascade : bool
        Whether decoding reads the trunk once for all rows.
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
        self._token_budget = token_budget
        self._cascade = cascade
        self._waiting: list[ForwardStep] = []

    def run(self, steps: Iterable[ForwardStep]) -> None:
        """Grow all continuations to their ends."""
        for step in steps:
            if self._waiting and not self._fits(step):
                self._flush()
            if not step.keep:
                self._waiting.append(step)
                continue
            logits = self._runner.run(step)
            if logits is not None:
                self._from_trunk(step, logits)
        self._flush()

    def _fits(self, step: ForwardStep) -> bool:
        """Whether a pack can be decoded together with those that wait."""
        together = [*self._waiting, step]
        if step.keep or step.depth != self._waiting[0].depth:
            return False
        members = [one for s in together for _row, slot in s.wants for one in self._members[slot]]
        width = max(len(s.path(row)) for s in together for row, _slot in s.wants)
        return len(members) * (width + _room(members)) <= self._token_budget

    def _flush(self) -> None:
        """Compute the waiting packs and decode their rows together."""
        packs, self._waiting = self._waiting, []
        if not packs:
            return
        rows_of = [self._rows_of(step) for step in packs]
        flat = [row for rows in rows_of for row in rows]
        grown = [row.continuation for row in flat]
        rows: TreeRows | None = None
        logits: list[torch.Tensor] = []
        first = 0
        for step, members in zip(packs, rows_of, strict=True):
            computed = self._runner.run(step)
            if computed is None:
                continue
            if rows is None:  # the trunk has buffers now, whose shape the rows take
                rows = self._rows(packs[0].depth, [len(row.path) for row in flat], grown)
            rows.fill(first, [row.path for row in members])
            logits.append(computed[[row.logits for row in members]])
            first += len(members)
        if rows is not None:
            self._decode(rows, torch.cat(logits), grown)

    def _rows_of(self, step: ForwardStep) -> list[_Row]:
        index = {row: i for i, row in enumerate(wanted_rows(step))}
        return [
            _Row(logits=index[row], path=step.path(row), continuation=one)
            for row, slot in step.wants
            for one in self._members[slot]
        ]

    def _from_trunk(self, step: ForwardStep, logits: torch.Tensor) -> None:
        """Decode prompts that end inside a trunk: each is the trunk up to there."""
        for i, row in enumerate(wanted_rows(step)):
            grown = [one for r, slot in step.wants if r == row for one in self._members[slot]]
            rows = self._rows(step.depth + row + 1, [0] * len(grown), grown)
            rows.fill(0, [[] for _one in grown])
            self._decode(rows, logits[i].expand(len(grown), -1), grown)

    def _rows(self, depth: int, lengths: list[int], grown: Sequence[Continuation]) -> TreeRows:
        return TreeRows(
            self._runner,
            depth=depth,
            lengths=lengths,
            room=_room(grown),
            cascade=self._cascade,
        )

    def _decode(self, rows: TreeRows, logits: torch.Tensor, grown: list[Continuation]) -> None:
        with rows.stepping():
            decode(rows, logits, grown, self._stopping)


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
