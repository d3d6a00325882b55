"""A checkpoint without torch: config and weights of a tiny Llama, zeros all over."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_hidden_layers": 1,
    "max_position_embeddings": 128,
    "vocab_size": 32,
}
WEIGHTS = {
    "model.embed_tokens.weight": (32, 64),
    "model.layers.0.self_attn.q_proj.weight": (64, 64),
    "model.layers.0.mlp.down_proj.weight": (64, 128),
    "model.norm.weight": (64,),
}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model folder; keyword arguments change its config."""

    def write(name: str = "model", **changes: Any) -> Path:
        from safetensors.numpy import save_file

        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(CONFIG | changes), "utf-8")
        (folder / "tokenizer.json").write_text("{}", "utf-8")
        weights = {key: np.zeros(shape, np.float16) for key, shape in WEIGHTS.items()}
        save_file(weights, folder / "model.safetensors")
        return folder

    return write
