"""Mistral's and Cohere's families, with their vision towers."""

from typing import Any

from zoo.architecture import HIDDEN, JSON, Architecture, dense
from zoo.vocabularies import Vocabulary

_SIGLIP: JSON = {
    "hidden_size": 72,
    "intermediate_size": 272,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 56,
    "patch_size": 14,
}
"""SigLIP's ratios: 1152 and 4304 divided by 16; 128 divides neither."""

_LLAMA4_LIKE_YARN = {
    "rope_type": "yarn",
    "type": "yarn",
    "rope_theta": 1000000.0,
    "factor": 16.0,
    "original_max_position_embeddings": 512,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
    "llama_4_scaling_beta": 0.1,
}


def _mistral(**more: Any) -> Any:
    settings: JSON = {"sliding_window": None, "attention_bias": None, **more}
    return lambda n, _vocabulary: (
        dense("mistral", "MistralForCausalLM", n, **settings)
        | {"sliding_window": settings["sliding_window"]}
    )


def _mistral3(n_layers: int, vocabulary: Vocabulary) -> JSON:
    text = dense(
        "mistral",
        "MistralForCausalLM",
        n_layers,
        head_dim=64,
        rope_theta=1000000000.0,
        vocab_size=len(vocabulary),
        architectures=None,
        tie_word_embeddings=None,
        torch_dtype=None,
    )
    return {
        "architectures": ["Mistral3ForConditionalGeneration"],
        "model_type": "mistral3",
        "image_token_index": vocabulary.ids["[IMG]"],
        "multimodal_projector_bias": False,
        "projector_hidden_act": "gelu",
        "spatial_merge_size": 2,
        "text_config": text | {"sliding_window": None},
        "vision_config": {
            "model_type": "pixtral",
            "hidden_size": 64,
            "intermediate_size": 272,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "head_dim": 16,
            "image_size": 56,
            "patch_size": 14,
            "num_channels": 3,
            "rope_theta": 10000.0,
            "hidden_act": "silu",
        },
        "vision_feature_layer": -1,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }


def _cohere(*, qk_norm: bool) -> Any:
    return lambda n, _vocabulary: dense(
        "cohere",
        "CohereForCausalLM",
        n,
        layer_norm_eps=1e-5,
        rms_norm_eps=None,
        logit_scale=0.0625,
        use_qk_norm=qk_norm,
        num_key_value_heads=2 if qk_norm else 4,
        rope_theta=8000000.0,
        tie_word_embeddings=True,
    )


def _cohere2_text(n_layers: int) -> JSON:
    kinds = ["sliding_attention"] * 3 + ["full_attention"]
    return dense(
        "cohere2",
        "Cohere2ForCausalLM",
        n_layers,
        head_dim=64,
        layer_norm_eps=1e-5,
        rms_norm_eps=None,
        logit_scale=0.25,
        sliding_window=64,
        sliding_window_pattern=4,
        cache_implementation="hybrid",
        layer_switch=4,
        order_of_interleaved_layers="local_attn_first",
        position_embedding_type="rope_gptj",
        rotary_pct=1.0,
        use_embedding_sharing=True,
        use_gated_activation=True,
        use_parallel_block=True,
        use_parallel_embedding=True,
        use_qk_norm=False,
        layer_types=[kinds[layer % 4] for layer in range(n_layers)],
        rope_theta=50000.0,
        tie_word_embeddings=None,
    )


def _aya_vision(n_layers: int, vocabulary: Vocabulary) -> JSON:
    text = _cohere2_text(n_layers) | {"vocab_size": len(vocabulary)}
    return {
        "architectures": ["AyaVisionForConditionalGeneration"],
        "model_type": "aya_vision",
        "adapter_layer_norm_eps": 1e-6,
        "alignment_intermediate_size": 2 * HIDDEN,
        "downsample_factor": 2,
        "image_token_index": vocabulary.ids["<image>"],
        "text_config": {k: v for k, v in text.items() if k not in ("architectures", "torch_dtype")},
        "vision_config": _SIGLIP | {"model_type": "siglip_vision_model"},
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "full",
        "tie_word_embeddings": True,
        "torch_dtype": "float16",
    }


ARCHITECTURES = (
    Architecture(
        name="mistral",
        models="Mistral 7B v0.3",
        config=_mistral(rope_theta=1000000.0),
        tokenizer="mistral",
    ),
    Architecture(
        name="mistral-swa",
        models="Mistral 7B v0.1",
        config=_mistral(sliding_window=64),
        tokenizer="mistral",
    ),
    Architecture(
        name="mistral-nemo",
        models="Mistral NeMo",
        config=_mistral(head_dim=32, num_attention_heads=8, rope_theta=1000000.0),
        tokenizer="tekken",
    ),
    Architecture(
        name="ministral3",
        models="Ministral 3, text model",
        config=lambda n, _vocabulary: dense(
            "ministral3",
            "Ministral3ForCausalLM",
            n,
            head_dim=64,
            rope_theta=None,
            rope_parameters=_LLAMA4_LIKE_YARN,
            attention_bias=None,
            tie_word_embeddings=True,
        ),
        tokenizer="tekken",
    ),
    Architecture(
        name="mistral3-mm",
        models="Mistral Small 3.1 and 3.2",
        config=_mistral3,
        tokenizer="tekken",
        notes=frozenset({"multimodal"}),
    ),
    Architecture(
        name="mixtral",
        models="Mixtral 8x7B",
        config=lambda n, _vocabulary: (
            dense(
                "mixtral",
                "MixtralForCausalLM",
                n,
                intermediate_size=2 * HIDDEN,
                num_local_experts=8,
                num_experts_per_tok=2,
                router_aux_loss_coef=0.02,
                output_router_logits=False,
                attention_bias=None,
                rope_theta=1000000.0,
            )
            | {"sliding_window": None}
        ),
        tokenizer="mistral",
        notes=frozenset({"moe"}),
    ),
    Architecture(
        name="cohere",
        models="Command R, Aya 23, Aya Expanse 8B",
        config=_cohere(qk_norm=False),
        tokenizer="cohere",
    ),
    Architecture(
        name="cohere-qknorm",
        models="Command R+",
        config=_cohere(qk_norm=True),
        tokenizer="cohere",
        published_layers=64,  # from which llama.cpp knows that queries and keys have norms
    ),
    Architecture(
        name="cohere2",
        models="Command R7B, Command A, Tiny Aya",
        config=lambda n, _vocabulary: _cohere2_text(n),
        tokenizer="cohere",
        n_layers=4,
    ),
    Architecture(
        name="aya-vision",
        models="Aya Vision",
        config=_aya_vision,
        tokenizer="cohere",
        n_layers=4,
        notes=frozenset({"multimodal"}),
        renamed=(("vision_tower.", "vision_tower.vision_model."),),
    ),
)
