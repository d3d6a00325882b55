"""Which shortcuts are exact on a model: shared prefixes, decoding behind them, its own cache.

Sharing reads one token's keys and values in many branches. That is exact for attention in which a
token looks at everything before it in its own branch. It is not where the state is not a list of
keys and values (Mamba, linear attention), where positions are not passed as position ids (ALiBi),
where a window slides past the prefix, or where rotary frequencies depend on the length.

The configuration limits what is tried. Then each path does on a few tokens what it does in a run:
rows of different lengths, several steps, a row dropped, more steps. It is used only where that ran
and gave what one forward pass a sequence gives. What is not used and costs time is said in
`Shortcuts.notes`. Differences are of log-probabilities, in nats.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from babelbits.engines.encoding import Query
from babelbits.engines.hf.attention import AttentionFound
from babelbits.engines.hf.decode_batches import DecodeRows, PlainRows, TreeRows, branch_off
from babelbits.engines.hf.forward import TreeRunner, score_shared
from babelbits.engines.hf.generation import CacheUse
from babelbits.engines.hf.lengths import (
    find_column_change,
    find_rope_change,
    find_state_kind,
    find_window,
    selects_tokens,
)
from babelbits.engines.hf.loading import LoadedModel
from babelbits.engines.hf.plain import Batching, score_plain
from babelbits.engines.hf.precision import Tolerance
from babelbits.engines.hf.prefix_cache import Trunk
from babelbits.engines.prefix_tree import grow, plan_steps
from babelbits.engines.replies import Scored

_PREFIX, _TAIL = 40, 9
"""Tokens of the probe's shared prefix, and of what follows it at most."""
_SCORED = 6
"""Tokens at the end of a sequence that are scored."""
_STEPS, _DROPPED_AFTER = 4, 2
"""Tokens appended to each row, and after how many the first row is dropped."""
_LIKELY = float(np.log(1e-8))
"""Log-probability from which a token is looked at: roundings of less likely ones are larger."""

Differences = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcuts:
    """What gives the same numbers as one forward pass a sequence."""

    sharing_limit: int
    """Length in tokens up to which prefixes may be shared; 0 where they never may."""
    decoding_limit: int
    """The same for sequences that grow behind a shared prefix."""
    cascade: bool
    """Whether decoding may read a shared trunk once for all rows (`cascade`)."""
    cache: CacheUse
    """How far rows that share nothing may be decoded with the model's own cache."""
    together: bool
    """Whether more than one row may be in a batch."""
    notes: tuple[str, ...]
    """What makes this model slower than others, in plain words."""


def find_shortcuts(
    loaded: LoadedModel,
    *,
    sharing: bool,
    together: bool,
    attention_found: AttentionFound,
    pack: int,
) -> Shortcuts:
    """Find out by running a few tokens through the model.

    Parameters
    ----------
    loaded : LoadedModel
        Its attention is already the one to compute with.
    sharing, together : bool
        Whether shared prefixes, and several rows in a batch, are wanted at all.
    found : AttentionFound
        What this model's attention is given.
    pack : int
        Tokens that a forward pass may hold beside the trunk.
    """
    probe = _Probe(loaded, sharing=sharing, pack=pack)
    notes = []
    if together and not probe.rows_are_independent():
        together = False
        notes.append("every sequence is computed alone: others in its batch change its numbers")
    limit, why = probe.sharing() if sharing and together else (0, None)
    if why:
        notes.append(f"prompts are not shared on this model: {why}")
    if probe.limited(limit):
        notes.append(f"prompts are shared up to {limit} tokens: beyond, attention is another")
    decoding = limit if limit and probe.agrees(lambda: probe.tree_differs(cascade=False)) else 0
    if limit and not decoding:
        notes.append("prompts are not shared in generation on this model: it gave other numbers")
    may_cascade = decoding > 0 and attention_found.functional and not attention_found.unknown
    cache = probe.cache_use(together=together)
    if cache in _CACHE_NOTES:
        notes.append(_CACHE_NOTES[cache])
    return Shortcuts(
        sharing_limit=limit,
        decoding_limit=decoding,
        cascade=may_cascade and probe.agrees(lambda: probe.tree_differs(cascade=True)),
        cache=cache,
        together=together,
        notes=tuple(notes),
    )


_CACHE_NOTES: dict[CacheUse, str] = {
    "even": "only prompts of one length are generated together: padding changes its numbers",
    "none": "generation computes the whole text again at every token: its cache is not exact",
}


def probe_tokens(loaded: LoadedModel) -> list[int]:
    """A few random tokens that fit the context."""
    length = max(2, min(_PREFIX + _TAIL, loaded.context_length))
    tokens: list[int] = np.random.default_rng(1).integers(loaded.vocabulary, size=length).tolist()
    return tokens


class _Probe:
    """Tries one path after the other on three sequences behind a shared prefix."""

    def __init__(self, loaded: LoadedModel, *, sharing: bool, pack: int) -> None:
        config = loaded.model.config
        self._loaded = loaded
        self._tolerance = Tolerance.of(loaded)
        columns = max(0, find_column_change(config) - pack)
        self._limit = min(
            loaded.context_length, find_window(config), find_rope_change(config), columns
        )
        self._fits = self._limit > _TAIL + _STEPS
        room = self._limit if sharing and self._fits else loaded.context_length
        prefix = min(_PREFIX, room - _TAIL - _STEPS)
        self._prompts = _prompts(loaded.vocabulary, max(1, prefix))

    # --- what is asked of it ---

    def rows_are_independent(self) -> bool:
        """Whether a batch gives what its rows give alone; the rounding between them is noted."""
        if selects_tokens(self._loaded.model.config):
            return False
        together, alone = (self._scored_plainly(n) for n in (10**6, 1))
        differences = _between(together, alone)
        self._tolerance = Tolerance.of(self._loaded, noise=float(differences.max()))
        return self._tolerance.holds(differences)

    def sharing(self) -> tuple[int, str | None]:
        """Length up to which prefixes may be shared, or why they never may."""
        states = find_state_kind(self._loaded.model.config)
        if states:
            return 0, f"its layers of the kind {states} keep a state, not keys and values"
        if not self._fits:
            return 0, "its attention changes too early in a text"
        try:
            agreed = self._tolerance.holds(self._scores_differ())
        except Exception as error:  # noqa: BLE001  whatever an unknown architecture raises
            return 0, f"its own code does not take one ({type(error).__name__})"
        return (self._limit, None) if agreed else (0, "behind one, it gives other numbers")

    def limited(self, limit: int) -> bool:
        """Whether prefixes are shared, and not as far as the context reaches."""
        return 0 < limit < self._loaded.context_length

    def cache_use(self, *, together: bool) -> CacheUse:
        """How far the model's own cache is exact."""
        if not together:
            one_row = self._prompts[:1]
            return "padded" if self.agrees(lambda: self._plain_differs(one_row)) else "none"
        if self.agrees(lambda: self._plain_differs(self._prompts)):
            return "padded"
        shortest = min(len(prompt) for prompt in self._prompts)
        even = [prompt[-shortest:] for prompt in self._prompts]
        return "even" if self.agrees(lambda: self._plain_differs(even)) else "none"

    def agrees(self, differ: Callable[[], Differences]) -> bool:
        """Whether a path runs, with differences within tolerance."""
        try:
            return self._tolerance.holds(differ())
        except Exception:  # noqa: BLE001  whatever an unknown architecture raises: not this path
            return False

    # --- paths ---

    def tree_differs(self, *, cascade: bool) -> Differences:
        """Rows that grow behind a shared trunk; with `cascade` as several groups."""
        runner = self._runner()
        starts = [len(prompt) - 1 for prompt in self._prompts]
        steps = list(plan_steps(grow(self._prompts, starts), pack=25, block=64, longest=64))
        for step in steps:
            if step.keep:
                runner.run(step)
        packs = [step for step in steps if not step.keep]
        paths = [[pack.path(row) for row, _slot in pack.wants] for pack in packs]
        apart = 1 if cascade else len(packs)
        groups = [
            branch_off(runner, packs[i : i + apart], paths[i : i + apart], room=2, cascade=cascade)[
                0
            ]
            for i in range(0, len(packs), apart)
        ]
        if cascade and any(group.trunk is None for group in groups):
            raise ValueError("the prefix is too short to be a trunk")
        rows = TreeRows(runner, groups, cascade=cascade)
        order = [slot for pack in packs for _row, slot in pack.wants]
        with rows.stepping():
            return self._growth_differs(rows, [self._prompts[slot] for slot in order])

    def _plain_differs(self, prompts: list[list[int]]) -> Differences:
        """Rows that share nothing, with the model's own cache."""
        rows = PlainRows(self._loaded.model, prompts, device=self._loaded.device)
        return self._growth_differs(rows, prompts)

    def _growth_differs(self, rows: DecodeRows, prompts: list[list[int]]) -> Differences:
        """Append tokens to each row, drop the first, append more; against whole sequences."""
        grown = [list(prompt) for prompt in prompts]
        seen: list[list[torch.Tensor]] = [[] for _prompt in prompts]
        held = list(range(len(prompts)))
        for number in range(_STEPS):
            if number == _DROPPED_AFTER and len(held) > 1:
                rows.keep(range(1, len(held)))
                held = held[1:]
            tokens = [(3 * number + i) % self._loaded.vocabulary for i in held]
            for i, token, logits in zip(held, tokens, rows.step(tokens), strict=True):
                grown[i].append(token)
                seen[i].append(logits)
        differences = [
            _differences(torch.stack(steps), self._whole(tokens, last=len(steps)))
            for tokens, steps in zip(grown, seen, strict=True)
        ]
        return np.concatenate(differences)

    def _whole(self, tokens: list[int], *, last: int) -> torch.Tensor:
        """Logits of the last positions of one sequence, from one forward pass."""
        ids = torch.tensor([tokens], device=self._loaded.device)
        logits: torch.Tensor = self._loaded.model(input_ids=ids, use_cache=False).logits[0, -last:]
        return logits

    def _scores_differ(self) -> Differences:
        """Scores through a small forest."""
        queries = self._queries()
        starts = [len(query.tokens) - len(query.targets) for query in queries]
        steps = plan_steps(grow([q.tokens for q in queries], starts), pack=12, block=4, longest=12)
        shared = score_shared(self._runner(), queries, steps)
        return _between(shared, self._scored_plainly(1))

    def _scored_plainly(self, token_budget: int) -> list[Scored]:
        batching = Batching(token_budget=token_budget)
        return score_plain(
            self._loaded.model, self._queries(), batching=batching, device=self._loaded.device
        )

    def _queries(self) -> list[Query]:
        return [
            Query(tokens=p[:-1], targets=p[-_SCORED:], prompt_tokens=len(p) - _SCORED)
            for p in self._prompts
        ]

    def _runner(self) -> TreeRunner:
        loaded, trunk = self._loaded, Trunk(block=4)
        return TreeRunner(loaded.model, trunk=trunk, device=loaded.device, dtype=loaded.dtype)


def _prompts(vocabulary: int, prefix: int) -> list[list[int]]:
    """Three branches behind a shared prefix, two of which share more."""
    rng = np.random.default_rng(0)
    lengths = (prefix, 3, 4, _TAIL - 4, 5)
    base, middle, *tails = (rng.integers(vocabulary, size=n).tolist() for n in lengths)
    return [base + middle + tails[0], base + middle + tails[1], base + tails[2]]


def _between(scored: Sequence[Scored], expected: Sequence[Scored]) -> Differences:
    pairs = zip(scored, expected, strict=True)
    return np.concatenate([np.abs(one[0] - other[0]) for one, other in pairs])


def _differences(logits: torch.Tensor, expected: torch.Tensor) -> Differences:
    """Of the log-probabilities of tokens that are not all too unlikely."""
    got, want = (torch.log_softmax(part.float(), dim=-1) for part in (logits, expected))
    likely = ~(want < _LIKELY)  # NaN is looked at
    return (got - want).abs()[likely].double().cpu().numpy()
