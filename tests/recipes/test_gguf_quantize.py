"""Types of GGUF variants, against a numpy emulation and llama-quantize."""

import math
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from babelbits.errors import (
    CalibrationError,
    RecipeError,
    StudyError,
)
from babelbits.llamacpp.gguf_file import open_gguf, read_metadata, read_tensors
from babelbits.recipes.gguf_quantize import quantize
from babelbits.records import Manifest
from conftest import llama_tool
from gguf_making import quick, types_of

pytestmark = pytest.mark.usefixtures("llama_cpp")

Maker = Callable[..., tuple[Path, Manifest]]
EMBEDDINGS = "token_embd.weight"


def test_q8_0_equals_a_numpy_emulation(converted: Path, made: Maker) -> None:
    """ggml-quants.c: 32 weights share a half-precision scale, their largest over 127."""
    name = "blk.1.ffn_up.weight"
    source = {tensor.name: tensor.data for tensor in open_gguf(converted).tensors}[name]
    raw = {t.name: t.data for t in open_gguf(made("q8_0")[0] / "model.gguf").tensors}[name]
    blocks = source.astype(np.float32).reshape(-1, 32)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    codes = np.sign(blocks) * np.floor(np.abs(blocks * inverse) + np.float32(0.5))
    stored = raw.reshape(-1, 34)
    np.testing.assert_array_equal(stored[:, :2].copy().view(np.float16), scale.astype(np.float16))
    np.testing.assert_array_equal(stored[:, 2:].view(np.int8), codes.astype(np.int8))


@pytest.mark.parametrize(
    ("recipe", "language", "main", "embeddings", "bits"),
    [
        ("q8_0", None, "q8_0", "q8_0", 8.5),
        ("q6_k", None, "q6_k", "q6_k", 6.5625),
        ("q4_k_s", None, "q4_k", "q6_k", 4.5),
        ("q4_k_s", "nb", "q4_k", "q6_k", 4.5),
        ("q3_k_s", "nb", "q3_k", "q6_k", 3.4375),
        ("q2_k_s", "nb", "q2_k", "q6_k", 2.625),
        pytest.param("iq2_s", "ml", "iq2_xs", "q5_k", 2.3125, marks=pytest.mark.slow),
        ("iq3_s", None, "iq3_s", "q6_k", 3.4375),
        ("iq4_xs", None, "iq4_xs", "q6_k", 4.25),
    ],
)
def test_manifest_says_what_each_tensor_really_got(
    recipe: str, language: str | None, main: str, embeddings: str, bits: float, made: Maker
) -> None:
    """Types by llama-quant.cpp, bits by the size of the blocks in ggml-common.h."""
    _, manifest = made(recipe, language)
    types = types_of(manifest)
    assert types["blk.1.ffn_up.weight"] == main
    assert types[EMBEDDINGS] == embeddings
    assert types["blk.1.ffn_norm.weight"] == "fp32"
    tensor = next(one for one in manifest.tensors if one.name == "blk.1.ffn_up.weight")
    assert 8 * tensor.bytes / math.prod(tensor.shape) == bits
    assert manifest.tensors == read_tensors(made(recipe, language)[0] / "model.gguf")
    assert (manifest.calibration is None) == (language is None)


def test_types_of_single_tensors_win_over_the_mixture(made: Maker) -> None:
    folder, manifest = made("q4_k_s", "nb", tensor_types="token_embd=Q8_0,attn_v=q6_k")
    types = types_of(manifest)
    assert types[EMBEDDINGS] == "q8_0"
    assert types["blk.0.attn_v.weight"] == types["blk.3.attn_v.weight"] == "q6_k"
    assert types["blk.0.attn_q.weight"] == "q4_k"
    assert read_metadata(open_gguf(folder / "model.gguf"), "quantize.imatrix.chunks_count") == 4


@pytest.mark.slow
def test_rows_that_are_no_multiple_of_a_block_fall_back_and_the_manifest_shows_it(
    tmp_path: Path, tiny_model: Callable[[str], Path]
) -> None:
    """llama-quant.cpp: Q4_K falls back to Q5_0, and Q6_K of tied embeddings to Q8_0."""
    manifest = quick(tmp_path / "variant", "q4_k_m", base=tiny_model("llama"))
    types = types_of(manifest)
    assert types["blk.0.attn_q.weight"] == "q5_0"
    assert types[EMBEDDINGS] == "q8_0"
    assert manifest.bits_per_weight > 5.5
    (note,) = manifest.notes
    assert note.startswith("15 of 15 matrices have rows that are no multiple of 256 ('blk.0.attn")
    assert "q5_0 (" in note


def test_type_that_needs_a_matrix_is_refused_before_any_work(tmp_path: Path) -> None:
    for recipe in ("q2_k_s", "iq2_s"):
        with pytest.raises(CalibrationError, match=f"'{recipe}' needs calibration text"):
            quick(tmp_path / "variant", recipe)
    assert list(tmp_path.iterdir()) == []


def test_llama_cpp_itself_refuses_q2_k_s_without_a_matrix(converted: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="this quantization requires an imatrix"):
        quantize(converted, tmp_path / "out.gguf", mixture="Q2_K_S")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("written", "message"),
    [("attn_v", "'attn_v', which is no pattern=type"), ("attn_v=q6_q", "no tensor type 'q6_q'")],
)
def test_types_that_are_not_known_are_refused_before_any_work(
    written: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(StudyError, match=message):
        quick(tmp_path / "variant", "q4_k_s", parameters={"tensor_types": written})
    assert list(tmp_path.iterdir()) == []


def test_damaged_source_is_refused(converted: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.gguf").write_bytes(converted.read_bytes()[:100_000])
    with pytest.raises(RecipeError, match="cannot quantize to Q4_K_S: failed to"):
        quantize(tmp_path / "cut.gguf", tmp_path / "out.gguf", mixture="Q4_K_S")
    assert not (tmp_path / "out.gguf").exists()


@pytest.mark.slow
@pytest.mark.parametrize("mixture", ["Q4_K_S", "Q3_K_S", "Q2_K_S", "Q4_K_M", "IQ3_S"])
def test_tensors_are_byte_identical_to_those_of_llama_quantize(
    mixture: str, made: Maker, converted: Path, tmp_path: Path
) -> None:
    tool = llama_tool("llama-quantize")
    folder, _ = made(mixture.casefold(), "nb")
    theirs = tmp_path / "theirs.gguf"
    command = [tool, "--imatrix", str(folder / "imatrix.gguf"), str(converted), str(theirs)]
    subprocess.run([*command, mixture, "1"], check=True, capture_output=True)
    ours = {t.name: t for t in open_gguf(folder / "model.gguf").tensors}
    others = {t.name: t for t in open_gguf(theirs).tensors}
    assert ours.keys() == others.keys()
    for name, tensor in ours.items():
        assert tensor.tensor_type == others[name].tensor_type, name
        assert tensor.data.tobytes() == others[name].data.tobytes(), name


def test_matrix_changes_the_weights_that_it_has_values_for(made: Maker) -> None:
    with_one, without = (
        {tensor.name: tensor.data.tobytes() for tensor in open_gguf(folder / "model.gguf").tensors}
        for folder, _ in (made("q4_k_s", "nb"), made("q4_k_s"))
    )
    changed = {name for name in without if with_one[name] != without[name]}
    assert changed == {name for name in without if "blk" in name and "norm" not in name}
