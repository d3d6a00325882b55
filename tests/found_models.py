"""Checkpoints in formats of other tools, written by hand from the bundled model.

Packed as the formats' own documents say, nibble by nibble, apart from the code that reads them:
GPTQ (AutoGPTQ's `QuantLinear.pack`, format 'gptq'), AWQ (AutoAWQ's `WQLinear_GEMM.from_linear`) and
DeepSeek's FP8 in blocks of 128 x 128.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from babelbits.bundled import find_bundled_model

GROUP = 32
Written = dict[str, torch.Tensor]


def copy_model(folder: Path, **config: Any) -> Path:
    """The bundled model under another path, with more keys in its config."""
    shutil.copytree(find_bundled_model(), folder)
    if config:
        change_config(folder, **config)
    return folder


def change_config(folder: Path, **config: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | config), "utf-8")


def write_gptq(folder: Path) -> tuple[Path, Written]:
    """A checkpoint in GPTQ's format, and the weights that it stands for."""
    return _write(
        folder,
        _gptq,
        {
            "quant_method": "gptq",
            "bits": 4,
            "group_size": GROUP,
            "desc_act": False,
            "sym": True,
            "checkpoint_format": "gptq",
        },
    )


def write_awq(folder: Path) -> tuple[Path, Written]:
    """A checkpoint in AWQ's format, and the weights that it stands for."""
    return _write(
        folder,
        _awq,
        {
            "quant_method": "awq",
            "bits": 4,
            "group_size": GROUP,
            "zero_point": True,
            "version": "gemm",
        },
    )


def write_fp8(folder: Path) -> tuple[Path, Written]:
    """A checkpoint in FP8 with a scale for each block of weights, and what it stands for."""
    return _write(
        folder,
        _fp8,
        {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"},
    )


def _write(
    folder: Path,
    pack: Callable[[str, torch.Tensor], tuple[Written, torch.Tensor]],
    quantization: dict[str, Any],
) -> tuple[Path, Written]:
    copy_model(folder, quantization_config=quantization)
    written: Written = {}
    meant: Written = {}
    for name, weight in load_file(folder / "model.safetensors").items():
        if name.endswith("proj.weight"):
            parts, meant[name] = pack(name.removesuffix(".weight"), weight.float())
            written |= parts
        else:
            written[name] = weight
    save_file(written, folder / "model.safetensors", metadata={"format": "pt"})
    return folder, meant


def _codes(weight: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes (outputs, inputs), scales and zero points (outputs, groups), asymmetric, 4 bits."""
    rows = weight.numpy().reshape(len(weight), -1, GROUP)
    low, high = np.minimum(rows.min(-1), 0), np.maximum(rows.max(-1), 0)
    scales = ((high - low) / 15).astype(np.float16)
    wide = scales.astype(np.float32)
    zeros = np.clip(np.round(-low / wide), 1, 15).astype(np.int64)
    codes = np.clip(np.round(rows / wide[..., None]) + zeros[..., None], 0, 15).astype(np.int64)
    return codes.reshape(len(weight), -1), scales, zeros


def _meant(codes: np.ndarray, scales: np.ndarray, zeros: np.ndarray) -> torch.Tensor:
    spread = [np.repeat(one, GROUP, axis=1) for one in (scales.astype(np.float32), zeros)]
    return torch.from_numpy(((codes - spread[1]) * spread[0]).astype(np.float32))


def _word(nibbles: list[int]) -> int:
    """Eight numbers in a word of 32 bits, the first in the lowest."""
    value = sum(int(one) << (4 * place) for place, one in enumerate(nibbles))
    return value - 2**32 if value >= 2**31 else value


def _gptq(module: str, weight: torch.Tensor) -> tuple[Written, torch.Tensor]:
    codes, scales, zeros = _codes(weight)
    by_input, by_group = codes.T, zeros.T - 1
    qweight = [
        [_word(list(by_input[row : row + 8, column])) for column in range(len(weight))]
        for row in range(0, len(by_input), 8)
    ]
    qzeros = [
        [_word(list(row[column : column + 8])) for column in range(0, len(weight), 8)]
        for row in by_group
    ]
    parts = {
        f"{module}.qweight": torch.tensor(qweight, dtype=torch.int32),
        f"{module}.qzeros": torch.tensor(qzeros, dtype=torch.int32),
        f"{module}.scales": torch.from_numpy(scales.T.copy()),
        f"{module}.g_idx": torch.arange(weight.shape[1], dtype=torch.int32) // GROUP,
    }
    return parts, _meant(codes, scales, zeros)


def _awq(module: str, weight: torch.Tensor) -> tuple[Written, torch.Tensor]:
    codes, scales, zeros = _codes(weight)
    order = (0, 2, 4, 6, 1, 3, 5, 7)

    def packed(rows: np.ndarray) -> torch.Tensor:
        words = [
            [_word([row[start + k] for k in order]) for start in range(0, rows.shape[1], 8)]
            for row in rows
        ]
        return torch.tensor(words, dtype=torch.int32)

    parts = {
        f"{module}.qweight": packed(codes.T),
        f"{module}.qzeros": packed(zeros.T),
        f"{module}.scales": torch.from_numpy(scales.T.copy()),
    }
    return parts, _meant(codes, scales, zeros)


def _fp8(module: str, weight: torch.Tensor) -> tuple[Written, torch.Tensor]:
    rows, columns = weight.shape
    scales = torch.empty((-(-rows // 128), -(-columns // 128)))
    stored, meant = torch.empty_like(weight), torch.empty_like(weight)
    for i in range(scales.shape[0]):
        for j in range(scales.shape[1]):
            block = (slice(128 * i, 128 * (i + 1)), slice(128 * j, 128 * (j + 1)))
            scales[i, j] = weight[block].abs().max() / torch.finfo(torch.float8_e4m3fn).max
            stored[block] = (weight[block] / scales[i, j]).to(torch.float8_e4m3fn).float()
            meant[block] = stored[block] * scales[i, j]
    parts = {
        f"{module}.weight": stored.to(torch.float8_e4m3fn),
        f"{module}.weight_scale_inv": scales,
    }
    return parts, meant
