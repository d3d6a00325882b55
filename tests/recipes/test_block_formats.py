"""4- and 8-bit floats in blocks, and static int8: stored numbers and layers against the documents.

Expected values come from numpy, written from OCP's Microscaling Formats 1.0 (MXFP4, MXFP8),
NVIDIA's description of NVFP4 (E4M3 scales for 16 values, one float32 for the tensor) and
DeepSeek-V3 (arXiv 2412.19437, section 3.3.2: blocks of 128 by 128, activations in groups of 128).
Files are read raw, never by the library that wrote them.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from babelbits.engines.base import EngineSettings
from babelbits.engines.hf.loading import load_model
from babelbits.formats import small_floats
from babelbits.recipes.calibration import CalibrationSpec
from babelbits.recipes.catalogue import RECIPES, settle
from babelbits.recipes.make import make
from babelbits.recipes.schemes import make_scheme
from babelbits.records import Manifest
from babelbits.study.rehearsal.dequantize import read_plain

Array = np.ndarray[Any, Any]
LAYER = "model.layers.1.mlp.down_proj"
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])
FORMATS = ("w4a8", "w8a8-static", "fp8-block", "mxfp8", "mxfp4", "nvfp4a16", "nvfp4")
QUICK = ("mxfp4", "nvfp4")


def each(*left_out: str) -> list[Any]:
    """The formats as parameters; those of which making takes long are asked by long tests."""
    return [
        pytest.param(one, marks=() if one in QUICK else pytest.mark.slow)
        for one in FORMATS
        if one not in left_out
    ]


@pytest.fixture(scope="module")
def variant(
    zoo: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Any]:
    """A variant of a miniature of Qwen2, 256 inputs wide, made once."""
    made: dict[str, tuple[Path, Manifest]] = {}

    def get(recipe: str) -> tuple[Path, Manifest]:
        if recipe not in made:
            out = tmp_path_factory.mktemp("block") / recipe
            spec = CalibrationSpec(language="en", samples=4, tokens=64)
            manifest = make(
                zoo("qwen2"),
                recipe=recipe,
                parameters={},
                calibration=spec if RECIPES[recipe].needs_calibration else None,
                out=out,
                variant_id=recipe,
                base_label="zoo",
                base_hash="",
                seed=0,
                device="cpu",
            )
            made[recipe] = out, manifest
        return made[recipe]

    return get


def stored(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    found: dict[str, Any] = {}
    for file in folder.glob("*.safetensors"):
        found |= load_file(file)
    return found


def base_weight(zoo: Callable[..., Path]) -> Array:
    weight: Array = stored(zoo("qwen2"))[f"{LAYER}.weight"].float().numpy().astype(np.float64)
    return weight


def nearest(values: Array, grid: Array) -> Array:
    """The nearest number of a grid and its negatives; ties do not occur in random weights."""
    index = np.abs(np.abs(values)[..., None] - grid).argmin(axis=-1)
    return np.copysign(grid[index], values)


def e4m3() -> Array:
    """All numbers of E4M3 from 0: eight steps an octave from 2^-6 on, subnormals below; to 448."""
    normal = [2.0**e * (1 + m / 8) for e in range(-6, 9) for m in range(8)]
    return np.array([*(m / 8 * 2.0**-6 for m in range(8)), *normal[:-1]])


def unpacked(octets: Array) -> Array:
    """E2M1 numbers: two a byte, the first in the lower half, sign in the highest bit."""
    codes = np.stack([octets & 15, octets >> 4], axis=-1).reshape(octets.shape[0], -1)
    return np.where(codes > 7, -1.0, 1.0) * E2M1[codes & 7]


def mx_exponent(largest: Array, offset: int) -> Array:
    """floor(log2) of a block's largest, one more from 1.75 of the power on, less the elements'."""
    power = np.floor(np.log2(largest))
    return power + (largest / 2**power >= 1.75) - offset


# --- weights -------------------------------------------------------------------------------------


def test_mxfp4_weights_are_the_nearest_e2m1_of_blocks_of_32(variant: Any, zoo: Any) -> None:
    tensors = stored(variant("mxfp4")[0])
    weight = base_weight(zoo)
    blocks = weight.reshape(weight.shape[0], -1, 32)
    exponent = mx_exponent(np.abs(blocks).max(axis=-1, keepdims=True), 2)
    np.testing.assert_array_equal(
        tensors[f"{LAYER}.weight_scale"].numpy(), exponent[..., 0].astype(int) + 127
    )
    codes = unpacked(tensors[f"{LAYER}.weight_packed"].numpy()).reshape(blocks.shape)
    np.testing.assert_array_equal(codes, nearest(blocks / 2**exponent, E2M1))


@pytest.mark.slow
def test_mxfp8_weights_are_the_nearest_e4m3_of_blocks_of_32(variant: Any, zoo: Any) -> None:
    tensors = stored(variant("mxfp8")[0])
    weight = base_weight(zoo)
    blocks = weight.reshape(weight.shape[0], -1, 32)
    exponent = mx_exponent(np.abs(blocks).max(axis=-1, keepdims=True), 8)
    scales = tensors[f"{LAYER}.weight_scale"].numpy()
    np.testing.assert_array_equal(scales, exponent[..., 0].astype(int) + 127)
    codes = tensors[f"{LAYER}.weight"].float().numpy().reshape(blocks.shape)
    wanted = nearest(np.clip(blocks / 2**exponent, -448, 448), e4m3())
    assert np.mean(codes == wanted) > 0.999  # halves go to the even code
    assert np.abs(codes - wanted).max() <= np.abs(wanted).max() / 8


@pytest.mark.parametrize("recipe", ["nvfp4", pytest.param("nvfp4a16", marks=pytest.mark.slow)])
def test_nvfp4_weights_have_two_scales(recipe: str, variant: Any, zoo: Any) -> None:
    """448 * 6 over the largest weight, then an E4M3 scale for 16 weights: its largest over 6."""
    tensors = stored(variant(recipe)[0])
    weight = base_weight(zoo)
    whole = float(tensors[f"{LAYER}.weight_global_scale"][0])
    # llm-compressor gives gate and up, and q, k and v, one scale; down_proj has its own.
    assert whole == pytest.approx(448 * 6 / np.abs(weight).max(), rel=1e-6)
    blocks = weight.reshape(weight.shape[0], -1, 16)
    largest = np.abs(blocks).max(axis=-1)
    scales = tensors[f"{LAYER}.weight_scale"].float().numpy().astype(np.float64)
    wanted = nearest(whole * largest / 6, e4m3())
    assert np.mean(scales == wanted) > 0.999
    codes = unpacked(tensors[f"{LAYER}.weight_packed"].numpy()).reshape(blocks.shape)
    rounded = nearest(blocks / (scales / whole)[..., None], E2M1)
    assert np.mean(codes == rounded) > 0.9999


@pytest.mark.slow
def test_fp8_block_weights_share_a_scale_in_squares_of_128(variant: Any, zoo: Any) -> None:
    tensors = stored(variant("fp8-block")[0])
    weight = base_weight(zoo)
    rows, columns = (side // 128 for side in weight.shape)
    assert weight.shape == (rows * 128, columns * 128)
    squares = weight.reshape(rows, 128, columns, 128)
    scale = np.abs(squares).max(axis=(1, 3)) / 448
    np.testing.assert_allclose(tensors[f"{LAYER}.weight_scale"].numpy(), scale, rtol=1e-6)
    codes = tensors[f"{LAYER}.weight"].float().numpy()
    wanted = nearest(squares / scale[:, None, :, None], e4m3()).reshape(weight.shape)
    assert np.mean(codes == wanted) > 0.999


@pytest.mark.slow
def test_w4a8_weights_are_those_of_w4_g_rtn(variant: Any, zoo: Any) -> None:
    tensors = stored(variant("w4a8")[0])
    weight = base_weight(zoo).astype(np.float32)  # the largest of a group lies halfway
    groups = weight.reshape(weight.shape[0], -1, 128)
    scale = np.abs(groups).max(axis=-1, keepdims=True) / np.float32(7.5)
    codes = np.clip(np.round(groups / scale), -8, 7).reshape(weight.shape)
    np.testing.assert_array_equal(tensors[f"{LAYER}.weight"].numpy(), codes)


@pytest.mark.parametrize("recipe", each())
def test_our_reader_says_what_the_library_computes_with(recipe: str, variant: Any) -> None:
    """Of the loaded variant every linear layer's weight, in float32."""
    folder, _ = variant(recipe)
    plain, quantized = read_plain(folder)
    model = load_model(folder, settings=EngineSettings(device="cpu", dtype="float32")).model
    run(model)
    held = dict(model.named_parameters())
    assert quantized
    for name in quantized:
        np.testing.assert_allclose(plain[name].numpy(), held[name].numpy(), rtol=1e-6)
        assert str(held[name].dtype) == "torch.float32"


# --- inputs --------------------------------------------------------------------------------------


def run(model: Any) -> Any:
    import torch

    with torch.no_grad():
        return model(torch.tensor([[5, 9, 17, 23, 40, 41]])).logits


def rounded_by_hand(recipe: str, states: Array, layer: Any) -> Array:
    """Inputs as each format has them."""
    if recipe == "w4a8":
        scale = np.abs(states).max(axis=-1, keepdims=True) / 127.5
        return np.clip(np.round(states / scale), -128, 127) * scale
    if recipe == "w8a8-static":
        scale = float(layer.input_scale)
        return np.clip(np.round(states / scale), -128, 127) * scale
    size = {"fp8-block": 128, "nvfp4": 16}.get(recipe, 32)
    parts = states.reshape(states.shape[0], -1, size)
    largest = np.abs(parts).max(axis=-1, keepdims=True)
    if recipe == "nvfp4":
        whole = float(layer.input_global_scale)
        # Inputs beyond the calibrated range have the largest scale that E4M3 holds.
        scale = nearest(np.clip(whole * largest / 6, 0, 448), e4m3()) / whole
        return (nearest(np.clip(parts / scale, -6, 6), E2M1) * scale).reshape(states.shape)
    if recipe == "fp8-block":
        scale = largest / 448
        return (nearest(parts / scale, e4m3()) * scale).reshape(states.shape)
    grid, offset, end = (E2M1, 2, 6) if recipe == "mxfp4" else (e4m3(), 8, 448)
    scale = 2 ** mx_exponent(largest, offset)
    return (nearest(np.clip(parts / scale, -end, end), grid) * scale).reshape(states.shape)


@pytest.mark.parametrize("recipe", each("nvfp4a16"))
def test_inputs_are_rounded_as_the_format_says(recipe: str, variant: Any) -> None:
    import torch

    folder, _ = variant(recipe)
    model = load_model(folder, settings=EngineSettings(device="cpu", dtype="float32")).model
    run(model)
    layer = model.get_submodule(LAYER)
    states = torch.randn(7, layer.in_features, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = layer(states).numpy()
        as_is = torch.nn.functional.linear(states, layer.weight).numpy()
    given = rounded_by_hand(recipe, states.numpy().astype(np.float64), layer)
    wanted = given @ layer.weight.detach().numpy().astype(np.float64).T
    error = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
    assert error < 1e-3
    assert np.linalg.norm(found - as_is) / np.linalg.norm(wanted) > 3 * error


# --- what is said of them ------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "bits", "words"),
    [
        ("w4a8", 8 + 32 / 128, "int8"),
        ("w8a8-static", 8 + 32 / 768 + 32 / (256 * 768), "int8"),
        ("fp8-block", 8 + 32 / 128**2, "fp8"),
        ("mxfp8", 8 + 8 / 32, "fp8"),
        ("mxfp4", 4 + 8 / 32, "fp4 g32"),
        ("nvfp4a16", 4 + 8 / 16 + 32 / (256 * 768), "fp4 g16"),
        ("nvfp4", 4 + 8 / 16 + 64 / (256 * 768), "fp4 g16"),
    ],
)
def test_bits_of_a_256_by_768_weight_by_hand(
    recipe: str, bits: float, words: str, variant: Any
) -> None:
    _, manifest = variant(recipe)
    tensor = next(one for one in manifest.tensors if one.name == f"{LAYER}.weight")
    assert (tensor.shape, tensor.dtype) == ((256, 768), words)
    assert 8 * tensor.bytes / (256 * 768) == pytest.approx(bits, rel=1e-12)


@pytest.mark.parametrize(
    ("recipe", "preset"),
    [
        ("fp8-block", "FP8_BLOCK"), ("mxfp8", "MXFP8"), ("mxfp4", "MXFP4"),
        ("nvfp4a16", "NVFP4A16"), ("nvfp4", "NVFP4"), ("w4a8", "W4A8"),
    ],
)  # fmt: skip
def test_schemes_are_the_librarys_presets(recipe: str, preset: str) -> None:
    """What vLLM has kernels for is what the library's presets say."""
    from compressed_tensors.quantization import preset_name_to_scheme

    ours = make_scheme(RECIPES[recipe], settle(recipe, {}))
    theirs = preset_name_to_scheme(preset, ["Linear"])
    for one, other in (
        (ours.weights, theirs.weights),
        (ours.input_activations, theirs.input_activations),
    ):
        assert (one is None) == (other is None)
        if one is not None:
            kept = {"num_bits", "type", "strategy", "group_size", "block_structure", "symmetric"}
            kept |= {"dynamic", "scale_dtype"}
            assert one.model_dump(include=kept) == other.model_dump(include=kept)


def test_a_model_that_a_format_does_not_fit_is_refused(tiny_model: Callable[[str], Path]) -> None:
    """64 inputs are no multiple of FP8's 128."""
    from babelbits.errors import RecipeError
    from babelbits.recipes.fit import check

    config = json.loads((tiny_model("llama") / "config.json").read_text())
    check(config, "mxfp4", {})
    with pytest.raises(RecipeError, match="group size 128 does not divide the 64 inputs"):
        check(config, "fp8-block", {})


# --- the arithmetic ------------------------------------------------------------------------------


def test_halves_go_to_the_even_code() -> None:
    """IEEE 754's rule on E2M1: 0.25 to 0, 0.75 and 1.25 to 1, 1.75 and 2.5 to 2, 3.5 and 5 to 4."""
    import torch

    values = torch.tensor([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0, 7.0, -5.0, -0.75])
    wanted = [0.0, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 6.0, -4.0, -1.0]
    assert small_floats.to_e2m1(values).tolist() == wanted


def test_blocks_that_are_cut_at_the_ends_have_a_scale_too() -> None:
    import torch

    spread = small_floats.spread_blocks(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), (130, 200))
    assert spread.shape == (130, 200)
    assert (spread[0, 127], spread[0, 128], spread[129, 0], spread[129, 199]) == (1, 2, 3, 4)
