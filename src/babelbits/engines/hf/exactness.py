"""Which shortcuts are exact on a model: shared prefixes, shared trunks in decoding, its cache.

Sharing reads one token's keys and values in many branches. That is exact for attention in which a
token looks at everything before it in its own branch. It is not where the state is not a list of
keys and values (Mamba, linear attention), where positions are not passed as position ids (ALiBi),
where a window slides past the prefix, or where rotary frequencies depend on the length.

The configuration limits what is tried; a probe of a few tokens then compares each shortcut with
plain forward passes of the loaded weights and turns it off if they differ.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from babelbits.engines.encoding import Query
from babelbits.engines.forest import grow, plan
from babelbits.engines.hf.cascade import cascading
from babelbits.engines.hf.forward import TreeRunner
from babelbits.engines.hf.loading import LoadedModel
from babelbits.engines.hf.plain import score_plain
from babelbits.engines.hf.rows import PlainRows, TreeRows, WholeRows
from babelbits.engines.hf.scoring import score_shared
from babelbits.engines.hf.trunk import Trunk

_LENGTH_DEPENDENT = {"dynamic", "longrope"}
_PROBE_PREFIX, _PROBE_TAIL = 40, 9
"""Tokens of the probe's shared prefix, and of what follows it at most."""
_TOLERANCE = {torch.float32: 0.02, torch.bfloat16: 0.25, torch.float16: 0.1}
"""Largest mean difference of log-probabilities in the probe, nats.

Rounding of quantized activations turns noise in the last bit into about 1e-3; a wrong mask or
position gives differences of the order of 1.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcuts:
    """What gives the same numbers as plain forward passes."""

    sharing_limit: int
    """Length in tokens up to which prefixes may be shared; 0 where they never may."""
    cascade: bool
    """Whether decoding may read a shared trunk once for all rows (`cascade`)."""
    cached: bool
    """Whether padded rows may be decoded with the model's own cache (`rows.PlainRows`)."""


def find_shortcuts(loaded: LoadedModel, *, sharing: bool) -> Shortcuts:
    """Find out by running a few tokens through the model; `sharing` False allows no sharing."""
    limit = min(loaded.context_length, _configured_limit(loaded.model.config))
    shares = sharing and limit >= _PROBE_TAIL + 2
    prefix = min(_PROBE_PREFIX, (limit if shares else loaded.context_length) - _PROBE_TAIL)
    queries = _probe_queries(loaded.vocabulary, max(1, prefix))
    shares = shares and _agrees(loaded, queries, _scores_differ)
    return Shortcuts(
        sharing_limit=limit if shares else 0,
        cascade=shares and _agrees(loaded, queries, _cascade_differs),
        cached=_agrees(loaded, queries, _cache_differs),
    )


def _configured_limit(config: Any) -> int:
    text = config.get_text_config()
    unlimited = 2**31
    kinds = set(getattr(text, "layer_types", None) or ())
    if kinds - {"full_attention", "sliding_attention"}:
        return 0
    window = getattr(text, "sliding_window", None)
    slides = "sliding_attention" in kinds or (not kinds and window is not None)
    limit = (window or 0) if slides else unlimited
    return min(limit, _rope_limit(text, unlimited))


def _rope_limit(text: Any, unlimited: int) -> int:
    """Length up to which rotary frequencies do not depend on the length."""
    parameters = getattr(text, "rope_parameters", None) or {}
    nested = [p for p in parameters.values() if isinstance(p, dict)]
    limit = unlimited
    for rope in nested or [parameters]:
        if rope.get("rope_type") in _LENGTH_DEPENDENT:
            original = rope.get("original_max_position_embeddings") or getattr(
                text, "original_max_position_embeddings", None
            )
            limit = min(limit, original or text.max_position_embeddings)
    return limit


def _agrees(
    loaded: LoadedModel,
    queries: list[Query],
    difference: Callable[[LoadedModel, list[Query]], float],
) -> bool:
    """Whether a probe's mean difference is within tolerance."""
    try:
        mean = difference(loaded, queries)
    except Exception:  # noqa: BLE001  whatever an unknown architecture raises: it cannot share
        return False
    return not mean > _TOLERANCE[loaded.dtype]  # NaN weights give NaN on either path


def _scores_differ(loaded: LoadedModel, queries: list[Query]) -> float:
    """Mean difference of log-probabilities between a small forest and plain forward passes."""
    starts = [len(query.tokens) - len(query.targets) for query in queries]
    steps = plan(grow([q.tokens for q in queries], starts), pack=12, block=4, longest=12)
    shared = score_shared(_runner(loaded), queries, steps)
    plain = score_plain(loaded.model, queries, token_budget=64, device=loaded.device)
    differences = [np.abs(s[0] - p[0]) for s, p in zip(shared, plain, strict=True)]
    return float(np.mean(np.concatenate(differences)))


def _cascade_differs(loaded: LoadedModel, queries: list[Query]) -> float:
    """The same for the second token behind a shared trunk."""
    prompts = [query.tokens for query in queries]
    runner = _runner(loaded)
    steps = plan(grow(prompts, [len(p) - 1 for p in prompts]), pack=25, block=64, longest=64)
    *trunk, pack = steps
    for step in trunk:
        runner.run(step)
    paths = {slot: pack.path(row) for row, slot in pack.wants}
    ordered = [paths[i] for i in range(len(prompts))]
    rows = TreeRows(runner, depth=pack.depth, lengths=[len(p) for p in ordered], cascade=True)
    runner.run(pack)
    rows.fill(0, ordered)
    with cascading(loaded.model):
        logits = rows.step([1] * len(prompts))
    return _differs_from_whole(logits, loaded, prompts)


def _cache_differs(loaded: LoadedModel, queries: list[Query]) -> float:
    """The same for the second token of padded rows."""
    prompts = [query.tokens for query in queries]
    rows = PlainRows(loaded.model, prompts, device=loaded.device)
    return _differs_from_whole(rows.step([1] * len(prompts)), loaded, prompts)


def _differs_from_whole(
    logits: torch.Tensor, loaded: LoadedModel, prompts: list[list[int]]
) -> float:
    rows = WholeRows(loaded.model, prompts, device=loaded.device)
    expected = torch.log_softmax(rows.step([1] * len(prompts)).float(), dim=-1)
    return float((torch.log_softmax(logits.float(), dim=-1) - expected).abs().mean())


def _runner(loaded: LoadedModel) -> TreeRunner:
    trunk = Trunk(block=4)
    return TreeRunner(loaded.model, trunk=trunk, device=loaded.device, dtype=loaded.dtype)


def _probe_queries(vocabulary: int, prefix: int) -> list[Query]:
    """Three branches behind a shared prefix, two of which share more."""
    rng = np.random.default_rng(0)
    lengths = (prefix, 3, 4, _PROBE_TAIL - 4, 5)
    base, middle, *tails = (rng.integers(vocabulary, size=n).tolist() for n in lengths)
    inputs = [base + middle + tails[0], base + middle + tails[1], base + tails[2]]
    return [
        Query(tokens=tokens[:-1], targets=tokens[-6:], prompt_tokens=len(tokens) - 6)
        for tokens in inputs
    ]
