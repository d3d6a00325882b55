"""Where a model's numbers depend on how long a sequence is, or on how far back it looks.

Sliding windows and chunks end what a token sees; some rotary frequencies change when a sequence
becomes longer than the model was first trained on, and then for a whole batch at once. Lengths are
in tokens; `UNLIMITED` stands for none.
"""

from typing import Any

UNLIMITED = 2**31

_LENGTH_DEPENDENT = {"dynamic", "longrope"}
_FULL, _SLIDING, _CHUNKED = "full_attention", "sliding_attention", "chunked_attention"
_SEEN_WHOLE = {_FULL, _SLIDING, _CHUNKED, "attention"}
"""Kinds of layers whose tokens look at everything before them, within a window if any."""

_WINDOWS = ("sliding_window", "window_size", "attention_window_size", "attention_window")
"""Where configurations without kinds of layers say how far back a token looks."""


def find_state_kind(config: Any) -> str | None:
    """The kind of the layers that keep a state instead of keys and values; None where none do."""
    others = _kinds(config) - _SEEN_WHOLE
    return ", ".join(sorted(others)).replace("_", " ") or None


def selects_tokens(config: Any) -> bool:
    """Whether layers pick the tokens that they look at: padding can then change what is picked."""
    return any("sparse" in kind or "compressed" in kind for kind in _kinds(config))


def find_window(config: Any) -> int:
    """Length up to which every token sees all tokens before it."""
    text = config.get_text_config()
    kinds = _kinds(config)
    limits = []
    if _CHUNKED in kinds:
        limits.append(getattr(text, "attention_chunk_size", None) or 0)
    if _SLIDING in kinds:
        limits.append(getattr(text, "sliding_window", None) or 0)
    if not kinds:
        named = [getattr(text, name, None) for name in _WINDOWS]
        limits += [size for size in named if isinstance(size, int)]
    return min(limits, default=UNLIMITED)


def find_column_change(config: Any) -> int:
    """Length up to which it does not matter in which column of a batch a token stands.

    Llama 4 scales attention by a token's column, not by its position id: padding and siblings in
    a pack count.
    """
    text = config.get_text_config()
    scaled = getattr(text, "attn_temperature_tuning", False)
    return int(getattr(text, "floor_scale", UNLIMITED)) - 1 if scaled else UNLIMITED


def find_rope_change(config: Any) -> int:
    """Length beyond which rotary frequencies are others than up to it."""
    text = config.get_text_config()
    parameters = getattr(text, "rope_parameters", None) or {}
    nested = [p for p in parameters.values() if isinstance(p, dict)]
    limit = UNLIMITED
    for rope in nested or [parameters]:
        if rope.get("rope_type") in _LENGTH_DEPENDENT:
            original = rope.get("original_max_position_embeddings") or getattr(
                text, "original_max_position_embeddings", None
            )
            limit = min(limit, original or text.max_position_embeddings)
    return limit


def _kinds(config: Any) -> set[str]:
    text = config.get_text_config()
    named = (getattr(text, name, None) for name in ("layer_types", "layers_block_type"))
    return next((set(kinds) for kinds in named if kinds), set())
