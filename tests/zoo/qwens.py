"""Qwen 2, 3, 3-Next and 3.5."""

from typing import Any

from zoo.architecture import HIDDEN, JSON, Architecture, dense
from zoo.vocabularies import Vocabulary


def _qwen2(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    return dense(
        "qwen2",
        "Qwen2ForCausalLM",
        n_layers,
        num_key_value_heads=1,
        rope_theta=1000000.0,
        rms_norm_eps=1e-6,
        sliding_window=512,
        max_window_layers=n_layers,
        use_sliding_window=False,
        tie_word_embeddings=True,
        attention_bias=None,
    )


def _qwen3(n_layers: int, **more: Any) -> JSON:
    settings: JSON = {
        "head_dim": 64,
        "num_attention_heads": 8,
        "rope_theta": 1000000,
        "rms_norm_eps": 1e-6,
        "max_window_layers": n_layers,
        "use_sliding_window": False,
    }
    kind, architecture = more.pop("kind", "qwen3"), more.pop("architecture", "Qwen3ForCausalLM")
    return dense(kind, architecture, n_layers, **(settings | more))


def _qwen3_moe(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    return _qwen3(
        n_layers,
        kind="qwen3_moe",
        architecture="Qwen3MoeForCausalLM",
        num_experts=16,
        num_experts_per_tok=4,
        moe_intermediate_size=HIDDEN,
        norm_topk_prob=True,
        decoder_sparse_step=1,
        mlp_only_layers=[],
        output_router_logits=False,
        router_aux_loss_coef=0.001,
    )


_LINEAR_ATTENTION = {
    "full_attention_interval": 4,
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 32,
    "linear_num_key_heads": 4,
    "linear_num_value_heads": 8,
    "linear_value_head_dim": 32,
}


def _qwen3_next(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    return dense(
        "qwen3_next",
        "Qwen3NextForCausalLM",
        n_layers,
        head_dim=64,
        partial_rotary_factor=0.25,
        num_experts=16,
        num_experts_per_tok=4,
        moe_intermediate_size=HIDDEN,
        shared_expert_intermediate_size=HIDDEN,
        norm_topk_prob=True,
        decoder_sparse_step=1,
        mlp_only_layers=[],
        rope_theta=10000000,
        rms_norm_eps=1e-6,
        **_LINEAR_ATTENTION,
    )


def _qwen35_inside(n_layers: int, vocabulary: Vocabulary, *, mtp: bool) -> JSON:
    kinds = ["linear_attention"] * 3 + ["full_attention"]
    return dense(
        "qwen3_5_text",
        "Qwen3_5ForCausalLM",
        n_layers,
        head_dim=64,
        attn_output_gate=True,
        layer_types=[kinds[layer % 4] for layer in range(n_layers)],
        mamba_ssm_dtype="float32",
        mtp_num_hidden_layers=1 if mtp else None,
        mtp_use_dedicated_embeddings=False if mtp else None,
        rms_norm_eps=1e-6,
        rope_theta=None,
        rope_parameters={
            "mrope_interleaved": True,
            "mrope_section": [3, 3, 2],
            "partial_rotary_factor": 0.25,
            "rope_theta": 10000000,
            "rope_type": "default",
        },
        tie_word_embeddings=True,
        vocab_size=-(-len(vocabulary) // 64) * 64,
        **_LINEAR_ATTENTION,
    )


def _qwen35_text(n_layers: int, vocabulary: Vocabulary) -> JSON:
    return _qwen35_inside(n_layers, vocabulary, mtp=False)


def _qwen35_mtp(n_layers: int, vocabulary: Vocabulary) -> JSON:
    return _qwen35_inside(n_layers, vocabulary, mtp=True)


def _qwen35_vl(n_layers: int, vocabulary: Vocabulary) -> JSON:
    ids = vocabulary.ids
    text = _qwen35_inside(n_layers, vocabulary, mtp=False)
    return {
        "architectures": ["Qwen3_5ForConditionalGeneration"],
        "model_type": "qwen3_5",
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "text_config": {k: v for k, v in text.items() if k not in ("architectures", "torch_dtype")},
        "vision_config": {
            "model_type": "qwen3_5",
            "depth": 2,
            "hidden_size": 72,
            "intermediate_size": 272,
            "num_heads": 4,
            "num_position_embeddings": 64,
            "out_hidden_size": HIDDEN,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "hidden_act": "gelu_pytorch_tanh",
            "deepstack_visual_indexes": [],
        },
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
    }


ARCHITECTURES = (
    Architecture(
        name="qwen2", models="Qwen 2 and 2.5", config=_qwen2, tokenizer="qwen2", multiple=64
    ),
    Architecture(
        name="qwen3",
        models="Qwen 3",
        config=lambda n, _vocabulary: _qwen3(n),
        tokenizer="qwen2",
        multiple=64,
    ),
    Architecture(
        name="qwen3-moe",
        models="Qwen 3 30B-A3B and larger",
        config=_qwen3_moe,
        tokenizer="qwen2",
        multiple=64,
        notes=frozenset({"moe"}),
    ),
    Architecture(
        name="qwen3-next",
        models="Qwen3-Next",
        config=_qwen3_next,
        tokenizer="qwen2",
        n_layers=4,
        multiple=64,
        notes=frozenset({"hybrid", "moe"}),
    ),
    Architecture(
        name="qwen3.5-text",
        models="Qwen 3.5, fine-tuned as text",
        config=_qwen35_text,
        tokenizer="qwen35",
        n_layers=4,
        multiple=64,
        notes=frozenset({"hybrid"}),
    ),
    Architecture(
        name="qwen3.5-vl",
        models="Qwen 3.5",
        config=_qwen35_vl,
        tokenizer="qwen35",
        n_layers=4,
        multiple=64,
        notes=frozenset({"hybrid", "multimodal"}),
    ),
    Architecture(
        name="qwen3.5-mtp",
        models="Qwen 3.5 with its prediction block",
        config=_qwen35_mtp,
        tokenizer="qwen35",
        n_layers=4,
        multiple=64,
        notes=frozenset({"hybrid", "mtp"}),
    ),
)
