"""Llama checkpoints as GGUF files, written straight with the `gguf` package, for engine tests.

Names, order of rows and tables are those of llama.cpp's own converter (conversion/llama.py).
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

_BESIDE = ("tokenizer.json", "tokenizer_config.json", "generation_config.json", "config.json")
_NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "model.layers.": "blk.",
}


def write_llama(
    checkpoint: Path, folder: Path, *, kind: str = "f16", pre_tokenizer: str = "qwen35"
) -> Path:
    """Write `folder/model-<kind>.gguf` with the checkpoint's tokenizer beside it; returns it."""
    import gguf
    from safetensors.torch import load_file

    config = json.loads((checkpoint / "config.json").read_text())
    folder.mkdir(parents=True, exist_ok=True)
    for name in _BESIDE:
        if (checkpoint / name).is_file():
            shutil.copy(checkpoint / name, folder / name)
    path = folder / f"model-{kind}.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, config)
    _tokens(writer, checkpoint, pre_tokenizer)
    for name, tensor in sorted(load_file(checkpoint / "model.safetensors").items()):
        data = tensor.float().numpy()
        for theirs, ours in _NAMES.items():
            name = name.replace(theirs, ours)
        if "attn_q." in name:
            data = _pair_up(data, config["num_attention_heads"])
        if "attn_k." in name:
            data = _pair_up(data, config["num_key_value_heads"])
        wide = data.ndim == 1 or kind == "f32"
        writer.add_tensor(name, data if wide else data.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _describe(writer: Any, config: dict[str, Any]) -> None:
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_vocab_size(config["vocab_size"])


def _tokens(writer: Any, checkpoint: Path, pre_tokenizer: str) -> None:
    import gguf

    data = json.loads((checkpoint / "tokenizer.json").read_text())
    special = {token["id"] for token in data["added_tokens"]}
    named = {**data["model"]["vocab"], **{t["content"]: t["id"] for t in data["added_tokens"]}}
    tokens = sorted(named, key=named.__getitem__)
    kinds = [
        gguf.TokenType.CONTROL if named[token] in special else gguf.TokenType.NORMAL
        for token in tokens
    ]
    config = json.loads((checkpoint / "tokenizer_config.json").read_text())
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre_tokenizer)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in data["model"]["merges"]])
    writer.add_bos_token_id(named[config["bos_token"]])
    writer.add_eos_token_id(named[config["eos_token"]])
    added = (data["post_processor"] or {}).get("special_tokens", {})
    writer.add_add_bos_token(config["bos_token"] in added)


def _pair_up(weight: Any, heads: int) -> Any:
    """Rows of a head in the order of llama.cpp's rotary embedding (pairs of neighbours)."""
    rows = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return np.ascontiguousarray(rows.swapaxes(1, 2).reshape(weight.shape))
