"""Real miniatures: what works passes, and what is known to be wrong is found.

The truths come from outside the checks: variants that transformers and bitsandbytes make without
Babelbits, and loaded models in which one thing is spoilt by hand.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from babelbits.engines import open_engine
from babelbits.engines.base import EngineSettings
from babelbits.recipes.calibration import CalibrationSpec
from babelbits.recipes.catalogue import find, settle
from babelbits.recipes.make import make
from babelbits.study.rehearsal.bench import Variant
from babelbits.study.rehearsal.outcomes import RehearsalFault
from babelbits.study.rehearsal.variant_checks import Rehearsal

pytestmark = pytest.mark.slow

CPU = EngineSettings(device="cpu")


def variant(recipe: str) -> Variant:
    info = find(recipe)
    text = CalibrationSpec(language="en") if info.needs_calibration else None
    return Variant(recipe=info.name, parameters=settle(recipe, {}), calibration=text)


@pytest.fixture(scope="module")
def rehearsal(
    zoo: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Rehearsal]]:
    """The rehearsal of an architecture on one period of its layers."""
    made: dict[str, Rehearsal] = {}

    def get(name: str) -> Rehearsal:
        if name not in made:
            made[name] = Rehearsal(
                base=zoo(name),
                place=tmp_path_factory.mktemp(f"rehearsal-{name}"),
                depth="one period",
                settings=CPU,
                texts=MappingProxyType({"en": ("What is the time now?",)}),
            )
        return made[name]

    yield get
    for one in made.values():
        one.close()


@pytest.mark.parametrize("recipe", ["baseline", "w8", "w8a8", "w4-g", "nf4", "llm-int8", "fp8"])
@pytest.mark.parametrize("name", ["llama3", "gemma2", "mixtral"])
def test_what_is_right_works(rehearsal: Callable[[str], Rehearsal], name: str, recipe: str) -> None:
    fault, _ = rehearsal(name).rehearse(variant(recipe))
    assert fault is None


@pytest.mark.parametrize("recipe", ["gguf", "q4_k_m"])
@pytest.mark.parametrize("name", ["llama3", "gemma2", "mixtral"])
def test_what_is_right_works_in_llama_cpp(
    rehearsal: Callable[[str], Rehearsal], llama_cpp: Any, name: str, recipe: str
) -> None:
    fault, _ = rehearsal(name).rehearse(variant(recipe))
    assert fault is None


def test_a_miniature_of_a_multimodal_model_keeps_its_tower(
    rehearsal: Callable[[str], Rehearsal],
) -> None:
    one = rehearsal("gemma3-mm")
    fault, _ = one.rehearse(variant("w8"))
    assert fault is None
    config = json.loads((one.miniature.folder / "config.json").read_text("utf-8"))
    assert config["vision_config"]["num_hidden_layers"] >= 1


# --- known truths --------------------------------------------------------------------------------


def test_a_mixture_whose_experts_bitsandbytes_leaves_is_found(
    rehearsal: Callable[[str], Rehearsal], tmp_path: Path
) -> None:
    """Transformers' own 4-bit loading replaces `torch.nn.Linear`; Mixtral's experts are none."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    one = rehearsal("mixtral")
    base = one.miniature.folder
    settings = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    model = AutoModelForCausalLM.from_pretrained(
        base, quantization_config=settings, device_map="cpu"
    )
    model.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path)
    fault, _ = one.examine(tmp_path, variant("nf4"))
    assert fault is not None
    assert fault.check == "modules"
    assert "experts" in fault.what


def test_a_real_variant_is_checked_as_one_of_a_miniature(
    zoo: Callable[..., Path], tmp_path: Path
) -> None:
    base, folder = zoo("llama3"), tmp_path / "made"
    make(
        base,
        recipe="w8",
        parameters={},
        calibration=None,
        out=folder,
        variant_id="",
        base_label="",
        base_hash="",
        seed=0,
        device="cpu",
    )
    one = Rehearsal(base=base, place=tmp_path, depth="all layers", settings=CPU, real=True)
    right, _ = one.examine(folder, variant("w8"))
    wrong, _ = one.examine(folder, variant("w8a8"))
    one.close()
    assert right is None
    assert wrong is not None
    assert wrong.check == "modules"


def spoilt(
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Any], None],
) -> None:
    """Engines whose variants are spoilt after they were loaded."""
    load = open_engine.load

    def bad(folder: Path, *, engine: str, settings: EngineSettings) -> Any:
        loaded: Any = load(folder, engine=engine, settings=settings)
        if folder.name == "variant":
            spoil(loaded)
        return loaded

    monkeypatch.setattr(open_engine, "load", bad)


def rehearse_spoilt(one: Rehearsal, recipe: str) -> RehearsalFault:
    fault, _ = one.rehearse(variant(recipe))
    assert fault is not None
    return fault


def test_a_loader_that_spoils_one_layer_is_found(
    rehearsal: Callable[[str], Rehearsal], monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(engine: Any) -> None:
        engine.loaded.model.model.layers[1].mlp.down_proj.weight.data.mul_(1.05)

    spoilt(monkeypatch, spoil)
    assert rehearse_spoilt(rehearsal("llama3"), "w8").check == "weights"


@pytest.mark.parametrize("recipe", ["nf4", "llm-int8"])
def test_one_spoilt_layer_of_a_hybrid_is_found(
    rehearsal: Callable[[str], Rehearsal], monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    """Granite 4's logits move by a seventh when it is quantized: only its layers can tell."""

    def spoil(engine: Any) -> None:
        layer = engine.loaded.model.get_submodule("model.layers.0.shared_mlp.output_linear")
        layer.register_forward_hook(lambda _module, _given, output: 1.05 * output)

    assert rehearsal("granite4").rehearse(variant(recipe))[0] is None
    spoilt(monkeypatch, spoil)
    fault = rehearse_spoilt(rehearsal("granite4"), recipe)
    assert fault.check == "weights"
    assert "shared_mlp.output_linear" in fault.what


def test_inputs_that_stay_as_they_are_are_found(
    rehearsal: Callable[[str], Rehearsal], monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(engine: Any) -> None:
        engine.loaded.model.model.layers[0].self_attn.q_proj.quantization_enabled = False

    spoilt(monkeypatch, spoil)
    fault = rehearse_spoilt(rehearsal("llama3"), "w8a8")
    assert fault.check == "modules"
    assert "layers.0.self_attn.q_proj" in fault.what


def test_inputs_quantized_with_one_scale_for_all_tokens_are_found(
    rehearsal: Callable[[str], Rehearsal], monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(engine: Any) -> None:
        layer = engine.loaded.model.model.layers[0].mlp.up_proj
        weight = layer.weight.detach().clone()

        def coarse(states: Any) -> Any:
            scale = states.abs().max() / 127.5
            return (states / scale).round() * scale @ weight.T

        layer.forward = coarse

    spoilt(monkeypatch, spoil)
    assert rehearse_spoilt(rehearsal("llama3"), "w8a8").check in ("weights", "activations")


def test_another_attention_than_the_models_own_is_found(
    rehearsal: Callable[[str], Rehearsal], tmp_path: Path
) -> None:
    """Transformers' sdpa leaves out Gemma 2's soft caps; eager attention has them."""
    one = rehearsal("gemma2")
    fresh = Rehearsal(base=one.base, place=tmp_path, depth="one period", settings=CPU)
    engine = fresh.baseline()
    engine.loaded.model.set_attn_implementation("sdpa")
    fresh.measure()
    fault, _ = fresh.rehearse(Variant(recipe="baseline"))
    fresh.close()
    assert fault is not None
    assert fault.check == "attention"


def test_generation_that_crashes_when_rows_end_is_found(
    rehearsal: Callable[[str], Rehearsal], monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(engine: Any) -> None:
        def broken(_grown: Any) -> None:
            raise AttributeError("'LinearAttentionLayer' object has no attribute 'x'")

        engine._generate = broken

    spoilt(monkeypatch, spoil)
    fault = rehearse_spoilt(rehearsal("llama3"), "w8")
    assert fault.check == "generation"
    assert "LinearAttentionLayer" in fault.what


def test_a_prompt_without_what_is_asked_is_found(zoo: Callable[..., Path], tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    for file in zoo("llama3").iterdir():
        (base / file.name).symlink_to(file)
    (base / "chat_template.jinja").write_text("User: {{ 'ask' }}")
    one = Rehearsal(
        base=base, place=tmp_path / "place", depth="one period", settings=CPU, chat=True
    )
    fault, _ = one.rehearse(Variant(recipe="baseline"))
    one.close()
    assert fault is not None
    assert fault.check == "prompt"


def test_a_group_size_is_refused_for_the_real_widths(
    rehearsal: Callable[[str], Rehearsal],
) -> None:
    wide = Variant(recipe="w4-g-rtn", parameters={"group_size": 4096})
    fault, _ = rehearsal("llama3").rehearse(wide)
    assert fault is not None
    assert (fault.check, fault.known) == ("shapes", True)
