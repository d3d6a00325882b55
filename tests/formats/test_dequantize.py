"""Quantized checkpoints written back as plain ones: the weights are those of the file's codes."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from babelbits.errors import ModelError
from babelbits.formats.dequantize import dequantize, main
from babelbits.formats.quantized import find_method
from tiny_models import make_tiny

FP4 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
"""Values of E2M1 codes (OCP Microscaling Formats 1.0, table 5)."""


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def replace(folder: Path, tensors: dict[str, torch.Tensor], quantization: dict[str, Any]) -> None:
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    path = folder / "config.json"
    config = json.loads(path.read_text("utf-8")) | {"quantization_config": quantization}
    path.write_text(json.dumps(config), "utf-8")


def check(folder: Path, out: Path, expected: dict[str, torch.Tensor], *, error: float) -> None:
    """The copy holds the expected weights, nothing else, and a tokenizer; it is not quantized."""
    found = weights(out)
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        assert found[name].dtype == torch.bfloat16
        torch.testing.assert_close(found[name].float(), weight.float(), rtol=error, atol=1e-6)
    assert find_method(json.loads((out / "config.json").read_text("utf-8")), folder=out) is None
    names = {path.name for path in folder.glob("tokenizer*")}
    assert names <= {path.name for path in out.iterdir()}


def test_fp8_in_blocks_as_deepseek_publishes_it(tmp_path: Path) -> None:
    """A code times the scale of its block of 128 by 128, written out here."""
    folder = make_tiny("llama", tmp_path / "fp8", hidden=128)
    stored, expected = {}, {}
    for name, weight in weights(folder).items():
        stored[name] = expected[name] = weight
        if "proj" in name:
            blocks = (-(-weight.shape[0] // 128), -(-weight.shape[1] // 128))
            scale = 2.0 ** torch.arange(-9.0, -9.0 + blocks[0] * blocks[1]).reshape(blocks)
            wide = scale.repeat_interleave(128, 0).repeat_interleave(128, 1)
            wide = wide[: weight.shape[0], : weight.shape[1]]
            codes = (weight / wide).clamp(-448, 448).to(torch.float8_e4m3fn)
            stored[name], stored[f"{name}_scale_inv"] = codes, scale
            expected[name] = codes.float() * wide
    method = {"quant_method": "fp8", "weight_block_size": [128, 128], "fmt": "e4m3"}
    replace(folder, stored, {**method, "activation_scheme": "dynamic"})
    dequantize(folder, tmp_path / "out")
    check(folder, tmp_path / "out", expected, error=1 / 128)


def test_mxfp4_as_gpt_oss_is_published(tmp_path: Path) -> None:
    """Two codes a byte, the lower half first, times two to the power of the block's scale."""
    from transformers import GptOssConfig, GptOssForCausalLM

    sizes = {"hidden_size": 64, "intermediate_size": 64, "head_dim": 16, "vocab_size": 512}
    config = GptOssConfig(
        num_hidden_layers=1,
        layer_types=["full_attention"],
        num_attention_heads=4,
        num_key_value_heads=2,
        num_local_experts=4,
        **sizes,
    )
    folder = make_tiny("llama", tmp_path / "oss")  # for its tokenizer
    GptOssForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    stored, expected = {}, {}
    torch.manual_seed(0)
    for name, weight in weights(folder).items():
        stored[name] = expected[name] = weight
        if name.endswith(("gate_up_proj", "down_proj")):
            experts, inputs, outputs = weight.shape
            grid = (experts, outputs, inputs // 32)
            blocks = torch.randint(0, 256, (*grid, 16), dtype=torch.uint8)
            scales = torch.randint(120, 127, grid, dtype=torch.uint8)
            del stored[name]
            stored[f"{name}_blocks"], stored[f"{name}_scales"] = blocks, scales
            codes = torch.stack([blocks & 15, blocks >> 4], -1).reshape(*grid, 32)
            values = FP4[codes.long()] * 2.0 ** (scales.float()[..., None] - 127)
            expected[name] = values.reshape(experts, outputs, inputs).transpose(1, 2)
    replace(folder, stored, {"quant_method": "mxfp4"})
    dequantize(folder, tmp_path / "out")
    check(folder, tmp_path / "out", expected, error=0)


@pytest.mark.parametrize("recipe", ["w8", "w4-rtn", "nf4", "llm-int8"])
def test_our_own_variants_compute_as_their_plain_copies(recipe: str, tmp_path: Path) -> None:
    """Logits of the quantized checkpoint in transformers, and of the copy, in float32."""
    from transformers import AutoModelForCausalLM

    from babelbits.recipes.make import make

    base = make_tiny("llama", tmp_path / "base", hidden=64)
    folder = tmp_path / "variant"
    make(
        base, recipe=recipe, parameters={"threshold": 0.0} if recipe == "llm-int8" else {},
        calibration=None, out=folder, variant_id="", base_label="", base_hash="", seed=0,
        device="cpu",
    )  # fmt: skip
    out = tmp_path / "out"
    assert main([str(folder), str(out), "--dtype", "float32"]) == 0
    assert weights(out).keys() == weights(base).keys()
    tokens = torch.arange(2, 40)[None]
    logits = []
    for one in (folder, out):
        model = AutoModelForCausalLM.from_pretrained(one, dtype=torch.float32, device_map="cpu")
        with torch.no_grad():
            logits.append(model.eval()(tokens).logits)
    change = (logits[0] - logits[1]).norm() / logits[1].norm()
    # LLM.int8 quantizes inputs as well; the CPU kernel for NF4 computes in bfloat16.
    assert change < {"llm-int8": 0.05, "nf4": 0.03}.get(recipe, 1e-3)


def test_what_cannot_be_undone_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_tiny("llama", tmp_path / "plain")
    with pytest.raises(ModelError, match="it is not quantized"):
        dequantize(folder, tmp_path / "out")
    replace(folder, weights(folder), {"quant_method": "gptq", "bits": 4})
    with pytest.raises(ModelError, match="cannot undo GPTQ"):
        dequantize(folder, tmp_path / "out")
    with pytest.raises(ModelError, match="there already"):
        dequantize(folder, folder)
    assert main([str(folder), str(folder)]) == 2
    assert "there already" in capsys.readouterr().err
