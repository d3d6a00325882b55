"""What a recipe means on a model: numbers of weights by hand, names as transformers has them."""

import re
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from babelbits.errors import RecipeError
from babelbits.formats.trust import UNTRUSTED
from babelbits.recipes import compressed
from babelbits.recipes.calibration import CalibrationSpec
from babelbits.recipes.make import make
from babelbits.recipes.scope import (
    OUTSIDE,
    ROUTER,
    Scope,
    check_promise,
    make_notes,
    make_patterns,
    plan_scope,
)
from babelbits.records import TensorRecord

Zoo = Callable[[str], Path]


def empty(kind: str, **config: Any) -> Any:
    """A model on the meta device: two blocks, 64 wide, 128 inside."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 100,
    }
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **sizes | config))


def test_llama_by_hand() -> None:
    """A block: q and o 64 x 64, k and v 32 x 64, three of 128 x 64."""
    scope = plan_scope(empty("llama"), recipe="w8", settled={})
    assert len(scope.quantized) == 2 * 7
    assert scope.n_quantized == 2 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 128 * 64)
    assert list(scope.left) == ["lm_head"]
    assert make_patterns(scope) == ("lm_head",)
    assert list(make_notes(scope)) == []


def test_experts_are_counted_one_by_one_and_routers_are_not_meant() -> None:
    model = empty(
        "qwen2_moe",
        num_experts=4,
        moe_intermediate_size=32,
        shared_expert_intermediate_size=64,
    )
    scope = plan_scope(model, recipe="nf4", settled={})
    assert "model.layers.1.mlp.experts.3.down_proj" in scope.quantized
    attention = 2 * 64 * 64 + 2 * 32 * 64
    assert scope.n_quantized == 2 * (attention + 4 * 3 * 32 * 64 + 3 * 64 * 64)
    assert scope.left["model.layers.0.mlp.shared_expert_gate"] == ROUTER
    # In a multimodal model the same block has another prefix.
    ignored = make_patterns(scope)
    assert len(ignored) == 2
    name = "language_model.model.layers.7.mlp.shared_expert_gate"
    assert re.match(ignored[1].removeprefix("re:"), name)
    assert not re.match(ignored[1].removeprefix("re:"), "model.layers.7.mlp.experts.3.gate_proj")


def test_towers_are_outside_and_no_recipe_means_them(zoo: Zoo) -> None:
    from babelbits.recipes.scope import build_skeleton

    model = build_skeleton(zoo("gemma3-mm"), trust=UNTRUSTED)
    scope = plan_scope(model, recipe="w4-g-rtn", settled={"group_size": 128})
    towers = [name for name in scope.shapes if "vision_tower" in name]
    assert towers
    assert {scope.left[name] for name in towers} == {OUTSIDE}


def test_small_layers_that_a_group_does_not_fit_are_left_and_large_ones_refused() -> None:
    """Falcon-H1 or Jamba have such; here 24 inputs beside thousands of weights that fit."""
    from torch import nn

    model = empty("llama", intermediate_size=1024)
    model.model.layers[0].extra = nn.Linear(24, 8, device="meta")
    scope = plan_scope(model, recipe="w4-g-rtn", settled={"group_size": 32})
    assert set(scope.left) == {
        "lm_head",
        "model.layers.0.extra",
    }
    model.model.layers[0].extra = nn.Linear(24, 4096, device="meta")
    with pytest.raises(RecipeError, match="32 does not divide the 24 inputs of"):
        plan_scope(model, recipe="w4-g-rtn", settled={"group_size": 32})


def test_variant_that_holds_less_or_more_than_the_recipe_means_is_refused() -> None:
    scope = Scope(quantized=("a", "b"), left={}, shapes={"a": (10, 90), "b": (10, 10)})
    whole = TensorRecord(name="x", shape=(10, 100), dtype="int8", bytes=1000)
    check_promise(scope, [whole], recipe="w8")
    for shape in ((10, 98), (10, 102)):
        wrong = TensorRecord(name="x", shape=shape, dtype="int8", bytes=1)
        with pytest.raises(RecipeError, match="means 1,000 weights"):
            check_promise(scope, [wrong], recipe="w8")


def test_calibration_without_a_causal_mask_is_noticed(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """llm-compressor 0.14 traces Mistral's mask away; what we mend is switched off here."""
    monkeypatch.setattr(compressed, "masks_untraced", nullcontext)
    with pytest.raises(RecipeError, match="with another function than the model's"):
        make(
            zoo("mistral"),
            recipe="w8a8-sq",
            parameters={},
            calibration=CalibrationSpec(language="en", samples=1, tokens=64),
            out=tmp_path / "v",
            variant_id="v",
            base_label="tiny",
            base_hash="b",
            seed=0,
            device="cpu",
        )
