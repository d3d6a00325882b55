"""Layers that the traced graph of llm-compressor passes by, and what layers hand each other."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from babelbits.errors import RecipeError
from babelbits.formats.trust import UNTRUSTED
from babelbits.recipes import compressed
from babelbits.recipes.base_loading import load_model, load_tokenizer
from babelbits.recipes.calibration import CalibrationSpec, draw, read_documents
from babelbits.recipes.catalogue import find, settle
from babelbits.recipes.make import make
from babelbits.recipes.scope import make_notes
from babelbits.records import Manifest
from babelbits.study.rehearsal.dequantize import read_plain

Zoo = Callable[..., Path]
SPEC = CalibrationSpec(language="en", samples=2, tokens=64)


def fitted(base: Path, out: Path) -> Manifest:
    return make(
        base,
        recipe="w4-g",
        parameters={},
        calibration=SPEC,
        out=out,
        variant_id="v",
        base_label="tiny",
        base_hash="b",
        seed=0,
        device="cpu",
    )


def test_a_layer_that_no_text_calls_is_rounded_to_nearest_and_said(
    zoo: Zoo, tmp_path: Path
) -> None:
    """The layer hangs in a block and nothing calls it; `zoo.rounding` rounds by hand."""
    import torch

    from zoo.rounding import round_linear

    base = zoo("llama3")
    model = load_model(base, trust=UNTRUSTED)
    torch.manual_seed(0)
    idle = torch.nn.Linear(256, 32, bias=False)
    model.model.layers[0].idle = idle.requires_grad_(requires_grad=False)
    by_hand = torch.nn.Sequential(torch.nn.Linear(256, 32, bias=False))
    by_hand[0].weight.data = idle.weight.data.clone()
    round_linear(by_hand, bits=4, group=128)
    tokenizer = load_tokenizer(base, trust=UNTRUSTED)
    info = find("w4-g")
    scope, _experts = compressed.save_compressed(
        model,
        tmp_path,
        info=info,
        parameters=settle("w4-g", {}),
        calibration=draw(SPEC, read_documents(SPEC), tokenizer=tokenizer, context=512),
        tokenizer=tokenizer,
        device="cpu",
        seed=0,
    )
    assert scope.uncalled == ("model.layers.0.idle",)
    assert any("no text calls 1 layer ('model.layers.0.idle'" in note for note in make_notes(scope))
    stored, quantized = read_plain(tmp_path)
    assert "model.layers.0.idle.weight" in quantized
    torch.testing.assert_close(
        stored["model.layers.0.idle.weight"].float(), by_hand[0].weight.data, rtol=1e-3, atol=1e-5
    )


def test_layers_in_a_function_that_is_not_traced_are_fitted(zoo: Zoo, tmp_path: Path) -> None:
    """Gemma 4 projects embeddings for each layer in one, and hands keys on in a dictionary."""
    manifest = fitted(zoo("gemma4-text"), tmp_path / "v")
    _stored, quantized = read_plain(tmp_path / "v")
    assert "model.per_layer_model_projection.weight" in quantized
    assert not any("no text calls" in note for note in manifest.notes)


def test_without_the_shared_dictionary_keys_are_not_found(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """llm-compressor 0.14 gives each layer a dictionary of its own; what we mend is off here."""
    monkeypatch.setattr(compressed, "shared_states_traced", nullcontext)
    with pytest.raises(RecipeError, match="sliding_attention"):
        fitted(zoo("gemma4-text"), tmp_path / "v")
