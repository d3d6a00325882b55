"""Llama and the dense models near it."""

from typing import Any

from zoo.architecture import HIDDEN, JSON, Architecture, dense
from zoo.vocabularies import Vocabulary


def _plain(kind: str, architecture: str, **more: Any) -> Any:
    """A configuration that does not depend on the vocabulary."""
    return lambda n_layers, _vocabulary: dense(kind, architecture, n_layers, **more)


_LLAMA3_ROPE = {
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 512,
    "rope_type": "llama3",
}


def _smollm3(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    no_rope = [int((layer + 1) % 4 != 0) for layer in range(n_layers)]
    return dense(
        "smollm3",
        "SmolLM3ForCausalLM",
        n_layers,
        no_rope_layers=no_rope,
        no_rope_layer_interval=4,
        layer_types=["full_attention"] * n_layers,
        use_sliding_window=False,
        rope_theta=5000000.0,
        rms_norm_eps=1e-6,
        mlp_bias=False,
        tie_word_embeddings=True,
    )


def _exaone4(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    kinds = ["sliding_attention"] * 3 + ["full_attention"]
    return dense(
        "exaone4",
        "Exaone4ForCausalLM",
        n_layers,
        layer_types=[kinds[layer % 4] for layer in range(n_layers)],
        sliding_window=128,
        sliding_window_pattern="LLLG",
        head_dim=64,
        rope_theta=1000000.0,
        rope_scaling=_LLAMA3_ROPE | {"factor": 16.0},
        attention_bias=None,
    )


def _longrope(head_dim: int) -> JSON:
    """Factors that grow over the dimensions, long ones faster, as in Phi-3.5."""
    half = head_dim // 2
    return {
        "type": "longrope",
        "short_factor": [1.0 + 0.02 * i for i in range(half)],
        "long_factor": [1.0 + 1.5 * i for i in range(half)],
    }


def _phi3(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    return dense(
        "phi3",
        "Phi3ForCausalLM",
        n_layers,
        auto_map={
            "AutoConfig": "configuration_phi3.Phi3Config",
            "AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM",
        },
        num_key_value_heads=4,
        max_position_embeddings=4096,
        original_max_position_embeddings=512,
        rope_scaling=_longrope(64),
        sliding_window=4096,
        embd_pdrop=0.0,
        resid_pdrop=0.0,
    )


def _phi4_mini(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    return dense(
        "phi3",
        "Phi3ForCausalLM",
        n_layers,
        auto_map={
            "AutoConfig": "configuration_phi3.Phi3Config",
            "AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM",
        },
        max_position_embeddings=4096,
        original_max_position_embeddings=512,
        partial_rotary_factor=0.75,
        rope_scaling=_longrope(48),
        sliding_window=4096,
        tie_word_embeddings=True,
        embd_pdrop=0.0,
        resid_pdrop=0.0,
    )


ARCHITECTURES = (
    Architecture(
        name="llama3",
        models="Llama 3 and 3.1",
        config=_plain("llama", "LlamaForCausalLM", rope_theta=500000.0, num_key_value_heads=1),
        tokenizer="llama3",
    ),
    Architecture(
        name="llama32-tied",
        models="Llama 3.2 1B and 3B",
        config=_plain(
            "llama",
            "LlamaForCausalLM",
            rope_theta=500000.0,
            rope_scaling=_LLAMA3_ROPE,
            head_dim=64,
            tie_word_embeddings=True,
        ),
        tokenizer="llama3",
    ),
    Architecture(
        name="eurollm",
        models="EuroLLM, Llama 2",
        config=_plain("llama", "LlamaForCausalLM", head_dim=64),
        tokenizer="eurollm",
    ),
    Architecture(
        name="smollm3",
        models="SmolLM3",
        config=_smollm3,
        tokenizer="smollm3",
        n_layers=4,
        published_layers=36,
        multiple=64,
    ),
    Architecture(
        name="apertus",
        models="Apertus 8B and 70B",
        config=_plain(
            "apertus",
            "ApertusForCausalLM",
            hidden_act="xielu",
            qk_norm=True,
            mlp_bias=False,
            post_norm=False,
            rope_theta=12000000.0,
            rope_scaling=_LLAMA3_ROPE | {"factor": 8.0},
        ),
        tokenizer="tekken",
        multiple=64,
    ),
    Architecture(
        name="olmo2",
        models="OLMo 2",
        config=_plain("olmo2", "Olmo2ForCausalLM", rope_theta=500000.0, rms_norm_eps=1e-6),
        tokenizer="dolma2",
        multiple=64,
    ),
    Architecture(
        name="exaone4",
        models="EXAONE 4",
        config=_exaone4,
        tokenizer="exaone4",
        n_layers=4,
        published_layers=64,
    ),
    Architecture(
        name="granite",
        models="Granite 3",
        config=_plain(
            "granite",
            "GraniteForCausalLM",
            attention_multiplier=0.015625,
            embedding_multiplier=12.0,
            residual_multiplier=0.22,
            logits_scaling=8.0,
            mlp_bias=False,
            tie_word_embeddings=True,
        ),
        tokenizer="granite",
        multiple=64,
        embedding_scale=150.0,
    ),
    Architecture(
        name="hunyuan",
        models="Hunyuan dense, Hunyuan-MT",
        config=_plain(
            "hunyuan_v1_dense",
            "HunYuanDenseV1ForCausalLM",
            head_dim=64,
            max_position_embeddings=32768,  # llama.cpp's converter asserts it
            use_qk_norm=True,
            use_cla=False,
            rope_scaling={
                "alpha": 1000.0,
                "beta_fast": 32,
                "beta_slow": 1,
                "factor": 1.0,
                "mscale": 1.0,
                "mscale_all_dim": 1.0,
                "type": "dynamic",
            },
            tie_word_embeddings=True,
        ),
        tokenizer="hunyuan",
        multiple=64,
    ),
    Architecture(
        name="ernie4_5",
        models="ERNIE 4.5 0.3B",
        config=_plain(
            "ernie4_5",
            "Ernie4_5ForCausalLM",
            head_dim=64,
            num_key_value_heads=1,
            use_bias=False,
            rope_theta=500000.0,
            tie_word_embeddings=True,
            attention_bias=None,
        ),
        tokenizer="ernie4_5",
        multiple=64,
    ),
    Architecture(
        name="glm4",
        models="GLM-4 0414",
        config=_plain(
            "glm4",
            "Glm4ForCausalLM",
            head_dim=64,
            partial_rotary_factor=0.5,
            num_key_value_heads=1,
            attention_bias=True,
        ),
        tokenizer="glm4",
        multiple=64,
    ),
    Architecture(
        name="seed-oss",
        models="Seed-OSS",
        config=_plain(
            "seed_oss",
            "SeedOssForCausalLM",
            head_dim=64,
            num_attention_heads=8,
            num_key_value_heads=1,
            attention_bias=True,
            attention_out_bias=False,
            attention_dropout=0.1,
            residual_dropout=0.1,
            mlp_bias=False,
            rope_theta=10000000.0,
            rope_scaling={"rope_type": "default"},
        ),
        tokenizer="seed-oss",
        multiple=64,
    ),
    Architecture(
        name="nemotron",
        models="Minitron, Nemotron-4",
        config=_plain(
            "nemotron",
            "NemotronForCausalLM",
            hidden_act="relu2",
            head_dim=64,
            partial_rotary_factor=0.5,
            norm_eps=1e-5,
            rms_norm_eps=None,
            mlp_bias=False,
        ),
        tokenizer="nemotron",
    ),
    Architecture(
        name="stablelm",
        models="StableLM 2",
        config=_plain(
            "stablelm",
            "StableLmForCausalLM",
            intermediate_size=2 * HIDDEN,
            num_key_value_heads=4,
            partial_rotary_factor=0.25,
            use_qkv_bias=True,
            use_parallel_residual=False,
            qk_layernorm=False,
            layer_norm_eps=1e-5,
            rms_norm_eps=None,
        ),
        tokenizer="stablelm2",
        multiple=64,
    ),
    Architecture(
        name="phi3",
        models="Phi-3 and Phi-3.5 mini",
        config=_phi3,
        tokenizer="phi3",
        notes=frozenset({"auto_map"}),
        multiple=64,
    ),
    Architecture(
        name="phi4-mini",
        models="Phi-4-mini",
        config=_phi4_mini,
        tokenizer="phi4-mini",
        notes=frozenset({"auto_map"}),
        multiple=64,
    ),
)
