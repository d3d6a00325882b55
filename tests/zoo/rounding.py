"""Weights rounded to nearest by hand: what a variant without calibration text must compute with.

Codes and scales are those of compressed-tensors: integers from -2**(bits-1), one scale an output
channel (or a group of its inputs), which is the largest weight over half of 2**bits - 1.
"""

import re
from typing import Any

_LEFT = re.compile(
    r"lm_head|embed_out|router|(^|\.)gate\.weight|shared_expert_gate|dt_proj|conv1?d?\.weight|A_log|"
    r"vision|visual|multi_modal|patch"
)
"""Of the names of weights: what no recipe quantizes."""
_TRANSPOSED = ("GptOssExperts", "Llama4TextExperts", "Conv1D")
"""Modules of transformers whose weights lie as (..., inputs, outputs)."""


def round_linear(model: Any, *, bits: int, group: int | None = None) -> int:
    """Round all linear layers of the text model in place; the number of weights rounded.

    Layers whose inputs the group does not divide stay as they are.
    """
    import torch

    total = 0
    with torch.no_grad():
        for name, weight in model.named_parameters():
            owner = model.get_submodule(name.rpartition(".")[0])
            kind = type(owner).__name__
            linear = isinstance(owner, torch.nn.Linear) or kind == "Conv1D" or weight.ndim == 3
            if weight.ndim < 2 or not linear or "Conv1d" in kind or _LEFT.search(name):
                continue
            turned = weight.transpose(-1, -2) if kind in _TRANSPOSED else weight
            if group is not None and turned.shape[-1] % group:
                continue
            turned.copy_(_rounded(turned.contiguous(), bits=bits, group=group))
            total += weight.numel()
    return total


def _rounded(weight: Any, *, bits: int, group: int | None) -> Any:
    """(..., outputs, inputs), each row or group of it rounded with its own scale."""
    rows = weight if group is None else weight.unflatten(-1, (-1, group))
    scale = rows.abs().amax(dim=-1, keepdim=True) / ((2**bits - 1) / 2)
    codes = (rows / scale).round().clamp(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return (codes * scale).reshape(weight.shape)
