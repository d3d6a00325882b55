"""GGUF variants as converted: weights, tokens, and what they share."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from babelbits.bundled import find_bundled_model
from babelbits.errors import (
    ModelError,
    RecipeError,
)
from babelbits.llamacpp import convert_child, library
from babelbits.llamacpp.gguf_file import open_gguf
from babelbits.llamacpp.imatrix_file import read_imatrix
from babelbits.recipes.calibration import CalibrationSpec
from babelbits.recipes.gguf_checked import convert
from babelbits.recipes.make import verify
from babelbits.records import Manifest
from gguf_bases import ARCHITECTURES, make_gguf_base
from gguf_making import SHORT, quick, types_of

pytestmark = pytest.mark.usefixtures("llama_cpp")

Maker = Callable[..., tuple[Path, Manifest]]


def test_converted_weights_are_those_of_the_checkpoint_in_half_precision(converted: Path) -> None:
    """Tensors that llama.cpp stores in the same order of rows as transformers does."""
    from safetensors.torch import load_file

    names = {
        "token_embd.weight": "model.embed_tokens.weight",
        "blk.2.ffn_down.weight": "model.layers.2.mlp.down_proj.weight",
        "output_norm.weight": "model.norm.weight",
    }
    original = load_file(find_bundled_model() / "model.safetensors")
    stored = {tensor.name: tensor.data for tensor in open_gguf(converted).tensors}
    for theirs, ours in names.items():
        exact = original[ours].float().numpy()
        np.testing.assert_array_equal(stored[theirs], exact.astype(stored[theirs].dtype))


def test_f16_variant_holds_the_model_the_tokenizer_and_a_true_manifest(made: Maker) -> None:
    folder, manifest = made("gguf")
    verify(folder)
    files = {path.name for path in folder.iterdir()}
    assert files >= {"model.gguf", "manifest.json", "tokenizer.json", "config.json"}
    assert (manifest.format, manifest.quantized_bits_per_weight) == ("gguf", None)
    norms = (2 * 4 + 1) * 256
    weights = manifest.n_weights - norms
    assert manifest.bits_per_weight == pytest.approx(
        (16 * weights + 32 * norms) / manifest.n_weights, rel=1e-12
    )
    assert manifest.library_versions["llama-cpp-python"] == library.VERSION
    assert json.loads((folder / "manifest.json").read_text())["recipe"] == "gguf"


def test_variants_share_a_conversion_that_is_no_variant(made: Maker, place: Path) -> None:
    made("gguf"), made("q8_0")
    hidden = [path for path in place.iterdir() if path.name.startswith(".")]
    assert len(hidden) == 1
    assert {path.name for path in hidden[0].iterdir()} >= {"model.gguf", "lock"}
    assert not list(hidden[0].glob("*.partial"))


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_is_converted_and_quantized_with_the_same_tokens(
    architecture: str, tmp_path: Path
) -> None:
    """Making a variant compares llama.cpp's tokens with the tokenizer's in 13 languages."""
    base = make_gguf_base(architecture, tmp_path / "base")
    spec = CalibrationSpec(language="ml", **SHORT)
    manifest = quick(tmp_path / "variant", "q4_k_s", base=base, calibration=spec)
    verify(tmp_path / "variant")
    blocks = {dtype for name, dtype in types_of(manifest).items() if name.startswith("blk.")}
    assert {"q4_k", "fp32"} <= blocks
    assert read_imatrix(tmp_path / "variant" / "imatrix.gguf").chunks == 4


@pytest.mark.slow
def test_architecture_that_llama_cpp_has_not_is_named(tmp_path: Path) -> None:
    base = shutil.copytree(find_bundled_model(), tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "architectures": ["OddForCausalLM"]}))
    with pytest.raises(RecipeError, match="OddForCausalLM is not supported"):
        convert(base, tmp_path / "model.gguf")


def test_rows_are_paired_within_the_part_of_a_head_that_is_turned() -> None:
    """By hand, two heads of six rows of which four are turned; llama.cpp turns neighbours."""
    import torch

    rows = torch.arange(12.0)[:, None].expand(12, 3)
    found = convert_child.pair_rows(rows, heads=2, turned=4)[:, 0].tolist()
    assert found == [0, 2, 1, 3, 4, 5, 6, 8, 7, 9, 10, 11]
    whole = convert_child.pair_rows(rows, heads=2, turned=6)
    # the converter's own expression, for heads that are turned as a whole
    theirs = rows.reshape(2, 2, 3, 3).swapaxes(1, 2).reshape(rows.shape)
    assert torch.equal(whole, theirs)


def test_layers_that_share_keys_are_given_zeros_in_the_shape_of_the_first() -> None:
    import torch

    stored = {
        f"model.layers.{layer}.self_attn.{part}_proj.weight": lambda: torch.ones(4, 8)
        for layer in (0, 1)
        for part in ("k", "v")
    }
    found = dict(convert_child.add_absent(stored, 3))
    assert set(found) == {f"model.layers.2.self_attn.{part}_proj.weight" for part in ("k", "v")}
    assert all(torch.equal(one, torch.zeros(4, 8)) for one in found.values())


@pytest.mark.parametrize(
    ("config", "added"),
    [
        ({"model_type": "glm4_moe_lite"}, {"scoring_func": "sigmoid"}),
        (
            {"model_type": "bamba", "hidden_size": 4096, "num_attention_heads": 32},
            {"attn_rotary_emb": 64},  # of ibm-ai-platform/Bamba-9B
        ),
    ],
)
def test_what_llama_cpp_would_guess_is_said(config: dict[str, Any], added: dict[str, Any]) -> None:
    convert_child.rename(config)
    assert config.items() >= added.items()


def test_code_of_the_model_is_not_run_unless_trusted(tmp_path: Path) -> None:
    """The converter itself passes trust_remote_code=True in several places."""
    base = shutil.copytree(find_bundled_model(), tmp_path / "base")
    settings = json.loads((base / "tokenizer_config.json").read_text())
    settings["tokenizer_class"] = "Homemade"
    settings["auto_map"] = {"AutoTokenizer": ["homemade.Tokenizer", None]}
    (base / "tokenizer_config.json").write_text(json.dumps(settings))
    (base / "homemade.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (base / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"tokenizer_config\.json: the model brings its own code"):
        convert(base, tmp_path / "model.gguf")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("wrapper", "kind", "named"),
    [
        ("LlavaForConditionalGeneration", "llama", ["LlamaForCausalLM"]),
        ("Gemma3ForConditionalGeneration", "llama", None),
        ("NewForConditionalGeneration", "new", None),
    ],
)
def test_a_wrapper_that_the_converter_does_not_know_is_its_text_model(
    wrapper: str, kind: str, named: list[str] | None
) -> None:
    config: dict[str, Any] = {"architectures": [wrapper], "text_config": {"model_type": kind}}
    known = {"LlamaForCausalLM", "Gemma3ForConditionalGeneration"}
    convert_child.name_text_model(config, known=known)
    assert config["text_config"].get("architectures") == named
