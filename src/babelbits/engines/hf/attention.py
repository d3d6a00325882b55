"""Which implementation of attention a model computes with, and what its attention is given.

Architectures hand arguments of their own to attention: soft caps, sinks, biases of positions. An
implementation that does not know one drops it without a word. So the arguments of one forward pass
are recorded, and the default implementation is kept only where it knows all of them and gives the
numbers of the model's own code ("eager") on a few tokens.

Differences are of log-probabilities, in nats. Eager attention holds all scores of a batch at once:
`plain.Batching` makes batches smaller for it.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from babelbits.engines.hf.device_map import find_input_device
from babelbits.engines.hf.lengths import UNLIMITED

EAGER = "eager"
_SCORES = 2**29
"""Attention scores that a batch may hold at once where the implementation holds all of them."""
_RECORDER = "babelbits_recorder"
_WITHOUT_EFFECT = frozenset(
    {"dropout", "scaling", "sliding_window", "position_ids", "cache_position", "past_key_values"}
)
"""Arguments that every implementation knows, that its mask holds already, or that change nothing.

A window beyond which masks hide keys is not reached by shared prefixes (`exactness`).
"""


_CONFIGURED = ("attn_logit_softcapping", "alibi")
"""Settings that transformers' calls of SDPA drop; half precision would hide it (5.17)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionFound:
    """What was seen of a model's attention in one forward pass."""

    unknown: frozenset[str] = frozenset()
    """Arguments with a value whose effect we do not know."""
    functional: bool = False
    """Whether the model looks its attention up by name, so that we can put ours in its place."""


def probe_attention(model: Any, tokens: list[int]) -> AttentionFound:
    """Run a few tokens and see what attention is given."""
    seen: set[str] = set()
    calls: list[None] = []

    def record(
        _module: Any, query: Any, _key: Any, value: Any, _mask: Any, **given: Any
    ) -> tuple[torch.Tensor, None]:
        calls.append(None)
        seen.update(name for name, held in given.items() if not _is_flag(held))
        return query.new_zeros(*query.shape[:-1], value.shape[-1]).transpose(1, 2), None

    try:
        with using(model, _RECORDER, record):
            _run(model, tokens)
    except Exception:  # noqa: BLE001  whatever an unknown architecture raises: it is not functional
        return AttentionFound()
    return AttentionFound(unknown=frozenset(seen - _WITHOUT_EFFECT), functional=bool(calls))


def _is_flag(held: object) -> bool:
    """Switches choose what is returned; nothing is computed with them."""
    return held is None or isinstance(held, bool)


@contextmanager
def using(model: Any, name: str, attend: Any) -> Iterator[None]:
    """Let the model compute with this attention function, on masks as SDPA's, while inside."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(name, attend)
    AttentionMaskInterface.register(name, sdpa_mask)
    before = model.config._attn_implementation
    model.set_attn_implementation(name)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def choose(
    model: Any, tokens: list[int], *, tolerance: float, attention_found: AttentionFound
) -> str | None:
    """Keep the default implementation where it is right, else set the model's own code.

    Parameters
    ----------
    model : PreTrainedModel
        Its implementation may be changed here.
    tokens : list of int
        What to try it on.
    tolerance : float
        Largest mean difference, nats.

    Returns
    -------
    str or None
        Why the default is not used; None where it is, or is eager itself.
    """
    default = model.config._attn_implementation
    if default == EAGER:
        return None
    dropped = _dropped(model, attention_found) if default == "sdpa" else []
    before = _run(model, tokens)
    if not _set(model, EAGER):
        return None
    if dropped:
        return f"PyTorch's attention would ignore {', '.join(dropped)}"
    difference = float((_run(model, tokens) - before).abs().mean())
    if difference > tolerance:
        return f"PyTorch's attention gives other numbers ({difference:.2g} nats a token)"
    _set(model, default)
    return None


def _dropped(model: Any, found: AttentionFound) -> list[str]:
    """What PyTorch's attention would not compute: seen in a forward pass, or configured."""
    text = model.config.get_text_config()
    configured = {name for name in _CONFIGURED if getattr(text, name, None)}
    return sorted((found.unknown - _known_to_sdpa()) | configured)


def score_budget(model: Any) -> int:
    """Largest number of (row, query, key) triples in one batch, so that their scores fit memory."""
    if model.config._attn_implementation != EAGER:
        return UNLIMITED**2
    return _SCORES // max(1, getattr(model.config.get_text_config(), "num_attention_heads", 1))


def _known_to_sdpa() -> frozenset[str]:
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    return frozenset(inspect.signature(sdpa_attention_forward).parameters)


def _set(model: Any, name: str) -> bool:
    """Set the implementation; False where the model has no such one.

    Some models with code of their own for each refuse to change while they look at the same
    setting at every step.
    """
    try:
        model.set_attn_implementation(name)
        model.config._attn_implementation = name
    except (ValueError, ImportError):
        return False
    return True


def _run(model: Any, tokens: list[int]) -> torch.Tensor:
    """Log-probabilities of each following token, shape (tokens, vocabulary)."""
    ids = torch.tensor([tokens], device=find_input_device(model))
    logits = model(input_ids=ids, use_cache=False).logits[0]
    return torch.log_softmax(logits.float(), dim=-1)
