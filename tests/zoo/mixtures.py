"""Mixtures of experts: DeepSeek's family, GLM, OLMoE, gpt-oss, Llama 4."""

from typing import Any

from zoo.architecture import HIDDEN, JSON, Architecture, dense
from zoo.vocabularies import Vocabulary

_MLA: JSON = {
    "kv_lora_rank": 128,
    "qk_nope_head_dim": 64,
    "qk_rope_head_dim": 32,
    "v_head_dim": 64,
}
_DEEPSEEK3: JSON = {
    "num_key_value_heads": 4,
    "n_routed_experts": 8,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": HIDDEN,
    "first_k_dense_replace": 1,
    "moe_layer_freq": 1,
    "norm_topk_prob": True,
    "routed_scaling_factor": 2.5,
    "scoring_func": "sigmoid",
    "topk_method": "noaux_tc",
    "rms_norm_eps": 1e-6,
    **_MLA,
}


def _auto_map(kind: str) -> JSON:
    return {
        "AutoConfig": f"configuration_deepseek.{kind}Config",
        "AutoModelForCausalLM": f"modeling_deepseek.{kind}ForCausalLM",
    }


def _yarn(factor: float) -> JSON:
    return {
        "beta_fast": 32,
        "beta_slow": 1,
        "factor": factor,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
        "original_max_position_embeddings": 512,
        "type": "yarn",
    }


def _deepseek_v2(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    return dense(
        "deepseek_v2",
        "DeepseekV2ForCausalLM",
        n_layers,
        auto_map=_auto_map("DeepseekV2"),
        num_key_value_heads=4,
        n_routed_experts=8,
        n_shared_experts=2,
        num_experts_per_tok=2,
        moe_intermediate_size=HIDDEN,
        first_k_dense_replace=1,
        moe_layer_freq=1,
        norm_topk_prob=False,
        routed_scaling_factor=1.0,
        scoring_func="softmax",
        topk_method="greedy",
        n_group=1,
        topk_group=1,
        rms_norm_eps=1e-6,
        rope_scaling=_yarn(4) | {"mscale": 0.707, "mscale_all_dim": 0.707},
        **_MLA,
    ) | {"q_lora_rank": None}


def _deepseek_v3(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    return dense(
        "deepseek_v3",
        "DeepseekV3ForCausalLM",
        n_layers,
        auto_map=_auto_map("DeepseekV3"),
        q_lora_rank=128,
        n_group=4,
        topk_group=2,
        rope_scaling=_yarn(4),
        **_DEEPSEEK3,
    )


def _kimi(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    """Moonlight and Kimi K2: one group, no compression of queries in the small one."""
    return dense(
        "deepseek_v3",
        "DeepseekV3ForCausalLM",
        n_layers,
        auto_map=_auto_map("DeepseekV3"),
        n_group=1,
        topk_group=1,
        rope_theta=50000.0,
        **_DEEPSEEK3,
    ) | {"q_lora_rank": None}


def _glm4_moe(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    return dense(
        "glm4_moe",
        "Glm4MoeForCausalLM",
        n_layers,
        attention_bias=True,
        head_dim=64,
        partial_rotary_factor=0.5,
        use_qk_norm=False,
        num_key_value_heads=1,
        n_routed_experts=8,
        n_shared_experts=1,
        num_experts_per_tok=2,
        moe_intermediate_size=HIDDEN,
        first_k_dense_replace=1,
        norm_topk_prob=True,
        n_group=1,
        topk_group=1,
        routed_scaling_factor=1.0,
        rope_theta=1000000,
    ) | {"rope_scaling": None}


def _glm4_moe_lite(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    return dense(
        "glm4_moe_lite",
        "Glm4MoeLiteForCausalLM",
        n_layers,
        num_key_value_heads=4,
        q_lora_rank=128,
        kv_lora_rank=128,
        qk_nope_head_dim=48,
        qk_rope_head_dim=16,
        v_head_dim=64,
        n_routed_experts=8,
        n_shared_experts=1,
        num_experts_per_tok=2,
        moe_intermediate_size=HIDDEN,
        first_k_dense_replace=1,
        norm_topk_prob=True,
        n_group=1,
        topk_group=1,
        topk_method="noaux_tc",
        routed_scaling_factor=1.8,
        partial_rotary_factor=1.0,
        rope_theta=1000000,
    ) | {"rope_scaling": None}


def _olmoe(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    return dense(
        "olmoe",
        "OlmoeForCausalLM",
        n_layers,
        num_key_value_heads=4,
        intermediate_size=HIDDEN,
        num_experts=8,
        num_experts_per_tok=2,
        norm_topk_prob=False,
        output_router_logits=False,
        router_aux_loss_coef=0.01,
    ) | {"rope_scaling": None, "clip_qkv": None}


def _gpt_oss(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    kinds = ["sliding_attention", "full_attention"]
    return dense(
        "gpt_oss",
        "GptOssForCausalLM",
        n_layers,
        head_dim=64,
        num_attention_heads=8,
        num_key_value_heads=2,
        intermediate_size=HIDDEN,
        num_local_experts=8,
        num_experts_per_tok=2,
        experts_per_token=2,
        attention_bias=True,
        layer_types=[kinds[layer % 2] for layer in range(n_layers)],
        sliding_window=64,
        swiglu_limit=7.0,
        initial_context_length=512,
        output_router_logits=False,
        router_aux_loss_coef=0.9,
        rope_theta=150000,
        rope_scaling={
            "beta_fast": 32.0,
            "beta_slow": 1.0,
            "factor": 4.0,
            "original_max_position_embeddings": 512,
            "rope_type": "yarn",
            "truncate": False,
        },
    )


def _llama4_inside(n_layers: int, vocabulary: Vocabulary, **more: Any) -> JSON:
    return dense(
        "llama4_text",
        "Llama4ForCausalLM",
        n_layers,
        head_dim=64,
        intermediate_size=2 * HIDDEN,
        intermediate_size_mlp=3 * HIDDEN,
        num_local_experts=4,
        num_experts_per_tok=1,
        interleave_moe_layer_step=2,
        attention_chunk_size=64,
        attn_temperature_tuning=True,
        attn_scale=0.1,
        floor_scale=64,
        no_rope_layers=[int((layer + 1) % 4 != 0) for layer in range(n_layers)],
        use_qk_norm=True,
        output_router_logits=False,
        router_jitter_noise=0.0,
        rope_theta=500000.0,
        rope_scaling={
            "factor": 8.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 512,
            "rope_type": "llama3",
        },
        vocab_size=len(vocabulary),
        **more,
    )


def _llama4_mm(n_layers: int, vocabulary: Vocabulary) -> JSON:
    ids = vocabulary.ids
    return {
        "architectures": ["Llama4ForConditionalGeneration"],
        "model_type": "llama4",
        "boi_token_index": ids["<|image_start|>"],
        "eoi_token_index": ids["<|image_end|>"],
        "image_token_index": ids["<|patch|>"],
        "text_config": _llama4_inside(n_layers, vocabulary, architectures=None),
        "vision_config": {
            "model_type": "llama4_vision_model",
            "hidden_size": 64,
            "hidden_act": "gelu",
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 256,
            "image_size": 56,
            "patch_size": 14,
            "pixel_shuffle_ratio": 0.5,
            "projector_input_dim": 128,
            "projector_output_dim": 128,
            "vision_output_dim": 128,
            "rope_theta": 10000,
        },
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }


_MOE = frozenset({"moe"})
_DEEPSEEK = frozenset({"moe", "mla", "auto_map"})
_LLAMA4_PUBLISHED = (("attention_chunk_size", 8192), ("floor_scale", 8192))
"""llama.cpp writes them into its code."""
_GPT_OSS_PUBLISHED: tuple[tuple[str, Any], ...] = (
    ("max_position_embeddings", 131072),
    ("initial_context_length", 4096),
    (
        "rope_scaling",
        {
            "beta_fast": 32.0,
            "beta_slow": 1.0,
            "factor": 32.0,
            "original_max_position_embeddings": 4096,
            "rope_type": "yarn",
            "truncate": False,
        },
    ),
)
"""How much rounding the bounds of its ramp moves depends on them."""
ARCHITECTURES = (
    Architecture(
        name="deepseek-v2",
        models="DeepSeek V2 and V2 Lite",
        config=_deepseek_v2,
        tokenizer="deepseek-v3",
        published_layers=27,  # by which llama.cpp knows that queries are not compressed
        notes=_DEEPSEEK,
    ),
    Architecture(
        name="deepseek-v3",
        models="DeepSeek V3, R1",
        config=_deepseek_v3,
        tokenizer="deepseek-v3",
        notes=_DEEPSEEK,
    ),
    Architecture(
        name="kimi",
        models="Moonlight, Kimi K2",
        config=_kimi,
        tokenizer="deepseek-v3",
        published_layers=27,  # of Moonlight, as above
        notes=_DEEPSEEK,
    ),
    Architecture(
        name="glm4-moe",
        models="GLM-4.5 to 4.7",
        config=_glm4_moe,
        tokenizer="glm4",
        notes=_MOE,
        multiple=64,
    ),
    Architecture(
        name="glm4-moe-lite",
        models="GLM-4.7-Flash",
        config=_glm4_moe_lite,
        tokenizer="glm4",
        notes=_MOE | {"mla"},
        multiple=64,
    ),
    Architecture(
        name="olmoe", models="OLMoE", config=_olmoe, tokenizer="gpt-neox", notes=_MOE, multiple=64
    ),
    Architecture(
        name="gpt-oss",
        models="gpt-oss",
        config=_gpt_oss,
        tokenizer="o200k",
        published_settings=_GPT_OSS_PUBLISHED,
        notes=_MOE,
        multiple=64,
    ),
    Architecture(
        name="llama4-text",
        models="Llama 4, text model",
        config=lambda n, v: _llama4_inside(n, v),
        tokenizer="llama4",
        n_layers=4,
        published_settings=_LLAMA4_PUBLISHED,
        notes=_MOE,
    ),
    Architecture(
        name="llama4-mm",
        models="Llama 4",
        config=_llama4_mm,
        tokenizer="llama4",
        n_layers=4,
        published_settings=_LLAMA4_PUBLISHED,
        notes=_MOE | {"multimodal"},
    ),
)
