"""What somebody else's checkpoint is, and what it takes to run it."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from babelbits.bundled import find_bundled_model
from babelbits.formats.description import describe, find_format, find_type_in_name
from babelbits.formats.packed_integers import dequantize_awq, dequantize_gptq
from babelbits.formats.quantization_methods import METHODS, NeededLibrary
from found_models import GROUP, Written, change_config, copy_model, write_awq, write_fp8, write_gptq

Writer = Callable[[Path], tuple[Path, Written]]
BITS = {  # of a weight with its scales, by hand: 16 bits of scale and 4 of zero point a group
    "gptq": 4 + (16 + 4) / GROUP,
    "awq": 4 + (16 + 4) / GROUP,
    "fp8": 8,
}


@pytest.mark.parametrize(
    ("method", "write"), [("gptq", write_gptq), ("awq", write_awq), ("fp8", write_fp8)]
)
def test_shapes_and_bits_are_those_of_the_weights_and_not_of_the_words(
    method: str, write: Writer, tmp_path: Path
) -> None:
    folder, meant = write(tmp_path / method)
    about = describe(folder)
    assert about.format == method
    assert about.title == METHODS[method].title
    shapes = {one.name: one.shape for one in about.tensors if one.name in meant}
    assert shapes == {name: tuple(weight.shape) for name, weight in meant.items()}
    assert about.n_weights == describe(find_bundled_model()).n_weights
    assert about.quantized_bits_per_weight == pytest.approx(BITS[method], abs=0.3)
    stored = sum(t.numel() * t.element_size() for t in _tensors(folder).values())
    assert about.bytes == stored
    assert about.bits_per_weight == pytest.approx(8 * stored / about.n_weights)
    assert about.settings["bits"] == (8 if method == "fp8" else 4)


def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_gptq_words_are_the_weights_that_were_packed(tmp_path: Path) -> None:
    folder, meant = write_gptq(tmp_path / "gptq")
    stored = {name: one.numpy() for name, one in _tensors(folder).items() if "proj" in name}
    for name, weight in meant.items():
        module = name.removesuffix(".weight")
        found = dequantize_gptq(
            stored[f"{module}.qweight"],
            stored[f"{module}.qzeros"],
            stored[f"{module}.scales"],
            bits=4,
            group_of=stored[f"{module}.g_idx"],
        )
        np.testing.assert_array_equal(found, weight.numpy())


def test_awq_words_are_the_weights_that_were_packed(tmp_path: Path) -> None:
    folder, meant = write_awq(tmp_path / "awq")
    stored = {name: one.numpy() for name, one in _tensors(folder).items() if "proj" in name}
    for name, weight in meant.items():
        module = name.removesuffix(".weight")
        parts = (stored[f"{module}.{part}"] for part in ("qweight", "qzeros", "scales"))
        np.testing.assert_array_equal(dequantize_awq(*parts), weight.numpy())


def test_calibration_text_that_nobody_named_is_said_to_be_unknown(tmp_path: Path) -> None:
    folder, _ = write_gptq(tmp_path / "gptq")
    assert describe(folder).unknown == (
        "the files do not say which text it was calibrated on, if any",
    )
    named = {"quant_method": "gptq", "bits": 4, "group_size": GROUP, "dataset": "wikitext2"}
    change_config(folder, quantization_config=named)
    assert "named 'wikitext2'" in describe(folder).unknown[0]


def test_a_method_that_nobody_knows_has_bytes_and_no_bits_per_weight(tmp_path: Path) -> None:
    folder = copy_model(tmp_path / "odd", quantization_config={"quant_method": "squish"})
    about = describe(folder)
    assert about.bits_per_weight is None
    assert about.n_weights is None
    assert "nothing is known here of the method 'squish'" in about.unknown


def test_a_library_that_is_missing_or_too_old_is_named_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    versions = {"old": "1.4.2", "same": "1.4.3", "long": "1.10.0+cpu", "gone": None}
    module = "babelbits.formats.quantization_methods.find_version"
    monkeypatch.setattr(module, lambda name: versions[name])
    problems = {name: NeededLibrary(name=name, least="1.4.3").problem() for name in versions}
    assert problems == {
        "old": "old 1.4.2 is too old, 1.4.3 is needed: pip install 'old>=1.4.3'",
        "same": None,
        "long": None,
        "gone": "gone is not installed: pip install 'gone>=1.4.3'",
    }


def test_the_table_has_every_method_that_transformers_loads() -> None:
    """Source: `AUTO_QUANTIZER_MAPPING` of transformers 5.17."""
    from transformers.quantizers.auto import AUTO_QUANTIZER_MAPPING

    by_bits = {"bitsandbytes_4bit", "bitsandbytes_8bit"}
    not_checkpoints = {"gguf", "fouroversix", "metal", "gemma", "nvfp4"}
    assert set(AUTO_QUANTIZER_MAPPING) - by_bits - not_checkpoints <= set(METHODS)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Qwen3-4B-UD-Q4_K_XL.gguf", "Q4_K_XL"),
        ("model-IQ2_XXS-00001-of-00003.gguf", "IQ2_XXS"),
        ("gemma.f16.gguf", "F16"),
        ("model.gguf", None),
        ("Q8_0.gguf", "Q8_0"),
    ],
)
def test_the_type_in_a_files_name(name: str, word: str | None) -> None:
    assert find_type_in_name(name) == word


def test_weights_of_a_plain_checkpoint_are_counted_as_torch_counts_them() -> None:
    about = describe(find_bundled_model())
    stored = load_file(find_bundled_model() / "model.safetensors")
    assert about.n_weights == sum(math.prod(one.shape) for one in stored.values())
    assert not about.is_quantized
    assert about.needs == ()


def test_a_format_is_known_by_names_alone(tmp_path: Path) -> None:
    """By what lies in a folder, as llama.cpp's users keep it; a file need not be there."""
    (tmp_path / "gguf").mkdir()
    (tmp_path / "gguf" / "m-Q4_K_M.gguf").touch()
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "model.safetensors").touch()
    assert find_format(tmp_path / "gguf") == "gguf"
    assert find_format(tmp_path / "elsewhere.gguf") == "gguf"
    assert find_format(tmp_path / "hf") == "hf"
