"""Every recipe on a tiny Llama: stored numbers against formulas and published values.

Expected weights come from numpy emulations of the published formats, read from the raw files, never
from the libraries that wrote them.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from babelbits.recipes.catalogue import RECIPES
from babelbits.recipes.family import find_family
from babelbits.recipes.make import describe_base, verify
from babelbits.records import Manifest

Variant = Callable[..., tuple[Path, Manifest]]
Tiny = Callable[[str], Path]
Array = np.ndarray[Any, Any]

BLOCKS = {"fp8-block", "mxfp8", "mxfp4", "nvfp4a16", "nvfp4", "w4a8", "w8a8-static"}
"""Formats with tests and a model of their own: test_block_formats.py."""
MADE = [
    name
    for name, info in RECIPES.items()
    if info.family not in ("none", "gguf") and name not in BLOCKS
]
LAYER = "model.layers.1.mlp.down_proj"  # 64 outputs, 128 inputs

NF4_CODE = [
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
    *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
    *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
]
"""Dettmers et al. 2023, QLoRA, appendix E."""


def stored(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    tensors: dict[str, Any] = load_file(folder / "model.safetensors")
    return tensors


def weight(folder: Path, name: str = LAYER) -> Array:
    array: Array = stored(folder)[f"{name}.weight"].float().numpy()
    return array


def unpack(words: Array, bits: int, columns: int) -> Array:
    """Signed codes of a compressed-tensors int32: lowest bits first, offset by half the range."""
    shifts = np.arange(0, 32, bits, dtype=np.uint32)
    codes = (words.view(np.uint32)[..., None] >> shifts) & np.uint32(2**bits - 1)
    flat = codes.reshape(*words.shape[:-1], -1)[..., :columns]
    return flat.astype(np.int32) - 2 ** (bits - 1)


def round_to_nearest(values: Array, bits: int, group: int) -> tuple[Array, Array]:
    """Codes and scales as compressed-tensors documents them: scale = absmax / (2^bits - 1) * 2."""
    blocks = values.reshape(values.shape[0], -1, group)
    scale = np.abs(blocks).max(axis=-1, keepdims=True) / np.float32((2**bits - 1) / 2)
    codes = np.clip(np.round(blocks / scale), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return codes.reshape(values.shape).astype(np.int32), scale[..., 0]


def packed(folder: Path, bits: int, name: str = LAYER, columns: int = 128) -> tuple[Array, Array]:
    tensors = stored(folder)
    codes = unpack(tensors[f"{name}.weight_packed"].numpy(), bits, columns)
    return codes, tensors[f"{name}.weight_scale"].numpy()


# --- the manifest ------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", MADE)
def test_variant_is_whole_and_its_manifest_true(recipe: str, variant: Variant) -> None:
    folder, manifest = variant(recipe)
    verify(folder)
    on_disk = [path for path in folder.rglob("*") if path.name != "manifest.json"]
    assert manifest.bytes_on_disk == sum(path.stat().st_size for path in on_disk)
    assert (folder / "tokenizer.json").is_file()
    assert (folder / "generation_config.json").is_file()
    assert manifest.recipe == recipe
    assert manifest.format == find_family(recipe).format
    assert (manifest.calibration is not None) == RECIPES[recipe].needs_calibration
    assert manifest.seconds > 0
    import torch

    assert (manifest.device, manifest.n_threads) == ("cpu", torch.get_num_threads())
    assert set(manifest.library_versions) >= {"babelbits", "torch", "transformers"}
    assert json.loads((folder / "manifest.json").read_text())["variant_id"] == f"id-{recipe}"


@pytest.mark.parametrize("recipe", MADE)
def test_weights_are_counted_as_in_the_base_whatever_the_format(
    recipe: str, variant: Variant, tiny_model: Tiny
) -> None:
    base = {tensor.name: tensor.shape for tensor in describe_base(tiny_model("llama")).tensors}
    _, manifest = variant(recipe)
    assert {tensor.name: tensor.shape for tensor in manifest.tensors} == base


@pytest.mark.parametrize("recipe", MADE)
def test_embeddings_and_norms_stay_as_they_are_but_for_smoothing(
    recipe: str, variant: Variant
) -> None:
    _, manifest = variant(recipe)
    kept = {tensor.name for tensor in manifest.tensors if tensor.dtype == "fp32"}
    linear = {name for name in kept if "proj" in name}
    assert "model.embed_tokens.weight" in kept
    assert not linear


@pytest.mark.parametrize(
    ("recipe", "bits", "words"),
    [
        ("w8", 8 + 32 / 128 + 128 / (64 * 128), "int8"),
        ("w8a8", 8 + 32 / 128, "int8"),
        ("w8a8-sq", 8 + 32 / 128, "int8"),
        ("w4", 4 + 32 / 128 + 128 / (64 * 128), "int4"),
        ("w4-rtn", 4 + 32 / 128 + 128 / (64 * 128), "int4"),
        ("w4-g", 4 + 32 / 32 + 128 / (64 * 128), "int4 g32"),
        ("w4-g-rtn", 4 + 32 / 32 + 128 / (64 * 128), "int4 g32"),
        ("awq", 4 + 32 / 32 + 128 / (64 * 128), "int4 g32"),
        ("autoround", 4 + 32 / 32 + 128 / (64 * 128), "int4 g32"),
        ("fp8", 8 + 32 / 128, "fp8"),
        ("llm-int8", 8 + 32 / 128 + 8 / (64 * 128), "int8"),
    ],
)
def test_bits_of_a_64_by_128_weight_by_hand(
    recipe: str, bits: float, words: str, variant: Variant
) -> None:
    """Codes, an fp32 scale for 128 or 32 inputs, and two int64 of shape where codes are packed."""
    _, manifest = variant(recipe)
    tensor = next(tensor for tensor in manifest.tensors if tensor.name == f"{LAYER}.weight")
    assert (tensor.shape, tensor.dtype) == ((64, 128), words)
    assert 8 * tensor.bytes / (64 * 128) == bits


def test_bits_of_nf4_by_hand(variant: Variant) -> None:
    """4 bits, an fp32 absmax for 64 weights, 16 fp32 codes, and a JSON note on its shape."""
    folder, manifest = variant("nf4")
    tensor = next(tensor for tensor in manifest.tensors if tensor.name == f"{LAYER}.weight")
    note = stored(folder)[f"{LAYER}.weight.quant_state.bitsandbytes__nf4"].numel()
    assert tensor.dtype == "nf4"
    assert tensor.bytes == 64 * 128 // 2 + 64 * 128 // 64 * 4 + 16 * 4 + note


def test_bits_per_weight_of_the_whole_model_by_hand(variant: Variant) -> None:
    """w8a8 on hidden 64, ffn 128, 4 heads of 16, 2 key heads, 2 layers, 512 words, all fp32.

    Linear weights a layer: q, o 64*64; k, v 32*64; gate, up 128*64; down 64*128 = 36,864.
    Rows (one scale each): 64 + 64 + 32 + 32 + 128 + 128 + 64 = 512.
    """
    _, manifest = variant("w8a8")
    linear, rows, rest = 2 * 36_864, 2 * 512, 512 * 64 + 5 * 64
    assert manifest.n_weights == linear + rest
    expected = (8 * linear + 32 * rows + 32 * rest) / (linear + rest)
    assert manifest.bits_per_weight == pytest.approx(expected, rel=1e-12)
    assert manifest.quantized_bits_per_weight == pytest.approx(8 + 32 * rows / linear, rel=1e-12)


def test_baseline_is_described_where_it_lies(tiny_model: Tiny) -> None:
    manifest = describe_base(tiny_model("llama"), label="tiny")
    assert manifest.bits_per_weight == 32.0
    assert manifest.quantized_bits_per_weight is None
    assert {tensor.dtype for tensor in manifest.tensors} == {"fp32"}
    assert not (tiny_model("llama") / "manifest.json").exists()


# --- the weights -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "bits", "group"), [("w8", 8, 128), ("w4-rtn", 4, 128), ("w4-g-rtn", 4, 32)]
)
def test_rounding_to_nearest_equals_a_numpy_emulation(
    recipe: str, bits: int, group: int, variant: Variant, tiny_model: Tiny
) -> None:
    codes, scales = packed(variant(recipe)[0], bits)
    expected_codes, expected_scales = round_to_nearest(weight(tiny_model("llama")), bits, group)
    np.testing.assert_array_equal(codes, expected_codes)
    np.testing.assert_allclose(scales, expected_scales, rtol=1e-6)


def test_w8a8_stores_the_codes_of_w8_as_bytes(variant: Variant, tiny_model: Tiny) -> None:
    codes = stored(variant("w8a8")[0])[f"{LAYER}.weight"].numpy()
    assert codes.dtype == np.int8
    np.testing.assert_array_equal(codes, round_to_nearest(weight(tiny_model("llama")), 8, 128)[0])


def test_fp8_is_the_nearest_e4m3_with_the_largest_weight_at_448(
    variant: Variant, tiny_model: Tiny
) -> None:
    """Micikevicius et al. 2022: E4M3 ends at 448 and has 3 mantissa bits: error at most 2^-4."""
    tensors = stored(variant("fp8")[0])
    codes = tensors[f"{LAYER}.weight"].float().numpy()
    scale = tensors[f"{LAYER}.weight_scale"].numpy()
    true = weight(tiny_model("llama"))
    assert (np.abs(codes).max(axis=1) == 448).all()
    normal = np.abs(codes) >= 2.0**-6
    assert (np.abs(codes * scale - true) <= np.abs(true) * 2.0**-4 * 1.01)[normal].all()


def test_nf4_codebook_is_that_of_qlora_and_each_weight_has_its_nearest_code(
    variant: Variant, tiny_model: Tiny
) -> None:
    tensors = stored(variant("nf4")[0])
    code = tensors[f"{LAYER}.weight.quant_map"].numpy()
    np.testing.assert_allclose(code, NF4_CODE, rtol=0, atol=1e-7)
    pairs = tensors[f"{LAYER}.weight"].numpy().reshape(-1)
    nibbles = np.stack([pairs >> 4, pairs & 15], axis=1).reshape(-1, 64)
    blocks = weight(tiny_model("llama")).reshape(-1, 64)
    absmax = np.abs(blocks).max(axis=1, keepdims=True)
    np.testing.assert_allclose(tensors[f"{LAYER}.weight.absmax"].numpy(), absmax[:, 0], rtol=1e-6)
    nearest = np.abs((blocks / absmax)[..., None] - code).min(axis=-1)
    np.testing.assert_allclose(np.abs(blocks / absmax - code[nibbles]), nearest, atol=1e-6)


def test_double_quantization_of_nf4_takes_less_room(variant: Variant) -> None:
    """QLoRA, section 3: scales in 8 bits cost 8/64 instead of 32/64 bits a weight, and a little."""
    plain, double = variant("nf4")[1], variant("nf4", double_quantization=True)[1]
    name = "model.embed_tokens.weight"
    assert next(tensor for tensor in double.tensors if tensor.name == name).dtype == "fp32"
    absmax = stored(variant("nf4", double_quantization=True)[0])[f"{LAYER}.weight.absmax"]
    assert str(absmax.dtype) == "torch.uint8"
    assert double.parameters == {"double_quantization": True}
    assert plain.weights_hash != double.weights_hash


def test_llm_int8_scales_each_row_by_its_largest_weight_over_127(
    variant: Variant, tiny_model: Tiny
) -> None:
    """Dettmers et al. 2022, LLM.int8, eq. 4 (row-wise absmax); the library casts to half first."""
    tensors = stored(variant("llm-int8")[0])
    true = weight(tiny_model("llama")).astype(np.float16).astype(np.float32)
    absmax = np.abs(true).max(axis=1)
    np.testing.assert_allclose(tensors[f"{LAYER}.SCB"].numpy(), absmax, rtol=1e-6)
    codes = tensors[f"{LAYER}.weight"].numpy().astype(np.float32)
    assert np.abs(codes * absmax[:, None] / 127 - true).max() <= absmax.max() / 254 * 1.001


def gptq(values: Array, inputs: Array, bits: int, group: int, damping: float) -> Array:
    """Frantar et al. 2023, algorithm 1, in float64 and column by column; returns codes."""
    _, scales = round_to_nearest(values.astype(np.float32), bits, group)
    hessian = 2 * inputs.T @ inputs
    hessian += damping * hessian.diagonal().mean() * np.eye(len(hessian))
    upper = np.linalg.cholesky(np.linalg.inv(hessian)).T
    left, codes = values.astype(np.float64).copy(), np.zeros(values.shape, dtype=np.int32)
    for column in range(values.shape[1]):
        scale = scales[:, column // group]
        grid = np.clip(np.round(left[:, column] / scale), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        codes[:, column] = grid
        error = (left[:, column] - grid * scale) / upper[column, column]
        left[:, column:] -= np.outer(error, upper[column, column:])
    return codes


def inputs_of_first_layer(base: Path, windows: list[list[int]]) -> Array:
    """What q, k and v of the first block read: normed embeddings, (tokens, hidden), by hand."""
    tensors = stored(base)
    embedded = tensors["model.embed_tokens.weight"].double().numpy()[np.array(windows)]
    norm = tensors["model.layers.0.input_layernorm.weight"].double().numpy()
    root = np.sqrt((embedded**2).mean(axis=-1, keepdims=True) + 1e-6)
    flat: Array = (embedded / root * norm).reshape(-1, embedded.shape[-1])
    return flat


@pytest.mark.parametrize(
    ("recipe", "group"), [pytest.param("w4", 64, marks=pytest.mark.slow), ("w4-g", 32)]
)
def test_gptq_codes_are_those_of_algorithm_1_in_numpy(
    recipe: str, group: int, variant: Variant, tiny_model: Tiny, calibration_text: Path
) -> None:
    """Rounding ties in float32 against float64 may move single codes: 99.5 % must agree."""
    from transformers import AutoTokenizer

    from babelbits.recipes.calibration import CalibrationSpec, draw, read_documents

    parameters = {"actorder": "none"} | ({"group_size": group} if recipe == "w4-g" else {})
    base, name = tiny_model("llama"), "model.layers.0.self_attn.q_proj"
    folder, _ = variant(recipe, **parameters)
    spec = CalibrationSpec(language="en", source=str(calibration_text), samples=2, tokens=64)
    tokenizer = AutoTokenizer.from_pretrained(base)
    drawn = draw(spec, read_documents(spec), tokenizer=tokenizer, context=256)
    inputs = inputs_of_first_layer(base, [list(window) for window in drawn.windows])
    expected = gptq(weight(base, name).astype(np.float64), inputs, 4, group, 0.01)
    codes, _ = packed(folder, 4, name, 64)
    rounded, _ = round_to_nearest(weight(base, name), 4, group)
    assert (codes == expected).mean() > 0.995
    assert (codes == rounded).mean() < 0.95  # the test would see plain rounding


@pytest.mark.slow
def test_awq_with_a_zero_point_uses_the_range_that_weights_have(variant: Variant) -> None:
    folder, manifest = variant("awq", symmetric=False)
    tensor = next(tensor for tensor in manifest.tensors if tensor.name == f"{LAYER}.weight")
    assert tensor.dtype == "int4 g32 zero-point"
    codes, _ = packed(folder, 4)
    blocks = codes.reshape(64, -1, 32)
    assert (blocks.min(axis=-1) == -8).mean() > 0.9
    assert (blocks.max(axis=-1) == 7).mean() > 0.9


# --- what other tools see ----------------------------------------------------------------------


@pytest.mark.parametrize("recipe", MADE)
def test_checkpoint_loads_in_transformers_and_stays_near_the_base(
    recipe: str, variant: Variant, tiny_model: Tiny
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    tokens = torch.arange(2, 66)[None]
    logits = []
    for folder in (tiny_model("llama"), variant(recipe)[0]):
        model = AutoModelForCausalLM.from_pretrained(folder, device_map="cpu")
        with torch.no_grad():
            logits.append(model(tokens).logits)
    change = ((logits[1] - logits[0]).norm() / logits[0].norm()).item()
    assert 0 < change < (0.25 if RECIPES[recipe].weight_bits == 8 else 0.9)  # unrelated: 1.41
