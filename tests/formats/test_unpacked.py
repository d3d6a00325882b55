"""GPTQ and AWQ checkpoints run unpacked, to the weights that they were packed from."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from babelbits.bundled import find_bundled_model
from babelbits.engines.base import EngineSettings
from babelbits.engines.hf.loading import load_model
from babelbits.errors import ModelError
from babelbits.formats.packed_integers import unpack_columns, unpack_rows
from babelbits.formats.unpacked import find_layout_problem, read_unpacked
from found_models import Written, change_config, copy_model, write_awq, write_gptq

Writer = Callable[[Path], tuple[Path, Written]]
TOKENS = torch.arange(1, 40)[None] * 37 % 6000


def model_of(folder: Path) -> Any:
    return load_model(folder, settings=EngineSettings(device="cpu")).model


@torch.inference_mode()
def log_probabilities(model: Any) -> torch.Tensor:
    found: torch.Tensor = model(input_ids=TOKENS).logits.float().log_softmax(-1)
    return found


@pytest.mark.parametrize("write", [write_gptq, write_awq])
def test_an_unpacked_model_computes_as_one_with_the_weights_that_were_packed(
    write: Writer, tmp_path: Path
) -> None:
    folder, meant = write(tmp_path / "packed")
    plain = copy_model(tmp_path / "plain", dtype="float32")
    weights = load_file(plain / "model.safetensors")
    weights = {name: meant.get(name, one).float().contiguous() for name, one in weights.items()}
    save_file(weights, plain / "model.safetensors", metadata={"format": "pt"})
    packed = model_of(folder)
    found, expected = log_probabilities(packed), log_probabilities(model_of(plain))
    torch.testing.assert_close(found, expected, atol=0, rtol=0)
    assert (found - log_probabilities(model_of(find_bundled_model()))).abs().max() > 0.1
    assert packed.generation_config.eos_token_id == 0  # of generation_config.json


@pytest.mark.parametrize("write", [write_gptq, write_awq])
def test_a_checkpoint_that_lacks_a_part_is_refused(write: Writer, tmp_path: Path) -> None:
    folder, _ = write(tmp_path / "packed")
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.2.mlp.up_proj.scales"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"layers\.2\.mlp\.up_proj' is packed, and of its parts"):
        model_of(folder)


@pytest.mark.parametrize(
    ("method", "said", "problem"),
    [
        ("gptq", {"bits": 4}, None),
        ("gptq", {"bits": 3, "checkpoint_format": "gptq_v2"}, None),
        ("gptq", {"bits": 5}, "5 bits are not read here, but 2, 3, 4, 8"),
        ("gptq", {"bits": 4, "checkpoint_format": "marlin"}, "the layout 'marlin', and gptq and"),
        ("awq", {"bits": 4, "version": "GEMM"}, None),
        ("awq", {"w_bit": 4, "version": "gemv"}, "the layout 'gemv', and only 'gemm' is read"),
        ("awq", {"bits": 8}, "8 bits are not read here, but 4"),
    ],
)
def test_a_layout_that_is_not_read_is_named(
    method: str, said: dict[str, Any], problem: str | None
) -> None:
    found = find_layout_problem(method, said)
    assert (problem is None) == (found is None)
    assert problem is None or (found is not None and problem in found)


def test_another_layout_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    folder, _ = write_awq(tmp_path / "awq")
    said = {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemv_fast"}
    change_config(folder, quantization_config=said)
    with pytest.raises(ModelError, match="the layout 'gemv_fast'"):
        read_unpacked(folder, method="awq", said=said, dtype=torch.float32)


def test_three_bits_follow_each_other_over_the_borders_of_words() -> None:
    """AutoGPTQ packs 32 numbers of 3 bits into three words; here by Python's own integers."""
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 8, (64, 5))
    words = np.zeros((6, 5), dtype=np.uint32)
    for column in range(5):
        for start in (0, 32):
            some = numbers[start : start + 32, column]
            whole = sum(int(one) << (3 * at) for at, one in enumerate(some))
            for k in range(3):
                words[start // 32 * 3 + k, column] = (whole >> (32 * k)) & 0xFFFFFFFF
    np.testing.assert_array_equal(unpack_rows(words.view(np.int32), 3), numbers)
    turned = np.ascontiguousarray(words.T).view(np.int32)
    np.testing.assert_array_equal(unpack_columns(turned, 3), numbers.T)


needs_torchao = pytest.mark.skipif(
    importlib.util.find_spec("torchao") is None, reason="torchao is not installed"
)


@needs_torchao
@pytest.mark.parametrize("kind", ["Int8WeightOnlyConfig", "Float8WeightOnlyConfig"])
def test_torchao_weights_are_codes_times_scales_in_the_models_type(
    kind: str, tmp_path: Path
) -> None:
    """The library would compute in bfloat16, or refuse inputs in float32."""
    import torchao.quantization
    from transformers import AutoModelForCausalLM, TorchAoConfig

    config = TorchAoConfig(getattr(torchao.quantization, kind)())
    folder = copy_model(tmp_path / "ao")
    made = AutoModelForCausalLM.from_pretrained(
        find_bundled_model(), dtype=torch.bfloat16, quantization_config=config
    )
    made.save_pretrained(folder)
    stored = load_file(folder / "model.safetensors")
    model = model_of(folder)
    for name in ("model.layers.0.mlp.up_proj", "model.layers.3.self_attn.q_proj"):
        codes, scales = (stored[f"{name}._weight_{part}"].float() for part in ("qdata", "scale"))
        weight = model.get_submodule(name).weight
        torch.testing.assert_close(weight.data, codes * scales, atol=0, rtol=0)
    assert log_probabilities(model).isfinite().all()
