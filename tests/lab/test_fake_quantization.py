"""Fake quantization is what PTQ does: torchao's own numbers, and a hand calculation of a group."""

import copy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from babelbits.errors import MissingExtraError, RecipeError
from babelbits.lab import fake_quantization, qat_arms
from babelbits.lab.fake_quantization import (
    convert,
    dequantize_codes,
    list_quantized_layers,
    prepare,
)
from babelbits.lab.int4_checkpoint import write_int4
from babelbits.libraries import find_version
from tiny_models import make_tiny

torch = pytest.importorskip("torch")
needs_torchao = pytest.mark.skipif(
    find_version("torchao") is None, reason="torchao is not installed: pip install 'babelbits[lab]'"
)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny("llama", tmp_path_factory.mktemp("plain"), hidden=64, layers=1)


@pytest.fixture
def model(plain: Path) -> Any:
    return qat_arms._load(plain)


def tokens() -> Any:
    return torch.randint(0, 512, (2, 24), generator=torch.Generator().manual_seed(1))


def logits(one: Any) -> Any:
    with torch.no_grad():
        return one(input_ids=tokens()).logits


@needs_torchao
def test_before_any_step_fake_quantization_gives_the_logits_of_ptq(model: Any) -> None:
    """A model prepared by torchao against one that it quantized: equal, bit for bit."""
    before = logits(model)
    rounded = copy.deepcopy(model)
    convert(rounded)
    names = prepare(model)
    assert set(names) == {
        f"model.layers.0.{part}"
        for part in (
            *(f"self_attn.{one}_proj" for one in "qkvo"),
            *(f"mlp.{one}_proj" for one in ("gate", "up", "down")),
        )
    }
    assert torch.equal(logits(model), logits(rounded))
    assert not torch.allclose(before, logits(model), atol=1e-3)


@needs_torchao
def test_converting_a_prepared_model_gives_the_codes_of_a_plain_one(model: Any) -> None:
    other = copy.deepcopy(model)
    prepare(model)
    ours, theirs = convert(model), convert(other)
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        assert torch.equal(weight.codes, theirs[name].codes)
        assert torch.equal(weight.scales, theirs[name].scales)


@needs_torchao
def test_a_group_of_weights_is_rounded_as_by_hand(model: Any) -> None:
    """Symmetric int4: scale = largest magnitude / 7.5, codes round(w / scale) in -8 to 7."""
    name = "model.layers.0.mlp.down_proj"
    weight = model.get_submodule(name).weight.detach().numpy().copy()
    found = convert(model)[name]
    groups = weight.reshape(weight.shape[0], -1, 32)
    scales = np.abs(groups).max(axis=2) / np.float32(7.5)
    codes = np.clip(np.rint(groups * (1 / scales[:, :, None])), -8, 7).reshape(weight.shape)
    np.testing.assert_allclose(found.scales.numpy(), scales, rtol=1e-6)
    assert np.mean(found.codes.numpy() == codes) > 0.999  # a tie may fall to either side
    whole = codes * np.repeat(scales, 32, axis=1)
    np.testing.assert_allclose(
        dequantize_codes(found).numpy(), whole, atol=float(scales.max()) * 1.01
    )


@needs_torchao
def test_gradients_pass_the_rounding_and_move_every_weight(model: Any) -> None:
    prepare(model)
    found = model(input_ids=tokens()).logits
    torch.nn.functional.cross_entropy(
        found[:, :-1].flatten(0, 1), tokens()[:, 1:].flatten()
    ).backward()
    for name in list_quantized_layers(model):
        gradient = model.get_submodule(name).weight.grad
        assert gradient is not None
        assert float(gradient.abs().max()) > 0


@needs_torchao
@pytest.mark.parametrize("prepared", [False, True], ids=["ptq", "qat"])
def test_the_checkpoint_gives_the_logits_of_torchaos_converted_model(
    prepared: bool, model: Any, plain: Path, tmp_path: Path
) -> None:
    """As the engine loads it, without torchao; tolerance 1e-5 (on the bundled model: 0)."""
    from babelbits.engines.base import EngineSettings
    from babelbits.engines.hf.loading import load_model

    if prepared:
        prepare(model)
    with torch.no_grad():  # a trained embedding and norm are not the plain checkpoint's
        model.model.embed_tokens.weight.mul_(1.1)
        model.model.norm.weight.add_(0.1)
    weights = convert(model)
    write_int4(tmp_path, plain=plain, weights=weights, others=qat_arms._others(model, weights))
    loaded = load_model(tmp_path, settings=EngineSettings(device="cpu"))
    torch.testing.assert_close(logits(loaded.model), logits(model), atol=1e-5, rtol=0)


def test_gptq_codes_are_read_as_the_library_unpacks_them(tmp_path: Path) -> None:
    """The recipe 'w4-g' in groups of 32 as transformers dequantizes it, weight by weight."""
    pytest.importorskip("llmcompressor")
    from transformers import AutoModelForCausalLM

    from babelbits import make_variant

    base = make_tiny("llama", tmp_path / "base", hidden=64, layers=1)
    made = tmp_path / "w4-g"
    make_variant(base, "w4-g-rtn", made, parameters={"group_size": 32})
    found = qat_arms.read_gptq(made)
    model = AutoModelForCausalLM.from_pretrained(made, dtype="float32")
    with torch.no_grad():
        model(input_ids=tokens())  # unpacks on the first pass
    assert len(found) == 7
    for name, weight in found.items():
        torch.testing.assert_close(
            dequantize_codes(weight), model.get_submodule(name).weight.float()
        )


def test_layers_that_torchao_does_not_know_are_refused_by_name() -> None:
    """GPT-2's are `Conv1D`, which torchao would leave as they are without a word."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(n_layer=1, n_embd=64, n_head=2, vocab_size=64, n_positions=32)
    with pytest.raises(RecipeError, match=r"'transformer\.h\.0\.attn\.c_attn' is none"):
        list_quantized_layers(GPT2LMHeadModel(config))


def test_torchao_that_is_missing_is_named_with_its_command(monkeypatch: Any) -> None:
    monkeypatch.setattr("babelbits.libraries.find_version", lambda _: None)
    with pytest.raises(MissingExtraError, match="torchao") as raised:
        fake_quantization.need_torchao()
    assert raised.value.hint == "pip install 'babelbits[lab]'"


def test_a_layer_that_the_plain_checkpoint_lacks_is_named(plain: Path, tmp_path: Path) -> None:
    weight = fake_quantization.QuantizedWeight(
        codes=torch.zeros((2, 32), dtype=torch.int8), scales=torch.ones((2, 1))
    )
    shutil.copytree(plain, tmp_path / "plain")
    with pytest.raises(Exception, match=r"no 'model\.layers\.9\.weight'"):
        write_int4(tmp_path, plain=tmp_path / "plain", weights={"model.layers.9": weight})
