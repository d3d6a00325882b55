"""Checkpoints that are quantized already, as their makers publish them."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from babelbits.errors import ModelError
from babelbits.formats.quantized import find_method, refuse_quantized, refuse_unreadable

PUBLISHED: dict[str, tuple[dict[str, Any], str]] = {
    "openai/gpt-oss-20b": ({"quantization_config": {"quant_method": "mxfp4"}}, "mxfp4"),
    "deepseek-ai/DeepSeek-V3": (
        {"quantization_config": {"fmt": "e4m3", "quant_method": "fp8"}},
        "fp8",
    ),
    "mistralai/Ministral-3-8B-Instruct-2512": (
        {"quantization_config": {"quant_method": "fp8"}, "text_config": {}},
        "fp8",
    ),
    "Qwen/Qwen2.5-7B-Instruct-AWQ": ({"quantization_config": {"quant_method": "awq"}}, "awq"),
    "Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4": (
        {"quantization_config": {"bits": 4, "quant_method": "gptq"}},
        "gptq",
    ),
    "unsloth/…-bnb-4bit": (
        {"quantization_config": {"load_in_4bit": True, "quant_method": "bitsandbytes"}},
        "bitsandbytes",
    ),
    "moonshotai/Kimi-K2.5": (
        {"text_config": {"quantization_config": {"quant_method": "compressed-tensors"}}},
        "compressed-tensors",
    ),
    "neuralmagic, old": ({"compression_config": {"config_groups": {}}}, "compressed-tensors"),
    "mlx-community/…-4bit": ({"quantization": {"bits": 4, "group_size": 64}}, "mlx"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_method_is_told_by_the_config(name: str) -> None:
    config, method = PUBLISHED[name]
    assert find_method(config) == method


@pytest.mark.parametrize(
    ("file", "method"),
    [
        ("hf_quant_config.json", "modelopt"),
        ("quantize_config.json", "gptq"),
        ("quant_config.json", "awq"),
    ],
)
def test_or_by_a_file_beside_it(file: str, method: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text("{}", "utf-8")
    assert find_method({"model_type": "llama"}, folder=tmp_path) == method


def test_a_plain_checkpoint_is_not_quantized(tmp_path: Path) -> None:
    assert (
        find_method({"model_type": "llama", "quantization_config": None}, folder=tmp_path) is None
    )
    refuse_quantized(tmp_path, {"model_type": "llama"})
    refuse_unreadable(tmp_path, {"model_type": "llama"})


def test_what_transformers_can_undo_names_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "gpt oss"
    config, _ = PUBLISHED["openai/gpt-oss-20b"]
    with pytest.raises(ModelError, match=r"already quantized \(MXFP4\)") as caught:
        refuse_quantized(folder, config)
    command = str(caught.value.hint).partition("your own: ")[2]
    assert shlex.split(command) == [
        "python",
        "-m",
        "babelbits.formats.dequantize",
        str(folder),
        f"{folder}-bf16",
    ]
    assert "BF16 conversion" in str(caught.value.hint)
    refuse_unreadable(folder, config)


@pytest.mark.parametrize("name", ["Qwen/Qwen2.5-7B-Instruct-AWQ", "mlx-community/…-4bit"])
def test_what_it_cannot_undo_names_another_way(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="already quantized") as caught:
        refuse_quantized(tmp_path, PUBLISHED[name][0])
    assert "name the checkpoint it was made from" in str(caught.value.hint)
    assert "babelbits.formats.dequantize" not in str(caught.value.hint)


def test_what_nobody_here_loads_is_no_baseline_either(tmp_path: Path) -> None:
    (tmp_path / "hf_quant_config.json").write_text(
        json.dumps({"quantization": {"quant_algo": "NVFP4"}}), "utf-8"
    )
    with pytest.raises(ModelError, match="NVIDIA ModelOpt, which transformers cannot load"):
        refuse_unreadable(tmp_path, {"model_type": "llama"})
