"""How long a sequence may be so that computing shared prefixes once is exact on this model.

Sharing reads one token's keys and values in many branches. That is exact for attention in which a
token looks at everything before it in its own branch. It is not where the state is not a list of
keys and values (Mamba, linear attention), where positions are not passed as position ids (ALiBi),
where a window slides past the prefix, or where rotary frequencies depend on the length.

The configuration gives the limit; a probe of a few tokens then compares the shared path with the
plain one on the loaded weights and turns sharing off if they differ.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from babelbits.engines.hf.cascade import cascading
from babelbits.engines.hf.encoding import Query
from babelbits.engines.hf.forest import grow, plan
from babelbits.engines.hf.forward import TreeRunner
from babelbits.engines.hf.loading import LoadedModel
from babelbits.engines.hf.plain import score_plain
from babelbits.engines.hf.rows import PlainRows, TreeRows
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


@dataclass(frozen=True, slots=True)
class Sharing:
    """What may be shared on a model."""

    limit: int
    """Length in tokens up to which sharing prefixes is exact; 0 where it never is."""
    cascade: bool
    """Whether decoding can read the trunk once for all rows (`cascade`)."""


NO_SHARING = Sharing(limit=0, cascade=False)


def sharing(loaded: LoadedModel) -> Sharing:
    """Find out what may be shared on a loaded model; runs a few tokens through it."""
    limit = min(loaded.context_length, _configured_limit(loaded.model.config))
    if limit < _PROBE_TAIL + 2:
        return NO_SHARING
    queries = _probe_queries(loaded.vocabulary, min(_PROBE_PREFIX, limit - _PROBE_TAIL))
    if not _agrees(loaded, queries, _scores_differ):
        return NO_SHARING
    return Sharing(limit=limit, cascade=_agrees(loaded, queries, _decoding_differs))


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


def _decoding_differs(loaded: LoadedModel, queries: list[Query]) -> float:
    """Mean difference of log-probabilities between rows on a shared trunk and plain rows."""
    prompts = [query.tokens for query in queries]
    runner = _runner(loaded)
    steps = plan(grow(prompts, [len(p) - 1 for p in prompts]), pack=25, block=64, longest=64)
    *trunk, pack = steps
    for step in trunk:
        runner.run(step)
    paths = {slot: pack.path(row) for row, slot in pack.wants}
    ordered = [paths[i] for i in range(len(prompts))]
    rows = TreeRows(runner, depth=pack.depth, lengths=[len(path) for path in ordered], cascade=True)
    runner.run(pack)
    rows.fill(0, ordered)
    with cascading(loaded.model):
        shared = torch.log_softmax(rows.step([1] * len(prompts)).float(), dim=-1)
    plain_rows = PlainRows(loaded.model, prompts, device=loaded.device)
    plain = torch.log_softmax(plain_rows.step([1] * len(prompts)).float(), dim=-1)
    return float((shared - plain).abs().mean())


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
