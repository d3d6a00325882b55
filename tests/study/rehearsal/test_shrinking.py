"""Configs of published models, by hand from their hub pages, and what a miniature keeps of them."""

from math import gcd
from typing import Any

import pytest

from babelbits.study.rehearsal.shrinking import Heads, find_period, narrow, shrink, shrink_heads


@pytest.mark.parametrize(
    ("real", "small"),
    [(4096, 256), (4304, 16), (2880, 64), (1152, 128), (11008, 256), (896, 128), (48, 16), (7, 1)],
)
def test_widths_keep_their_divisibility(real: int, small: int) -> None:
    """SigLIP's 4304 = 16 * 269; gpt-oss' 2880 = 64 * 45; Gemma 3 1B's 1152 = 128 * 9."""
    assert narrow(real) == small
    assert gcd(narrow(real, floor=100), 256) == gcd(real, 256)


def test_a_width_is_never_made_larger() -> None:
    assert narrow(64, floor=1000) == 64


@pytest.mark.parametrize(
    ("real", "kind"),
    [
        (Heads(hidden=4096, queries=32, keys=8, width=128), "grouped"),  # Llama 3 8B
        (Heads(hidden=3072, queries=32, keys=32, width=96), "multi"),  # Phi-3.5-mini
        (Heads(hidden=3584, queries=28, keys=4, width=128), "grouped"),  # Qwen2.5 7B
        (Heads(hidden=4544, queries=71, keys=1, width=64), "single"),  # Falcon 7B
        (Heads(hidden=1024, queries=16, keys=8, width=128), "grouped"),  # Qwen3 0.6B
        (Heads(hidden=576, queries=9, keys=3, width=64), "grouped"),  # SmolLM 135M
    ],
)
def test_attention_keeps_kind_relation_and_divisibility(real: Heads, kind: str) -> None:
    small = shrink_heads(real, keep_width=False)
    assert small.hidden < real.hidden
    assert gcd(small.hidden, 256) == gcd(real.hidden, 256)
    assert gcd(small.queries * small.width, 256) == gcd(real.queries * real.width, 256)
    assert small.queries % small.keys == 0
    tied = real.hidden == real.queries * real.width
    assert (small.hidden == small.queries * small.width) == tied
    kinds = {"multi": small.queries == small.keys, "single": small.keys == 1}
    assert kinds.get(kind, 1 < small.keys < small.queries)


def test_the_period_is_where_every_kind_has_occurred() -> None:
    assert find_period(["s"] * 5 + ["f"] + ["s"] * 5 + ["f"]) == 6  # Gemma 3
    assert find_period(["dense"] + ["moe"] * 60) == 2  # DeepSeek V3, its first layers made one
    assert find_period(["a"] * 32) == 2


def shrunk(raw: dict[str, Any], layers: int) -> dict[str, Any]:
    transformers = pytest.importorskip("transformers")
    config = transformers.AutoConfig.for_model(**raw)
    return shrink(raw, config, layers=layers, bold=True)


def test_per_layer_lists_are_cut_with_the_layers() -> None:
    """SmolLM3's list of layers without rotary positions, Granite 4's of kinds."""
    raw: dict[str, Any] = {
        "model_type": "smollm3",
        "hidden_size": 2048,
        "intermediate_size": 11008,
        "num_hidden_layers": 36,
        "num_attention_heads": 16,
        "num_key_value_heads": 4,
        "vocab_size": 128256,
        "no_rope_layers": [1, 1, 1, 0] * 9,
    }
    small = shrunk(raw, 4)
    assert small["no_rope_layers"] == [1, 1, 1, 0]
    assert small["num_hidden_layers"] == 4
    assert small["vocab_size"] == 128256  # the tokenizer is the real one
    assert raw["num_hidden_layers"] == 36  # what was given is left alone


@pytest.mark.parametrize(("layers", "shared", "width"), [(30, 10, 256), (10, 5, 64)])
def test_gemma_3n_with_all_its_layers_is_as_llama_cpp_has_it(
    layers: int, shared: int, width: int
) -> None:
    """Gemma 3n E2B: `llama_model_gemma3n` has 20 layers with keys, and 256 inputs a layer."""
    raw: dict[str, Any] = {
        "model_type": "gemma3n_text",
        "hidden_size": 2048,
        "intermediate_size": [8192] * 30,
        "num_hidden_layers": 30,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "head_dim": 256,
        "activation_sparsity_pattern": [0.95] * 10 + [0.0] * 20,
        "layer_types": (["sliding_attention"] * 4 + ["full_attention"]) * 6,
        "num_kv_shared_layers": 10,
        "hidden_size_per_layer_input": 256,
        "laurel_rank": 64,
        "vocab_size": 262400,
    }
    small = shrunk(raw, layers)
    assert small["num_kv_shared_layers"] == shared
    assert small["hidden_size_per_layer_input"] == width
    assert small["laurel_rank"] == 64
    assert (small["intermediate_size"] == [8192] * 30) == (layers == 30)


def test_four_times_the_hidden_size_stays_four_times() -> None:
    """llama.cpp's converter writes `4 * hidden_size` for Falcon, BLOOM, GPT-2 and MPT."""
    raw = {
        "model_type": "falcon",
        "hidden_size": 4544,
        "num_hidden_layers": 32,
        "num_attention_heads": 71,
        "multi_query": True,
        "vocab_size": 65024,
    }
    small = shrunk(raw, 1)
    assert small["ffn_hidden_size"] == 4 * small["hidden_size"]
    assert small["hidden_size"] < 4544


def test_a_mixture_keeps_groups_of_experts_and_latent_widths() -> None:
    """DeepSeek V3: 8 groups of 32 experts, of which 4 groups and 8 experts are chosen."""
    small = shrunk(
        {
            "model_type": "deepseek_v3",
            "hidden_size": 7168,
            "intermediate_size": 18432,
            "moe_intermediate_size": 2048,
            "num_hidden_layers": 61,
            "num_attention_heads": 128,
            "num_key_value_heads": 128,
            "n_routed_experts": 256,
            "num_experts_per_tok": 8,
            "n_group": 8,
            "topk_group": 4,
            "first_k_dense_replace": 3,
            "q_lora_rank": 1536,
            "kv_lora_rank": 512,
            "qk_nope_head_dim": 128,
            "qk_rope_head_dim": 64,
            "v_head_dim": 128,
            "vocab_size": 129280,
        },
        2,
    )
    assert small["first_k_dense_replace"] == 1
    assert small["n_routed_experts"] % small["n_group"] == 0
    assert small["num_experts_per_tok"] < small["n_routed_experts"]
    assert [small[name] for name in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")] == [
        128,
        64,
        128,
    ]
    assert small["moe_intermediate_size"] == small["kv_lora_rank"] == 256


def test_towers_stay_and_shrink_beside_the_text_model() -> None:
    """Gemma 3 4B with its SigLIP tower, whose 4304 columns 32 does not divide."""
    small = shrunk(
        {
            "model_type": "gemma3",
            "text_config": {
                "model_type": "gemma3_text",
                "hidden_size": 2560,
                "intermediate_size": 10240,
                "num_hidden_layers": 34,
            },
            "vision_config": {
                "model_type": "siglip_vision_model",
                "hidden_size": 1152,
                "intermediate_size": 4304,
                "num_attention_heads": 16,
                "num_hidden_layers": 27,
            },
        },
        6,
    )
    assert small["text_config"]["num_hidden_layers"] == 6
    tower = small["vision_config"]
    assert tower["num_hidden_layers"] == 2
    assert tower["intermediate_size"] % 16 == 0 != tower["intermediate_size"] % 32
