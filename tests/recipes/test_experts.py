"""Mixtures of experts: what is quantized, what the variant computes, what the text reaches.

Expected logits come from transformers' own model, with its experts fused, into which the weights of
the variant's files are put after our own unpacking (`emulation`).
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import emulation
from babelbits.engines.base import EngineSettings
from babelbits.engines.hf.loading import load_model
from babelbits.errors import CalibrationError
from babelbits.formats import linear
from babelbits.formats.text_model import find_auto_class
from babelbits.formats.trust import UNTRUSTED
from babelbits.recipes.base_loading import load_tokenizer
from babelbits.recipes.calibration import CalibrationSpec, draw, read_documents
from babelbits.recipes.catalogue import find, settle
from babelbits.recipes.make import make, read_manifest
from babelbits.recipes.scope import build_skeleton, find_quantized_modules, plan_scope
from babelbits.records import Manifest
from zoo.build import names

Zoo = Callable[[str], Path]
MIXTURES = names(having="moe")
MIXTURE = [
    pytest.param(name, marks=[] if name in ("mixtral", "gpt-oss") else pytest.mark.slow)
    for name in MIXTURES
]
TEXT = CalibrationSpec(language="en", samples=2, tokens=128)


def variant(base: Path, out: Path, recipe: str, **more: Any) -> Manifest:
    settings: dict[str, Any] = {
        "parameters": {"group_size": 64} if "group_size" in find(recipe).parameters else {},
        "calibration": TEXT,
        "most_unrouted": 1.0,
    }
    return make(
        base,
        recipe=recipe,
        out=out,
        variant_id="v",
        base_label="tiny",
        base_hash="b",
        seed=0,
        device="cpu",
        **settings | more,
    )


def load(folder: Path) -> Any:
    return load_model(folder, settings=EngineSettings(device="cpu", dtype="float32")).model


def load_fused(base: Path) -> Any:
    from transformers import AutoConfig

    kind = find_auto_class(AutoConfig.from_pretrained(base))
    return kind.from_pretrained(base, dtype="float32").eval()


def logits(model: Any) -> Any:
    import torch

    with torch.no_grad():
        return model(torch.arange(7, 70)[None]).logits


@pytest.mark.parametrize("name", MIXTURE)
def test_experts_as_linear_layers_compute_what_the_fused_ones_do(name: str, zoo: Zoo) -> None:
    """Against transformers' own module, in float32; a logit after recurrent states within 3e-4."""
    import torch

    model = load_fused(zoo(name))
    before = logits(model)
    assert linear.unfuse(model) > 0
    assert not linear.find_fused(model)
    torch.testing.assert_close(logits(model), before, rtol=1e-4, atol=3e-4)


@pytest.mark.parametrize("name", MIXTURE)
@pytest.mark.parametrize("recipe", ["w4-g-rtn", "nf4"])
def test_experts_of_a_variant_are_those_of_its_file(
    recipe: str, name: str, zoo: Zoo, tmp_path: Path
) -> None:
    """nf4's CPU kernel computes in bfloat16: its weights are compared, not its logits."""
    import torch

    variant(zoo(name), tmp_path / "v", recipe)
    model, base = load(tmp_path / "v"), load_fused(zoo(name))
    quantized, others = emulation.read_floats(tmp_path / "v")
    assert not emulation.into_base(base, quantized, others)
    assert sum("experts" in layer for layer in quantized) >= 8
    if recipe == "nf4":
        linear.unfuse(base)
        before = {key: value.float() for key, value in _weights(base).items()}
        for layer, module in model.named_modules():
            if type(module).__name__ == "Linear4bit":
                from babelbits.formats.quantized_forward import dequantize

                held = dequantize(module.weight.data, module.weight.quant_state)
                torch.testing.assert_close(held, before[layer])
    else:
        torch.testing.assert_close(logits(model), logits(base), rtol=1e-4, atol=1e-4)


def _weights(model: Any) -> dict[str, Any]:
    from torch import nn

    return {name: one.weight for name, one in model.named_modules() if isinstance(one, nn.Linear)}


@pytest.mark.parametrize("name", MIXTURE)
@pytest.mark.parametrize("recipe", ["w8a8", "fp8", "nf4", "llm-int8"])
def test_a_variant_holds_quantized_what_the_recipe_means_and_no_other(
    recipe: str, name: str, zoo: Zoo, tmp_path: Path
) -> None:
    """What is meant is read from the base's own modules, on the meta device."""
    manifest = variant(zoo(name), tmp_path / "v", recipe)
    scope = plan_scope(
        build_skeleton(zoo(name), trust=UNTRUSTED), recipe=recipe, settled=settle(recipe, {})
    )
    weights, inputs = find_quantized_modules(load(tmp_path / "v"))
    assert weights == set(scope.quantized)
    assert inputs == (set() if recipe == "nf4" else weights)
    stored = sum(
        tensor.shape[0] * tensor.shape[1]
        for tensor in manifest.tensors
        if tensor.dtype in ("int8", "fp8", "nf4")
    )
    assert stored == scope.n_quantized
    assert not any("router" in layer or layer.endswith(".gate") for layer in weights)


@pytest.mark.parametrize("name", ["mixtral", pytest.param("deepseek-v3", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("recipe", "rounded"),
    [("w8a8", emulation.int8_by_token), ("fp8", emulation.fp8_by_token)],
    ids=["w8a8", "fp8"],
)
def test_inputs_of_experts_are_rounded_a_token_at_a_time(
    recipe: str, rounded: Callable[[Any], Any], name: str, zoo: Zoo, tmp_path: Path
) -> None:
    """Each token with its own scale: against the formula, and alone as among others."""
    import torch

    variant(zoo(name), tmp_path / "v", recipe)
    model = load(tmp_path / "v")
    logits(model)  # compressed-tensors decompresses its weights in the first pass
    quantized, _ = emulation.read_floats(tmp_path / "v")
    layers = [one for one in quantized if ".experts." in one or "kv_b_proj" in one]
    generator = torch.Generator().manual_seed(0)
    by_key = {emulation._key(one): module for one, module in model.named_modules()}
    for layer in layers[:4] + layers[-2:]:
        weight = quantized[layer]
        key = emulation._key(layer)
        for old, new in (("w1", "gate_proj"), ("w3", "up_proj"), ("w2", "down_proj")):
            key = key.removesuffix(old) + new if key.endswith(f".{old}") else key
        states = torch.randn(5, weight.shape[1], generator=generator)
        states[0] *= 50  # a neighbour that would set a common scale
        with torch.no_grad():
            found = by_key[key](states)
            alone = by_key[key](states[3:4])
            four = by_key[key](states[None, None])
        expected = rounded(states) @ weight.T
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(alone, expected[3:4], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(four[0, 0], expected, rtol=1e-4, atol=1e-4)


# --- which experts the text reaches ------------------------------------------------------------


def test_counts_are_those_of_the_router_in_a_plain_pass(zoo: Zoo, tmp_path: Path) -> None:
    """The first layer's choices, from transformers' fused module; two of eight for each token."""
    import torch

    manifest = variant(zoo("mixtral"), tmp_path / "w", "w8a8-sq")
    assert manifest.calibration is not None
    experts = manifest.calibration.experts
    assert experts is not None
    assert experts.n_experts == (8, 8)
    tokenizer = load_tokenizer(zoo("mixtral"), trust=UNTRUSTED)
    windows = draw(TEXT, read_documents(TEXT), tokenizer=tokenizer, context=2048).windows
    model, counts = load_fused(zoo("mixtral")), torch.zeros(8, dtype=torch.long)
    first = next(m for n, m in model.named_modules() if n.endswith("0.mlp.experts"))

    def count(_: Any, given: tuple[Any, ...]) -> None:
        counts.add_(torch.bincount(given[1].flatten(), minlength=8))

    first.register_forward_pre_hook(count)
    with torch.no_grad():
        for window in windows:
            model(torch.tensor([window]))
    assert counts.sum() == 2 * 2 * 128
    assert experts.fewest["en"][0] == counts.min()
    assert experts.unrouted["en"][0] == (counts == 0).sum()
    assert read_manifest(tmp_path / "w") == manifest


@pytest.fixture(scope="module")
def one_sided(zoo: Zoo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """gpt-oss whose router sends everything to the same few experts, by its bias."""
    from safetensors.torch import load_file, save_file

    base = tmp_path_factory.mktemp("one-sided") / "base"
    shutil.copytree(zoo("gpt-oss"), base)
    for file in base.glob("*.safetensors"):
        tensors = load_file(file)
        for name in tensors:
            if name.endswith("router.bias"):
                tensors[name][-2:] = -1e4
        save_file(tensors, file, metadata={"format": "pt"})
    return base


def test_experts_without_text_are_an_error_beyond_a_share(one_sided: Path, tmp_path: Path) -> None:
    with pytest.raises(
        CalibrationError, match=r"no token of the calibration text to 2 of the"
    ) as e:
        variant(one_sided, tmp_path / "v", "w4-g", most_unrouted=0.1)
    assert e.value.hint is not None
    assert "give more text" in e.value.hint
    assert not (tmp_path / "v").exists()


def test_experts_without_text_are_a_note_below_that_share(one_sided: Path, tmp_path: Path) -> None:
    manifest = variant(one_sided, tmp_path / "v", "w4-g", most_unrouted=0.9)
    assert any("are sent no token of the calibration text" in note for note in manifest.notes)


def test_counts_of_a_mix_are_by_language(zoo: Zoo, tmp_path: Path) -> None:
    mix = CalibrationSpec(language="en+hi", samples=4, tokens=128)
    manifest = variant(zoo("mixtral"), tmp_path / "v", "w8a8-sq", calibration=mix)
    assert manifest.calibration is not None
    experts = manifest.calibration.experts
    assert experts is not None
    assert list(experts.unrouted) == ["en", "hi", "all"]
    for layer in range(2):
        parts = experts.fewest["en"][layer] + experts.fewest["hi"][layer]
        assert parts <= experts.fewest["all"][layer]
