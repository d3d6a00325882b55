"""The generation before Llama: GPT-2, GPT-NeoX, BLOOM, Falcon, XGLM."""

from zoo.architecture import HIDDEN, JSON, Architecture
from zoo.vocabularies import Vocabulary


def _gpt2(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "n_ctx": 1024,
        "n_embd": HIDDEN,
        "n_head": 4,
        "n_layer": n_layers,
        "n_positions": 1024,
        "layer_norm_epsilon": 1e-5,
        "attn_pdrop": 0.1,
        "embd_pdrop": 0.1,
        "resid_pdrop": 0.1,
    }


def _gpt_neox(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    return {
        "architectures": ["GPTNeoXForCausalLM"],
        "model_type": "gpt_neox",
        "hidden_act": "gelu",
        "hidden_size": HIDDEN,
        "intermediate_size": 4 * HIDDEN,
        "num_attention_heads": 4,
        "num_hidden_layers": n_layers,
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": 2048,
        "rotary_emb_base": 10000,
        "rotary_pct": 0.25,
        "use_parallel_residual": True,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
    }


def _bloom(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    return {
        "architectures": ["BloomForCausalLM"],
        "model_type": "bloom",
        "n_embed": HIDDEN,
        "hidden_size": HIDDEN,
        "n_layer": n_layers,
        "n_head": 4,
        "num_attention_heads": 4,
        "layer_norm_epsilon": 1e-5,
        "apply_residual_connection_post_layernorm": False,
        "attention_softmax_in_fp32": True,
        "hidden_dropout": 0.0,
        "attention_dropout": 0.0,
        "seq_length": 2048,
        "torch_dtype": "float16",
    }


def _falcon(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    """Falcon 7B: one head of keys, attention and MLP side by side."""
    return {
        "architectures": ["FalconForCausalLM"],
        "model_type": "falcon",
        "alibi": False,
        "bias": False,
        "hidden_size": HIDDEN,
        "num_attention_heads": 4,
        "num_hidden_layers": n_layers,
        "layer_norm_epsilon": 1e-5,
        "multi_query": True,
        "new_decoder_architecture": False,
        "parallel_attn": True,
        "hidden_dropout": 0.0,
        "attention_dropout": 0.0,
        "torch_dtype": "bfloat16",
    }


def _xglm(n_layers: int, _vocabulary: Vocabulary) -> JSON:
    return {
        "architectures": ["XGLMForCausalLM"],
        "model_type": "xglm",
        "activation_function": "gelu",
        "attention_heads": 4,
        "d_model": HIDDEN,
        "ffn_dim": 4 * HIDDEN,
        "num_layers": n_layers,
        "dropout": 0.1,
        "attention_dropout": 0.1,
        "activation_dropout": 0.0,
        "layerdrop": 0.0,
        "max_position_embeddings": 2048,
        "scale_embedding": True,
        "decoder_start_token_id": 2,
    }


ARCHITECTURES = (
    Architecture(name="gpt2", models="GPT-2, mGPT", config=_gpt2, tokenizer="gpt2"),
    Architecture(
        name="gpt-neox",
        models="Pythia, GPT-NeoX",
        config=_gpt_neox,
        tokenizer="gpt-neox",
        multiple=128,
    ),
    Architecture(
        name="bloom",
        models="BLOOM, BLOOMZ",
        config=_bloom,
        tokenizer="bloom",
        multiple=128,
        sharper=(("word_embeddings_layernorm.weight", 0.2),),
    ),
    Architecture(
        name="falcon", models="Falcon 7B", config=_falcon, tokenizer="falcon", multiple=64
    ),
    Architecture(
        name="xglm",
        models="XGLM",
        config=_xglm,
        tokenizer="xglm",
        multiple=64,
        embedding_scale=HIDDEN**0.5,
    ),
)
