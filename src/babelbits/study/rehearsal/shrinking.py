"""A base's config becomes that of a miniature: fewer layers, experts and columns, the same shape.

What is kept: the pattern of layers; the divisibility of every width by 256 and its divisors, on
which group sizes, blocks and kernels depend; ratios of heads; the vocabulary, because the tokenizer
is the real one; contexts, windows and rotary settings, because libraries read them.

The file's own keys are edited, in whatever style it was written, so that its oddities are rehearsed
too: transformers' reading of it only says what they mean. Nothing here loads a weight.
"""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any

from babelbits.records import JSON

_BLOCK = 256
"""The largest number that a width's divisibility by matters to any format here."""
_KERNEL = 64
"""The same for the number of outputs."""
_SMALLEST_HEAD = 32
_MOST_HEADS = 16
_EXPERTS, _GROUPED_EXPERTS = 4, 8
_CHOSEN_EXPERTS = 2
_TOWER_LAYERS = 2

_WIDTH = re.compile(
    r"(.*_)?intermediate_size(_mlp)?|(.*_)?ffn?_(dim|hidden_size)|n_inner|.*expert.*_(dim|size)"
    r"|laurel_rank|.*lora_rank|(.*_)?dt_rank|moe_latent_size|lru_width"
)
"""Names of widths that nothing else depends on."""
_FOUR = 4
"""Times the hidden size is what llama.cpp takes the MLP of older models for, whatever they say."""
_HIDDEN_ALIAS = re.compile(r"(?!vocab).*(_dim|_size|_width|_dim_out)|d_model|n_embd")
_CHUNKS = ("mamba_chunk_size", "chunk_size")
_CHUNK = 16
"""Tokens that a state-space layer computes at once: changes no result, and much time."""
_SMALLEST_HIDDEN = 128
_PER_LAYER_INPUT = "hidden_size_per_layer_input"
_LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
_DENSE_FIRST = ("first_k_dense_replace", "num_dense_layers", "moe_layer_start_index")
"""How many layers come before the first of a mixture of experts: one says as much."""
_EXPERT_COUNTS = (
    "num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts",
)  # fmt: skip
_EXPERT_CHOICES = (
    "num_experts_per_tok", "num_experts_per_token", "top_k_experts", "moe_topk", "moe_top_k",
    "moe_k",
)  # fmt: skip
_INDICES = re.compile(r".*(_idxs|_indices|_indexes|_ids|_layers)")
_TOWER_DEPTHS = (
    "num_hidden_layers", "depth", "num_layers", "n_layers", "layers", "encoder_layers",
    "conf_num_hidden_layers", "num_global_layers",
)  # fmt: skip
_INTO_TEXT = ("out_hidden_size", "projection_dim", "text_hidden_size", "output_proj_dims")
"""Widths of towers that must be the text model's."""


def find_divisor(width: int) -> int:
    """The largest divisor of a width among 256, 128, 64, ... 1."""
    return gcd(width, _BLOCK)


def narrow(width: int, *, floor: int = 1) -> int:
    """The smallest width of at least `floor` with the same divisibility; never a larger one.

    Parameters
    ----------
    width : int
        The real width, e.g. 4304, which 16 divides and 32 does not.
    floor : int
        What it should not go under.
    """
    part = find_divisor(width)
    if part == 0:
        return width
    times = max(1, -(-floor // part))
    while find_divisor(times * part) != part:
        times += 1
    return min(width, times * part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """Widths of a model's attention."""

    hidden: int
    queries: int
    """Number of query heads."""
    keys: int
    """Number of key-value heads."""
    width: int
    """Of a head."""


def shrink_heads(real: Heads, *, keep_width: bool) -> Heads:
    """The smallest attention with the real one's divisibilities and kind (MHA, GQA or MQA).

    Parameters
    ----------
    keep_width : bool
        Whether a head must stay as wide as it is, because lists in the config are as long.
    """
    tied = real.hidden == real.queries * real.width
    candidates = [
        small
        for width in _head_widths(real.width, keep=keep_width)
        for keys, queries in _head_counts(real)
        if (small := _with_hidden(real, queries, keys, width, tied=tied)) is not None
    ]
    return min(candidates, key=lambda h: (h.hidden, h.queries * h.width, -h.width), default=real)


def _head_widths(width: int, *, keep: bool) -> Iterator[int]:
    for parts in (1,) if keep else (1, 2, 4):
        if width % (8 * parts) == 0 and (parts == 1 or width // parts >= _SMALLEST_HEAD):
            yield width // parts
    if width % 8:
        yield width


def _head_counts(real: Heads) -> Iterator[tuple[int, int]]:
    """Numbers of key heads and of query heads that are of the real ones' kind."""
    ratio = real.queries // real.keys if real.keys else 1
    for keys in range(1 if real.keys == 1 else 2, min(real.keys, _MOST_HEADS) + 1):
        for times in range(1 if ratio == 1 else 2, min(ratio, _MOST_HEADS) + 1):
            if keys * times <= max(_MOST_HEADS, real.queries // 8):
                yield keys, keys * times


def _with_hidden(real: Heads, queries: int, keys: int, width: int, *, tied: bool) -> Heads | None:
    """The attention with a fitting hidden size; None where a divisibility is lost."""
    out, real_out = queries * width, real.queries * real.width
    if find_divisor(out) != find_divisor(real_out):
        return None
    if gcd(keys * width, _KERNEL) != gcd(real.keys * real.width, _KERNEL):
        return None
    hidden = out if tied else narrow(real.hidden, floor=_SMALLEST_HIDDEN)
    if find_divisor(hidden) != find_divisor(real.hidden):
        return None
    if not tied and hidden == out:
        hidden = narrow(real.hidden, floor=hidden + 1)
    return Heads(hidden=hidden, queries=queries, keys=keys, width=width)


# --- sections of a config ------------------------------------------------------------------------


class ConfigSection:
    """A part of `config.json` with what transformers reads from it.

    Parameters
    ----------
    raw : dict
        Of the file; edited in place.
    config : transformers.PreTrainedConfig
        What it means: defaults filled in, old names translated.
    """

    def __init__(self, raw: JSON, config: Any) -> None:
        self.raw = raw
        self.config = config

    def get(self, name: str) -> Any:
        """The value under a name of transformers', None where there is none."""
        return getattr(self.config, name, None)

    def whole(self, *names: str) -> int | None:
        """The first positive whole number under one of the names."""
        for name in names:
            value = self.get(name)
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return value
        return None

    def put(self, name: str, value: Any) -> None:
        """Write a value under the name that the file uses, or transformers' own."""
        used = [one for one in self._aliases(name) if self.raw.get(one) is not None]
        for one in used or [self._map().get(name, name)]:
            self.raw[one] = value

    def names(self) -> list[str]:
        """Names of all values, the file's and those that transformers fills in."""
        return list(dict.fromkeys([*self.raw, *vars(self.config)]))

    def value(self, name: str) -> Any:
        """The file's value; transformers' where the file has none."""
        found = self.raw.get(name)
        return self.get(name) if found is None else found

    def _map(self) -> Mapping[str, str]:
        return dict(getattr(self.config, "attribute_map", None) or {})

    def _aliases(self, name: str) -> set[str]:
        names = self._map()
        back = {key for key, value in names.items() if value == name}
        return {name, names.get(name, name), *back}


def find_sections(raw: JSON, config: Any) -> tuple[ConfigSection, list[ConfigSection]]:
    """The text model's section of a config, and those of everything else that has one."""
    text = config.get_text_config()
    found = list(_walk(raw, config))
    own = next(section for section in found if section.config is text)
    rest = [s for s in found if s.config is not text and s.config is not config]
    return own, rest


def _walk(raw: JSON, config: Any) -> Iterator[ConfigSection]:
    yield ConfigSection(raw, config)
    text = config.get_text_config()
    for name, inner in vars(config).items():
        if not (hasattr(inner, "to_dict") and hasattr(inner, "model_type")):
            continue
        if not isinstance(raw.get(name), dict):
            if inner is text:  # described beside the others, as in Qwen2-VL
                yield ConfigSection(raw, inner)
                continue
            raw[name] = {"model_type": inner.model_type}
        yield from _walk(raw[name], inner)


def count_layers(section: ConfigSection) -> int:
    """Number of layers of a text model.

    Raises
    ------
    ValueError
        If the config does not say.
    """
    found = section.whole(*_LAYERS)
    if found is None:
        raise ValueError("the config names no number of layers")
    return found


# --- layers --------------------------------------------------------------------------------------


def keep_one_dense(section: ConfigSection) -> None:
    """Let the layers before the first mixture of experts be one."""
    for name in _DENSE_FIRST:
        value = section.get(name)
        if isinstance(value, int) and value > 1:
            section.put(name, 1)
    if section.get("use_sliding_window") and (section.whole("max_window_layers") or 0) > 1:
        section.put("max_window_layers", 1)


def find_period(kinds: Sequence[Any]) -> int:
    """Layers, from the first, in which every kind of layer occurs; at least two."""
    seen = {kind: len(kinds) - kinds[::-1].index(kind) for kind in kinds}
    first = {kind: kinds.index(kind) for kind in seen}
    return max(2, 1 + max(first.values(), default=0))


def cut_layers(section: ConfigSection, layers: int) -> None:
    """Leave the first `layers` layers; lists and patterns that speak of layers are cut alike."""
    real = count_layers(section)
    for name in section.names():
        value = section.value(name)
        if name.startswith("_") or "mtp" in name or section.raw.get(name) is None:
            continue  # what the file does not say is worked out anew from the number of layers
        if isinstance(value, list | tuple) and len(value) == real and real > 1:
            section.put(name, [value[i % real] for i in range(layers)])
        elif isinstance(value, str) and len(value) == real and "pattern" in name:
            section.put(name, "".join(value[i % real] for i in range(layers)))
        elif isinstance(value, list) and _INDICES.fullmatch(name) and _are_indices(value, real):
            section.put(name, [index for index in value if index < layers])
    if layers != real and section.whole("num_kv_shared_layers"):
        section.put("num_kv_shared_layers", layers // 2)
    section.put(next(name for name in _LAYERS if section.whole(name)), layers)


def _are_indices(value: Sequence[Any], real: int) -> bool:
    return all(isinstance(one, int) and 0 <= one < real for one in value)


# --- widths --------------------------------------------------------------------------------------


def narrow_text(section: ConfigSection, *, whole: bool = False) -> None:
    """Fewer heads, columns and experts in a text model.

    `whole` says that it has all its layers, so that llama.cpp, which has Gemma 3n's number of them
    and the width of its inputs by layer in its code, may load it. Its sparse MLPs then stay as wide
    as they are: llama.cpp takes the spread of n values over n - 1, transformers over n, which is
    nothing of 8,192 and something of 512.
    """
    kept = {_PER_LAYER_INPUT, "intermediate_size"} if whole and _is_sparse(section) else set()
    hidden = section.whole("hidden_size", "d_model", "n_embd")
    queries = section.whole("num_attention_heads", "n_head")
    if hidden is None:
        raise ValueError("the config names no hidden size")
    small = _attention(section, hidden=hidden, queries=queries)
    _experts(section)
    _state_space(section, hidden=small)
    _linear_attention(section)
    for name in section.names():
        value = section.value(name)
        if name in kept:
            continue
        if name == _PER_LAYER_INPUT:
            section.put(name, min(int(value), _KERNEL) if value else value)
        elif _WIDTH.fullmatch(name):
            section.put(name, _narrowed(value, hidden=hidden, small=small))
        elif value == hidden and _HIDDEN_ALIAS.fullmatch(name) and not isinstance(value, bool):
            section.put(name, small)


def _is_sparse(section: ConfigSection) -> bool:
    """Whether MLPs keep the largest activations only, as Gemma 3n's first ones."""
    shares = section.value("activation_sparsity_pattern")
    return isinstance(shares, list | tuple) and any(shares)


def _narrowed(value: Any, *, hidden: int, small: int) -> Any:
    if isinstance(value, list | tuple):
        return [_narrowed(one, hidden=hidden, small=small) for one in value]
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        return value
    if value in (hidden, _FOUR * hidden):
        return value // hidden * small
    return narrow(value, floor=small + 1 if value > hidden else 1)


def _attention(section: ConfigSection, *, hidden: int, queries: int | None) -> int:
    """Shrink the attention; returns the new hidden size."""
    if queries is None:
        return narrow(hidden)
    if section.whole("kv_lora_rank"):
        return _latent_attention(section, hidden=hidden, queries=queries)
    keys = section.whole("num_key_value_heads", "num_kv_heads") or queries
    if section.get("multi_query") is True:
        keys = 1
    explicit = section.whole("head_dim")
    width = explicit or hidden // queries
    real = Heads(hidden=hidden, queries=queries, keys=keys, width=width)
    small = shrink_heads(real, keep_width=_fixes_head(section))
    section.put("num_attention_heads", small.queries)
    for name in ("num_key_value_heads", "num_kv_heads"):
        if section.whole(name):
            section.put(name, small.keys)
    if explicit and (section.raw.get("head_dim") or small.hidden != small.queries * small.width):
        section.put("head_dim", small.width)
    if section.value("query_pre_attn_scalar") in (width, hidden // queries):
        section.put("query_pre_attn_scalar", small.width)
    if section.whole("num_global_key_value_heads"):
        section.put("num_global_key_value_heads", min(small.keys, small.queries))
    return small.hidden


def _fixes_head(section: ConfigSection) -> bool:
    """Whether lists in the config are as long as a head's rotary part, or its width is named."""
    rope = section.get("rope_parameters") or {}
    groups = [one for one in rope.values() if isinstance(one, dict)] or [rope]
    lists = any(isinstance(value, list | tuple) for one in groups for value in one.values())
    return lists or section.whole("rotary_dim", "global_head_dim") is not None


def _latent_attention(section: ConfigSection, *, hidden: int, queries: int) -> int:
    """MLA: widths of heads stay, their number shrinks."""
    width = section.whole("v_head_dim") or 1
    few = next(
        (
            n
            for n in (2, 4, 8, 16)
            if n <= queries and find_divisor(n * width) == find_divisor(queries * width)
        ),
        queries,
    )
    section.put("num_attention_heads", few)
    if section.whole("num_key_value_heads") == queries:
        section.put("num_key_value_heads", few)
    return narrow(hidden)


def _experts(section: ConfigSection) -> None:
    groups = section.whole("n_group") or 1
    few = _GROUPED_EXPERTS if groups > 1 else _EXPERTS
    for name in _EXPERT_COUNTS:
        if (real := section.whole(name)) is not None:
            section.put(name, min(real, few))
    for name in _EXPERT_CHOICES:
        if (real := section.whole(name)) is not None:
            section.put(name, min(real, _CHOSEN_EXPERTS))
    if groups > 1:
        section.put("n_group", 2)
        section.put("topk_group", 1)


def _state_space(section: ConfigSection, *, hidden: int) -> None:
    """Mamba's heads, where it has some."""
    number = next(
        (n for n in ("mamba_n_heads", "mamba_num_heads", "n_mamba_heads") if section.whole(n)), None
    )
    if number is None:
        return
    real = section.whole(number) or 1
    few = gcd(real, 32)
    wide = next(
        (n for n in ("mamba_d_head", "mamba_head_dim", "mamba_headdim") if section.whole(n)), None
    )
    width = section.whole(wide) if wide else None
    expand = section.get("mamba_expand")
    own = section.whole("mamba_d_ssm")
    free = own is not None or expand is None
    if width is not None and free:
        small = _least_width(few, width, like=real * width)
        if own is not None:
            section.put("mamba_d_ssm", few * small)
    else:
        small = int(expand * hidden) // few if expand else 1
    section.put(number, few)
    for name in _CHUNKS:
        if (section.whole(name) or 0) > _CHUNK:
            section.put(name, _CHUNK)
    if wide is not None and section.raw.get(wide) != "auto":
        section.put(wide, small)
    for name in ("mamba_n_groups", "n_groups", "mamba_ngroups"):
        if (groups := section.whole(name)) is not None:
            section.put(name, gcd(groups, few))


def _linear_attention(section: ConfigSection) -> None:
    """Heads of gated delta networks (Qwen3-Next, Qwen3.5)."""
    keys, values = (section.whole(f"linear_num_{one}_heads") for one in ("key", "value"))
    if keys is None or values is None:
        return
    few = gcd(values, 32)
    ratio = max(1, values // keys)
    counts = {"key": max(1, few // ratio), "value": few}
    for one, count in counts.items():
        width = section.whole(f"linear_{one}_head_dim") or 1
        like = width * (keys if one == "key" else values)
        section.put(f"linear_num_{one}_heads", count)
        section.put(f"linear_{one}_head_dim", _least_width(count, width, like=like))


def _least_width(count: int, width: int, *, like: int) -> int:
    """The smallest width of heads with which `count` of them are as divisible as `like`."""
    fitting = (
        n for n in (16, 32, 64) if n < width and find_divisor(count * n) == find_divisor(like)
    )
    return next(fitting, width)


# --- towers --------------------------------------------------------------------------------------


def shrink_tower(section: ConfigSection, *, hidden: int, small: int) -> None:
    """Fewer layers and a narrower MLP in what reads images or sound.

    Parameters
    ----------
    hidden, small : int
        The text model's hidden size, before and after.
    """
    for name in _TOWER_DEPTHS:
        if (real := section.whole(name)) is not None:
            _cut_tower(section, name, real)
    for name in section.names():
        value = section.value(name)
        if _WIDTH.fullmatch(name) and isinstance(value, int) and not isinstance(value, bool):
            section.put(name, narrow(value, floor=64) if value > 0 else value)
        elif name in _INTO_TEXT and value == hidden:
            section.put(name, small)


def _cut_tower(section: ConfigSection, name: str, real: int) -> None:
    few = min(real, _TOWER_LAYERS)
    section.put(name, few)
    for other in section.names():
        value = section.value(other)
        if not isinstance(value, list | tuple) or not value:
            continue
        if len(value) == real and not _INDICES.fullmatch(other):
            section.put(other, list(value[:few]))
        elif _INDICES.fullmatch(other) and _are_indices(value, real + 1):
            kept = [index for index in value if index < few]
            section.put(other, kept or [few - 1])


def shrink(raw: JSON, config: Any, *, layers: int, bold: bool) -> JSON:
    """A miniature's `config.json`.

    Parameters
    ----------
    raw : mapping
        The base's file; left as it is.
    config : transformers.PreTrainedConfig
        What transformers reads from it.
    bold : bool
        Narrow the text model too; else only layers and experts become fewer.
    """
    edited = copy.deepcopy(raw)
    text, towers = find_sections(edited, config)
    hidden = text.whole("hidden_size", "d_model", "n_embd") or 0
    whole = layers == count_layers(text)
    keep_one_dense(text)
    cut_layers(text, layers)
    if bold:
        narrow_text(text, whole=whole)
    else:
        _experts(text)
    small = text.value("hidden_size") or text.value("n_embd") or text.value("d_model")
    for tower in towers:
        if tower.config.get_text_config() is tower.config:
            shrink_tower(tower, hidden=hidden, small=int(small))
    return edited
