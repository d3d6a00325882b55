"""Multimodal checkpoints as their hubs show them: planned, measured, quantized and loaded again."""

import json
from pathlib import Path
from typing import Any

import pytest

from babelbits.engines.base import EngineSettings
from babelbits.engines.transformers import load
from babelbits.formats.outside_text import is_outside_text
from babelbits.formats.parts import TEXT_ONLY
from babelbits.recipes.catalogue import settle
from babelbits.recipes.make import make
from babelbits.recipes.tensors import is_quantized, read_tensors
from babelbits.records import ScoreRequest
from babelbits.study.config.spec import ModelSpec, VariantSpec
from babelbits.study.planning import estimate
from babelbits.study.planning.base_model import locate
from zoo.build import build
from zoo.oracle import Oracle

MODELS = ("gemma3-mm", "mistral3-mm", "aya-vision", "qwen3.5-vl", "gemma4-mm", "llama4-mm")
CONTEXT, CONTINUATION = "The quick brown fox", " jumps over the lazy dog"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            made[name] = build(name, tmp_path_factory.mktemp("zoo") / name)
        return made[name]

    return get


def _slow_but_one(names: tuple[str, ...]) -> list[Any]:
    return [pytest.param(name, marks=() if at == 0 else pytest.mark.slow) for at, name in
            enumerate(names)]  # fmt: skip


@pytest.mark.parametrize("name", _slow_but_one(MODELS))
def test_the_text_model_is_measured(name: str, checkpoint: Any) -> None:
    """Expected: one plain forward pass of transformers."""
    folder = checkpoint(name)
    locate(ModelSpec(path=str(folder), folder=folder))
    engine = load(folder, settings=EngineSettings(device="cpu"))
    found = engine.score([ScoreRequest(context=CONTEXT, continuation=CONTINUATION)])[0]
    assert found.logprob == pytest.approx(Oracle(folder).score(CONTEXT, CONTINUATION), abs=1e-4)
    config = json.loads((folder / "config.json").read_text("utf-8"))["text_config"]
    assert engine.context_length == config["max_position_embeddings"]


@pytest.mark.parametrize("recipe", ["w8", "w8a8", "nf4", "llm-int8"])
@pytest.mark.parametrize("name", _slow_but_one(MODELS))
def test_variants_leave_the_other_parts_alone(
    name: str, recipe: str, checkpoint: Any, tmp_path: Path
) -> None:
    """They are the base model's own, bit for bit, or not there; and a note says which."""
    folder, out = checkpoint(name), tmp_path / "variant"
    manifest = make(
        folder, recipe=recipe, parameters={}, calibration=None, out=out, variant_id="",
        base_label="", base_hash="", seed=0, device="cpu",
    )  # fmt: skip
    base = {one.name: one for one in read_tensors(folder) if is_outside_text(one.name)}
    kept = {one.name: one for one in manifest.tensors if is_outside_text(one.name)}
    assert not [one.name for one in kept.values() if is_quantized(one)]
    config = json.loads((folder / "config.json").read_text("utf-8"))
    if config["model_type"] in TEXT_ONLY:
        assert not kept
        assert any("the text model only" in note for note in manifest.notes)
    else:
        assert sum(one.bytes for one in kept.values()) == sum(one.bytes for one in base.values())
        assert any("stored unquantized" in note for note in manifest.notes)
    request = ScoreRequest(context=CONTEXT, continuation=CONTINUATION)
    engine = load(out, settings=EngineSettings(device="cpu"))
    assert engine.score([request])[0].logprob == pytest.approx(
        Oracle(folder).score(CONTEXT, CONTINUATION), rel=0.2
    )
    spec = VariantSpec(label="x", recipe=recipe, parameters=settle(recipe, {}))
    expected = estimate.estimate_variant_bytes(spec, read_tensors(folder), config=config)
    assert expected == pytest.approx(sum(one.bytes for one in manifest.tensors), rel=0.03)


def test_names_that_change_on_loading_are_regular_expressions(
    checkpoint: Any, tmp_path: Path
) -> None:
    """Gemma 3's 'vision_tower.x' is 'model.vision_tower.x' once it is loaded."""
    match_name = pytest.importorskip("compressed_tensors.utils.match").match_name
    make(
        checkpoint("gemma3-mm"), recipe="w8", parameters={}, calibration=None,
        out=tmp_path / "variant", variant_id="", base_label="", base_hash="", seed=0, device="cpu",
    )  # fmt: skip
    config = json.loads((tmp_path / "variant" / "config.json").read_text("utf-8"))
    ignored = config["quantization_config"]["ignore"]
    for name in (
        "vision_tower.encoder.layers.0.mlp.fc1",
        "model.vision_tower.encoder.layers.0.fc2",
    ):
        assert any(match_name(name, pattern) for pattern in ignored)
