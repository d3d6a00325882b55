"""Models whose layers keep a state instead of, or beside, keys and values."""

from zoo.architecture import HIDDEN, JSON, Architecture, dense
from zoo.vocabularies import Vocabulary

_MAMBA2: JSON = {
    "mamba_chunk_size": 16,
    "mamba_conv_bias": True,
    "mamba_d_conv": 4,
    "mamba_d_head": 32,
    "mamba_d_state": 32,
    "mamba_expand": 2,
    "mamba_n_groups": 1,
    "mamba_n_heads": 16,
    "mamba_proj_bias": False,
}


def _bamba(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    return dense(
        "bamba",
        "BambaForCausalLM",
        n_layers,
        attn_layer_indices=[n_layers - 1],
        attn_rotary_emb=32,
        num_logits_to_keep=1,
        mlp_bias=False,
        **_MAMBA2,
    )


def _falcon_h1(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    return dense(
        "falcon_h1",
        "FalconH1ForCausalLM",
        n_layers,
        head_dim=64,
        mamba_d_ssm=512,
        mamba_norm_before_gate=False,
        mamba_rms_norm=False,
        mamba_use_mlp=True,
        mlp_expansion_factor=8,
        mlp_bias=False,
        projectors_bias=False,
        num_logits_to_keep=1,
        attention_in_multiplier=1.0,
        attention_out_multiplier=0.9375,
        embedding_multiplier=5.656854249492381,
        key_multiplier=0.390625,
        lm_head_multiplier=0.0390625,
        mlp_multipliers=[0.8838834764831845, 0.5859375],
        ssm_in_multiplier=1.25,
        ssm_multipliers=[0.3535533905932738, 0.25, 0.3535533905932738, 0.5, 0.3535533905932738],
        ssm_out_multiplier=0.23570226039551587,
        rope_theta=100000000000.0,
        **_MAMBA2,
    )


def _jamba(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    return dense(
        "jamba",
        "JambaForCausalLM",
        n_layers,
        attn_layer_offset=n_layers // 2,
        attn_layer_period=n_layers,
        expert_layer_offset=1,
        expert_layer_period=2,
        intermediate_size=2 * HIDDEN,
        num_experts=8,
        num_experts_per_tok=2,
        num_logits_to_keep=1,
        use_mamba_kernels=False,
        mamba_conv_bias=True,
        mamba_d_conv=4,
        mamba_d_state=16,
        mamba_dt_rank=16,
        mamba_expand=2,
        mamba_proj_bias=False,
        rms_norm_eps=1e-6,
        rope_theta=None,
        attention_bias=None,
    )


def _lfm2(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    kinds = ["conv", "conv", "full_attention"]
    return dense(
        "lfm2",
        "Lfm2ForCausalLM",
        n_layers,
        block_auto_adjust_ff_dim=False,
        block_dim=HIDDEN,
        block_ff_dim=3 * HIDDEN,
        conv_L_cache=3,
        conv_bias=False,
        conv_dim=HIDDEN,
        layer_types=[kinds[layer % 3] for layer in range(n_layers)],
        norm_eps=1e-5,
        rms_norm_eps=None,
        rope_theta=1000000.0,
        tie_word_embeddings=None,
        attention_bias=None,
    )


def _granite4(n_layers: int, *, experts: int) -> JSON:
    """Granite 4.0 H: experts in Tiny and Small, none in Micro."""
    kinds = ["mamba"] * 3 + ["attention"]
    return dense(
        "granitemoehybrid",
        "GraniteMoeHybridForCausalLM",
        n_layers,
        attention_multiplier=0.015625,
        embedding_multiplier=12,
        logits_scaling=6,
        residual_multiplier=0.22,
        intermediate_size=HIDDEN if experts else 2 * HIDDEN,
        shared_intermediate_size=2 * HIDDEN,
        layer_types=[kinds[layer % 4] for layer in range(n_layers)],
        num_local_experts=experts,
        num_experts_per_tok=2 if experts else 0,
        position_embedding_type="nope",
        normalization_function="rmsnorm",
        tie_word_embeddings=True,
        **_MAMBA2,
    )


_HYBRID = frozenset({"hybrid"})
ARCHITECTURES = (
    Architecture(
        name="bamba",
        models="Bamba",
        config=_bamba,
        tokenizer="llama3",
        n_layers=3,
        multiple=64,
        notes=_HYBRID,
    ),
    Architecture(
        name="falcon-h1",
        models="Falcon-H1",
        config=_falcon_h1,
        tokenizer="falcon-h1",
        notes=_HYBRID,
        multiple=64,
        embedding_scale=5.66,
    ),
    Architecture(
        name="jamba",
        models="Jamba",
        config=_jamba,
        tokenizer="jamba",
        n_layers=4,
        notes=_HYBRID | {"moe"},
        multiple=64,
    ),
    Architecture(
        name="lfm2",
        models="LFM2",
        config=_lfm2,
        tokenizer="lfm2",
        n_layers=3,
        notes=_HYBRID,
        multiple=64,
    ),
    Architecture(
        name="granite4",
        models="Granite 4 H-Tiny and H-Small",
        config=lambda n, _vocabulary: _granite4(n, experts=8),
        tokenizer="granite4",
        n_layers=4,
        notes=_HYBRID | {"moe"},
        multiple=64,
        embedding_scale=36.0,
    ),
    Architecture(
        name="granite4-dense",
        models="Granite 4 H-Micro",
        config=lambda n, _vocabulary: _granite4(n, experts=0),
        tokenizer="granite4",
        n_layers=4,
        notes=_HYBRID,
        multiple=64,
        embedding_scale=36.0,
    ),
)
