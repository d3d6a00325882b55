"""Which layers AWQ and SmoothQuant scale against each other, for architectures of our own table.

Smoothing divides what a layer gives out, channel by channel, and multiplies the weights that read
it: the function stays the same if *all* readers are known. llm-compressor knows them for Llama and
its kin. For the types below it knows none or wrong ones. What is written here is checked on every
model: without quantization the smoothed model must compute what the base does (`compressed`).

A link is a source and its readers, as regular expressions for names within one decoder block. A
norm can be smoothed by both methods, a linear layer by AWQ alone. Readers that a block lacks are
passed over, and so is a link without a source: so one list serves blocks of several kinds. Between
a source and its readers there must be nothing but products: a gated activation is one in its
second argument, xIELU, GELU and a squared ReLU are not.

Plain data and no torch, so that a plan can refuse from a model's type.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from babelbits.errors import RecipeError
from babelbits.formats.outside_text import OUTSIDE, is_outside_text
from babelbits.formats.text_model import find_text_config
from babelbits.recipes.info import RecipeInfo


@dataclass(frozen=True, slots=True)
class Link:
    """A layer and those that read what it gives out."""

    source: str
    readers: tuple[str, ...]
    siblings: bool = False
    """Source and reader are linear layers of one module, of which a block may have many."""
    awq: bool = True
    """Whether AWQ uses the link, too."""


_QKV = (r"self_attn\.q_proj", r"self_attn\.k_proj", r"self_attn\.v_proj")
_MLP = r"(mlp|block_sparse_moe|feed_forward)"
_ATTENTION = Link("input_layernorm", _QKV)
_VALUES = Link(r"self_attn\.v_proj", (r"self_attn\.o_proj",))
_DOWN = Link("up_proj", ("down_proj",), siblings=True)

_AFTER = (_VALUES, _DOWN)
"""Blocks whose norms come after the layers: q_proj and gate_proj read the residual stream."""
_ANY = (
    Link(
        "input_layernorm",
        (
            *_QKV,
            r"self_attn\.q_a_proj",
            r"self_attn\.kv_a_proj_with_mqa",
            r"mamba\.in_proj",
            r"linear_attn\.in_proj_\w+",
        ),
    ),
    Link(r"self_attn\.q_a_layernorm", (r"self_attn\.q_b_proj",)),
    Link(r"self_attn\.kv_a_layernorm", (r"self_attn\.kv_b_proj",)),
    Link(
        r"(post_attention_layernorm|pre_ff_layernorm)",
        (
            rf"{_MLP}\.(gate|router)",
            rf"{_MLP}\.shared_expert_gate",
            rf"{_MLP}\.(.*\.)?(gate|up)_proj",
            r"shared_mlp\.input_linear",
        ),
    ),
    _VALUES,
)
_MIXTURE = (*_ANY, _DOWN)
"""Llama's block with experts, latent attention, or a recurrent layer in the attention's place."""

LINKS: Mapping[str, tuple[Link, ...]] = {
    "apertus": (
        Link("attention_layernorm", _QKV),
        Link("feedforward_layernorm", (r"mlp\.up_proj",)),
        _VALUES,
    ),
    "bloom": (
        Link("input_layernorm", (r"self_attention\.query_key_value",)),
        Link("post_attention_layernorm", (r"mlp\.dense_h_to_4h",)),
    ),
    "exaone4": _AFTER,
    "glm4": (
        _ATTENTION,
        Link("post_attention_layernorm", (r"mlp\.gate_up_proj",)),
        _VALUES,
    ),
    "gpt2": (Link("ln_1", (r"attn\.c_attn",)), Link("ln_2", (r"mlp\.c_fc",))),
    "gpt_neox": (
        Link("input_layernorm", (r"attention\.query_key_value",)),
        Link("post_attention_layernorm", (r"mlp\.dense_h_to_4h",)),
    ),
    "lfm2": (
        Link("operator_norm", (*_QKV, r"conv\.in_proj")),
        Link("ffn_norm", (r"feed_forward\.w1", r"feed_forward\.w3")),
        Link("w3", ("w2",), siblings=True),
    ),
    "nemotron": (
        _ATTENTION,
        Link("post_attention_layernorm", (r"mlp\.up_proj",)),
        _VALUES,
    ),
    "olmo2": _AFTER,
    "olmo3": _AFTER,
    "xglm": (
        Link("self_attn_layer_norm", _QKV),
        Link("final_layer_norm", ("fc1",)),
        Link(r"self_attn\.v_proj", (r"self_attn\.out_proj",)),
    ),
    "gpt_oss": _ANY,
} | dict.fromkeys(
    (
        "bamba",
        "deepseek_v2",
        "deepseek_v3",
        "falcon_h1",
        "glm4_moe",
        "glm4_moe_lite",
        "granitemoe",
        "granitemoehybrid",
        "granitemoeshared",
        "jamba",
        "llama4",
        "llama4_text",
        "mixtral",
        "olmoe",
        "phimoe",
        "qwen3_next",
    ),
    _MIXTURE,
)
"""The links of a block by the text model's type; other types are left to llm-compressor."""

_GATED_MLP = (r"mlp\.gate_proj", r"mlp\.up_proj")
_LLAMA = (_ATTENTION, Link("post_attention_layernorm", _GATED_MLP), _VALUES, _DOWN)
_PRE_FEEDFORWARD = Link("pre_feedforward_layernorm", _GATED_MLP)
_TEXT: Mapping[str, tuple[Link, ...]] = {
    "cohere": (Link("input_layernorm", (*_QKV, *_GATED_MLP)), _VALUES, _DOWN),
    "cohere2": (Link("input_layernorm", (*_QKV, *_GATED_MLP)), _VALUES, _DOWN),
    "gemma2": (_ATTENTION, _PRE_FEEDFORWARD, _VALUES, _DOWN),
    # AWQ leaves this norm alone, as llm-compressor does: another norm follows q_proj and k_proj.
    "gemma3_text": (Link("input_layernorm", _QKV, awq=False), _PRE_FEEDFORWARD, _VALUES, _DOWN),
} | dict.fromkeys(("llama", "ministral3", "mistral", "qwen2", "qwen3", "smollm3"), _LLAMA)
"""Of types that llm-compressor knows, for models whose towers its patterns would match as well."""
_WRONG_NORM = ("gemma2", "gemma3_text")
"""Types whose MLP reads another norm than the one that llm-compressor 0.14's SmoothQuant takes."""

_UNKNOWN = ("falcon", "gemma3n", "gemma3n_text", "gemma4", "gemma4_text", "mpt", "nemotron_h")
"""Types whose blocks neither llm-compressor nor the table above describes."""


def refuse_smoothing(config: Mapping[str, Any], info: RecipeInfo) -> None:
    """Raise if a recipe smooths, and cannot on a model with this `config.json`.

    Raises
    ------
    RecipeError
        Says why, and names recipes without smoothing.
    """
    kind = str(find_text_config(config).get("model_type", ""))
    reason = explain_refusal(kind, info.method)
    if reason is not None:
        other = "'w4-g' or 'w4-g-rtn'" if info.method == "awq" else "'w8a8' or 'fp8'"
        raise RecipeError(
            f"'{info.name}' cannot be made from this model: {reason}",
            hint=f"use a recipe without smoothing, e.g. {other}",
        )


def explain_refusal(model_type: str, method: str) -> str | None:
    """Why a smoothing method cannot be applied to models of a type; None if it may be.

    Parameters
    ----------
    method : str
        'awq' or 'smoothquant'; for others there is nothing to refuse.
    """
    if method not in ("awq", "smoothquant"):
        return None
    if model_type in _UNKNOWN:
        return f"the table of which layers read which has no entry for '{model_type}' blocks"
    links = LINKS.get(model_type)
    if method == "smoothquant" and links is not None and not any(map(_from_norm, links)):
        return (
            f"the norms of '{model_type}' come after its layers, so there is none before a linear "
            "layer that could take over its scales"
        )
    return None


def _from_norm(link: Link) -> bool:
    return "norm" in link.source or link.source.startswith("ln_")


def list_pairs(
    model_type: str, names: Iterable[str], *, method: str
) -> list[tuple[str, tuple[str, ...]]] | None:
    """(source, readers) for llm-compressor: names of modules, or patterns after 're:'.

    Parameters
    ----------
    names : iterable of str
        Of all modules of the model, its experts as linear layers.
    method : str
        'awq' or 'smoothquant'. SmoothQuant leaves the norm before experts alone, as
        llm-compressor's own lists do: one scale for all experts unbalances them.

    Returns
    -------
    list or None
        None where the library's own list is to be used.
    """
    known = list(names)
    towers = any(map(is_outside_text, known))
    links = LINKS.get(model_type)
    if towers or (method == "smoothquant" and model_type in _WRONG_NORM):
        links = links or _TEXT.get(model_type)
    if links is None:
        return None
    if method == "awq":
        links = tuple(link for link in links if link.awq)
    else:
        links = tuple(filter(_from_norm, links))
    joined: list[tuple[str, tuple[str, ...]]] = []
    for prefix, inner in _blocks(known).items():
        for link in links:
            if not link.siblings:
                joined += _in_block(prefix, inner, link=link, experts=method == "awq")
    start = rf"re:(?!{OUTSIDE}).*\." if towers else r"re:.*\."
    for link in links:
        if link.siblings:
            joined.append((f"{start}{link.source}$", (f"{start}{link.readers[0]}$",)))
    return joined


def _blocks(names: Iterable[str]) -> dict[str, list[str]]:
    """Names within each decoder block, by the block's own name and a dot."""
    blocks: dict[str, list[str]] = {}
    for name in names:
        match = re.match(r"((?:.*?\.)?(?:layers|h|blocks)\.\d+\.)(.+)", name)
        if match is not None and not is_outside_text(name):
            blocks.setdefault(match[1], []).append(match[2])
    return blocks


def _in_block(
    prefix: str, names: list[str], *, link: Link, experts: bool
) -> Iterator[tuple[str, tuple[str, ...]]]:
    sources = [name for name in names if re.fullmatch(link.source, name)]
    readers = [n for pattern in link.readers for n in names if re.fullmatch(pattern, n)]
    mixture = any(".experts." in name for name in readers)
    if len(sources) == 1 and readers and (experts or not mixture):
        yield prefix + sources[0], tuple(prefix + name for name in dict.fromkeys(readers))
