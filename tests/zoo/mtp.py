"""The multi-token-prediction block of Qwen 3.5 and 3-Next, which transformers does not have.

On the hub its tensors stand beside the model's own: `mtp.fc`, three norms, and layers like the
model's last one with full attention.
"""

from pathlib import Path
from typing import Any


def add_prediction_block(folder: Path, *, seed: int = 1) -> None:
    """Add `mtp.*` to `folder/model.safetensors`: the last full-attention layer with noise."""
    import torch
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    weights: dict[str, Any] = load_file(path)
    prefix = _last_attention(weights)
    drawn = torch.Generator().manual_seed(seed)
    for name in [name for name in weights if name.startswith(prefix)]:
        noise = torch.randn(weights[name].shape, generator=drawn).to(weights[name].dtype)
        weights[f"mtp.layers.0.{name.removeprefix(prefix)}"] = weights[name] + 0.05 * noise
    norm = next(weights[name] for name in weights if name.endswith("model.norm.weight"))
    hidden = norm.shape[0]
    for name in ("norm", "pre_fc_norm_embedding", "pre_fc_norm_hidden"):
        weights[f"mtp.{name}.weight"] = torch.zeros(hidden, dtype=norm.dtype)
    both = torch.randn(hidden, 2 * hidden, generator=drawn) / (2 * hidden) ** 0.5
    weights["mtp.fc.weight"] = both.to(norm.dtype)
    save_file(weights, path, metadata={"format": "pt"})


def _last_attention(weights: dict[str, Any]) -> str:
    """Prefix of the names of the last layer that has queries."""
    name = max(name for name in weights if name.endswith("self_attn.q_proj.weight"))
    return name.removesuffix("self_attn.q_proj.weight")
