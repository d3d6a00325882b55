"""Gemma 2, 3, 3n and 4."""

from typing import Any

from zoo.architecture import HIDDEN, JSON, Architecture, dense
from zoo.vocabularies import Vocabulary

_SCALE = HIDDEN**0.5
_UNSCALED = (("q_norm.weight", 0.2),)
"""Gemma 3n and 4 do not divide scores by the root of a head's width; their norms learn to."""


def _gemma(kind: str, architecture: str, n_layers: int, **more: Any) -> JSON:
    settings: JSON = {
        "hidden_act": None,
        "hidden_activation": "gelu_pytorch_tanh",
        "head_dim": 64,
        "rms_norm_eps": 1e-6,
        "query_pre_attn_scalar": 64,
        "sliding_window": 64,
        "tie_word_embeddings": None,
    }
    return dense(kind, architecture, n_layers, **(settings | more))


def _gemma2(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    return _gemma(
        "gemma2",
        "Gemma2ForCausalLM",
        n_layers,
        hidden_act="gelu_pytorch_tanh",
        attn_logit_softcapping=50.0,
        final_logit_softcapping=30.0,
        cache_implementation="hybrid",
    )


def _gemma3_text(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    return _gemma(
        "gemma3_text",
        "Gemma3ForCausalLM",
        n_layers,
        num_key_value_heads=1,
        rope_theta=1000000,
        rope_local_base_freq=10000,
        sliding_window_pattern=6,
    ) | {"attn_logit_softcapping": None, "final_logit_softcapping": None, "rope_scaling": None}


def _gemma3_mm(n_layers: int, vocabulary: Vocabulary) -> JSON:
    ids = vocabulary.ids
    return {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "model_type": "gemma3",
        "boi_token_index": ids["<start_of_image>"],
        "eoi_token_index": ids["<end_of_image>"],
        "image_token_index": ids["<image_soft_token>"],
        "initializer_range": 0.02,
        "mm_tokens_per_image": 4,
        "text_config": {
            "model_type": "gemma3_text",
            "hidden_size": HIDDEN,
            "intermediate_size": 3 * HIDDEN,
            "num_hidden_layers": n_layers,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 64,
            "query_pre_attn_scalar": 64,
            "max_position_embeddings": 2048,
            "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
            "sliding_window": 64,
            "vocab_size": len(vocabulary),
        },
        "vision_config": {
            "model_type": "siglip_vision_model",
            "hidden_size": 72,
            "intermediate_size": 272,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": 56,
            "patch_size": 14,
            "vision_use_head": False,
        },
        "torch_dtype": "bfloat16",
    }


def _gemma3n_text(n_layers: int, vocabulary: Vocabulary) -> JSON:
    """As llama.cpp has it: 20 layers before those that share keys, the first 10 of them sparse."""
    kinds = ["sliding_attention"] * 4 + ["full_attention"]
    sparse = min(10, n_layers // 2)
    return _gemma(
        "gemma3n_text",
        "Gemma3nForCausalLM",
        n_layers,
        layer_types=[kinds[layer % 5] for layer in range(n_layers)],
        intermediate_size=[8 * HIDDEN] * n_layers,
        activation_sparsity_pattern=[0.95] * sparse + [0.0] * (n_layers - sparse),
        num_kv_shared_layers=n_layers - 20 if n_layers > 20 else n_layers // 2,
        hidden_size_per_layer_input=256,
        vocab_size_per_layer_input=len(vocabulary),
        altup_num_inputs=4,
        laurel_rank=64,
        final_logit_softcapping=30.0,
        rope_theta=1000000.0,
        rope_local_base_freq=10000.0,
        query_pre_attn_scalar=None,
    )


def _gemma4_inside(n_layers: int, vocabulary: Vocabulary) -> JSON:
    kinds = ["sliding_attention"] * 4 + ["full_attention"]
    return {
        "model_type": "gemma4_text",
        "hidden_size": HIDDEN,
        "intermediate_size": 3 * HIDDEN,
        "num_hidden_layers": n_layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 64,
        "global_head_dim": 128,
        "hidden_activation": "gelu_pytorch_tanh",
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-6,
        "layer_types": [kinds[layer % 5] for layer in range(n_layers)],
        "sliding_window": 64,
        "num_kv_shared_layers": n_layers // 2,
        "hidden_size_per_layer_input": 128,
        "vocab_size_per_layer_input": len(vocabulary),
        "final_logit_softcapping": 30.0,
        "use_double_wide_mlp": True,
        "attention_k_eq_v": False,
        "enable_moe_block": False,
        "rope_parameters": {
            "full_attention": {
                "partial_rotary_factor": 0.25,
                "rope_theta": 1000000.0,
                "rope_type": "proportional",
            },
            "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"},
        },
        "tie_word_embeddings": True,
        "vocab_size": len(vocabulary),
    }


def _gemma4_text(n_layers: int, vocabulary: Vocabulary) -> JSON:
    inside = _gemma4_inside(n_layers, vocabulary)
    return inside | {"architectures": ["Gemma4ForCausalLM"], "torch_dtype": "bfloat16"}


def _gemma4_mm(n_layers: int, vocabulary: Vocabulary) -> JSON:
    ids = vocabulary.ids
    return {
        "architectures": ["Gemma4ForConditionalGeneration"],
        "model_type": "gemma4",
        "boi_token_id": ids["<start_of_image>"],
        "eoi_token_id": ids["<end_of_image>"],
        "image_token_id": ids["<image_soft_token>"],
        "video_token_id": None,
        "audio_token_id": None,
        "audio_config": None,
        "text_config": _gemma4_inside(n_layers, vocabulary),
        "vision_config": {
            "model_type": "gemma4_vision",
            "hidden_size": 96,
            "intermediate_size": 272,
            "num_hidden_layers": 2,
            "num_attention_heads": 3,
            "num_key_value_heads": 3,
            "head_dim": 32,
            "patch_size": 16,
            "position_embedding_size": 64,
        },
        "torch_dtype": "bfloat16",
    }


ARCHITECTURES = (
    Architecture(
        name="gemma2",
        models="Gemma 2",
        config=_gemma2,
        tokenizer="gemma",
        embedding_scale=_SCALE,
        sharper=(("q_proj.weight", 3.0), ("k_proj.weight", 3.0)),
    ),
    Architecture(
        name="gemma3-text",
        models="Gemma 3 270M and 1B",
        config=_gemma3_text,
        tokenizer="gemma",
        n_layers=6,
        published_layers=26,
        embedding_scale=_SCALE,
    ),
    Architecture(
        name="gemma3-mm",
        models="Gemma 3 4B to 27B",
        config=_gemma3_mm,
        tokenizer="gemma",
        n_layers=6,
        published_layers=34,
        notes=frozenset({"multimodal"}),
        renamed=(("vision_tower.", "vision_tower.vision_model."),),
        embedding_scale=_SCALE,
    ),
    Architecture(
        name="gemma3n-text",
        models="Gemma 3n, text model",
        config=_gemma3n_text,
        tokenizer="gemma",
        n_layers=10,
        published_layers=30,
        embedding_scale=_SCALE,
        sharper=_UNSCALED,
    ),
    Architecture(
        name="gemma4-text",
        models="Gemma 4, text model",
        config=_gemma4_text,
        tokenizer="gemma",
        n_layers=10,
        embedding_scale=_SCALE,
        sharper=_UNSCALED,
    ),
    Architecture(
        name="gemma4-mm",
        models="Gemma 4",
        config=_gemma4_mm,
        tokenizer="gemma",
        n_layers=10,
        notes=frozenset({"multimodal"}),
        embedding_scale=_SCALE,
        sharper=_UNSCALED,
    ),
)
