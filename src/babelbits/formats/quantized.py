"""Whether a checkpoint is quantized already, by whom, and how to have it in plain bfloat16.

A variant of a quantized model would measure two quantizations at once, and one of a format that
nobody here reads would measure nothing. Reads `config.json` and looks for two files; no torch.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from babelbits.errors import ModelError
from babelbits.formats.quantization_config import read_method, read_quantization
from babelbits.formats.text_model import find_text_config

DEQUANTIZED = ("compressed-tensors", "bitsandbytes", "fp8", "mxfp4", "mxfp8")
"""Methods whose weights `babelbits.formats.dequantize` writes back as plain ones."""
_MLX, _MODELOPT = "mlx", "modelopt"
_NOT_READ = (_MLX, _MODELOPT, "exl2", "exl3")
"""Methods that neither transformers nor llama.cpp loads."""
_WORDS = {
    "gptq": "GPTQ",
    "awq": "AWQ",
    "fp8": "FP8 in blocks",
    "mxfp4": "MXFP4",
    "mxfp8": "MXFP8",
    "bitsandbytes": "bitsandbytes",
    "compressed-tensors": "compressed-tensors",
    _MODELOPT: "NVIDIA ModelOpt",
    _MLX: "MLX",
}
_FILES = {
    "hf_quant_config.json": _MODELOPT,
    "quantize_config.json": "gptq",
    "quant_config.json": "awq",
}
"""What says so beside a config that does not."""


def find_method(config: Mapping[str, Any], *, folder: Path | None = None) -> str | None:
    """How a checkpoint is quantized, in transformers' words ('gptq', 'fp8'); None if it is not.

    Parameters
    ----------
    config : mapping
        `config.json`.
    folder : Path, optional
        Where it lies: some say it in a file of its own.
    """
    quantization = read_quantization(config)
    if quantization is not None:
        return read_method(quantization)
    for part in (config, find_text_config(config)):
        if isinstance(part.get("quantization"), Mapping) and "bits" in part["quantization"]:
            return _MLX
    if folder is None:
        return None
    return next((method for name, method in _FILES.items() if (folder / name).is_file()), None)


def refuse_quantized(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise if variants cannot be made of a checkpoint because it is quantized itself.

    Raises
    ------
    ModelError
        Names the method, and the way to a plain checkpoint.
    """
    method = find_method(config, folder=folder)
    if method is not None:
        raise ModelError(
            f"the base model is already quantized ({describe_method(method)}), so its variants "
            "would measure two quantizations at once",
            where=str(folder),
            hint=_way(folder, method),
        )


def refuse_unreadable(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise if a checkpoint is quantized in a format that transformers does not load.

    Raises
    ------
    ModelError
        Names the method, and the way to a plain checkpoint.
    """
    method = find_method(config, folder=folder)
    if method in _NOT_READ:
        raise ModelError(
            f"the weights are quantized by {describe_method(method)}, which transformers "
            "cannot load",
            where=str(folder),
            hint=_way(folder, method),
        )


def describe_method(method: str) -> str:
    """What people call a method."""
    return _WORDS.get(method, method)


def _way(folder: Path, method: str) -> str:
    here = shlex.quote(str(folder))
    there = shlex.quote(f"{folder}-bf16")
    if method in DEQUANTIZED:
        return (
            "name the checkpoint it was made from; or, where the model is published like this only "
            "(gpt-oss, DeepSeek-V3, Kimi-K2, Ministral 3), its BF16 conversion on the hub, or your "
            f"own: python -m babelbits.formats.dequantize {here} {there}"
        )
    if method == _MLX:
        return (
            "name the checkpoint it was made from; or undo it on a Mac: "
            f"mlx_lm.convert --hf-path {here} --mlx-path {there} --dequantize"
        )
    return (
        "name the checkpoint it was made from (`base_model` in its README.md): transformers has no "
        f"way back from {describe_method(method)} to plain weights"
    )
