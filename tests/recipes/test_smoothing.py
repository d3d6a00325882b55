"""AWQ and SmoothQuant on architectures of our own table, and what a plan refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from babelbits.errors import RecipeError
from babelbits.recipes.calibration import CalibrationSpec
from babelbits.recipes.fit import check
from babelbits.recipes.make import make
from babelbits.recipes.smoothing import LINKS, list_pairs

Zoo = Callable[[str], Path]
FAST = {"apertus", "bloom", "nemotron"}
TYPES = ("apertus", "bloom", "nemotron", "olmo2", "exaone4", "gpt2", "glm4", "gpt-neox", "xglm")
MORE = ("mixtral", "gpt-oss", "olmoe", "deepseek-v3", "granite4", "jamba", "lfm2", "falcon-h1")
AFTER = ("olmo2", "exaone4")
CASES = [
    pytest.param(name, recipe, marks=[] if name in FAST else pytest.mark.slow)
    for name in (*TYPES, *MORE)
    for recipe in ("awq", "w8a8-sq")
    if not (recipe == "w8a8-sq" and name in AFTER)
]


@pytest.mark.parametrize(("name", "recipe"), CASES)
def test_smoothing_leaves_the_function_and_changes_the_weights(
    name: str, recipe: str, zoo: Zoo, tmp_path: Path
) -> None:
    """`make` raises where it does not (Xiao et al. 2023, eq. 3); a norm or a value has changed."""
    make(
        zoo(name),
        recipe=recipe,
        parameters={"group_size": 64} if recipe == "awq" else {},
        calibration=CalibrationSpec(language="en", samples=2, tokens=64),
        out=tmp_path / "v",
        variant_id="v",
        base_label="tiny",
        base_hash="b",
        seed=0,
        device="cpu",
        most_unrouted=1.0,
    )
    plain, smoothed = _floats(zoo(name)), _floats(tmp_path / "v")
    changed = [key for key in smoothed if key in plain and not plain[key].equal(smoothed[key])]
    if name in AFTER:  # only o_proj and down_proj are smoothed, against linear layers
        assert changed == []
    else:
        assert any("norm" in key or "ln_" in key for key in changed)


def _floats(folder: Path) -> dict[str, object]:
    from safetensors.torch import load_file

    tensors = {}
    for file in folder.glob("*.safetensors"):
        tensors |= {name: one for name, one in load_file(file).items() if one.dim() == 1}
    return tensors


@pytest.mark.parametrize("kind", ["olmo2", "olmo3", "exaone4"])
def test_norms_after_the_layers_cannot_be_smoothed_against_and_the_plan_says_so(kind: str) -> None:
    """In these models q_proj and gate_proj read the residual stream itself."""
    with pytest.raises(RecipeError, match="come after its layers") as caught:
        check({"model_type": kind}, "w8a8-sq", {})
    assert caught.value.hint is not None
    assert "'w8a8'" in caught.value.hint
    check({"model_type": kind}, "awq", {})


@pytest.mark.parametrize("recipe", ["awq", "w8a8-sq"])
def test_blocks_that_nobody_has_described_are_refused_by_the_plan(recipe: str) -> None:
    with pytest.raises(
        RecipeError, match="which layers read which has no entry for 'falcon' blocks"
    ):
        check({"model_type": "falcon"}, recipe, {})
    check({"model_type": "falcon"}, "w4-g", {})


def test_every_reader_of_a_norm_is_named_by_hand() -> None:
    """A block of Mixtral with two experts, written down by hand; a tower is none of its blocks."""
    block = "model.layers.3."
    names = [
        *(f"{block}{name}" for name in ("input_layernorm", "post_attention_layernorm", "mlp.gate")),
        *(f"{block}self_attn.{one}_proj" for one in "qkvo"),
        *(f"{block}mlp.experts.{n}.{p}_proj" for n in (0, 1) for p in ("gate", "up", "down")),
        "model.vision_tower.layers.0.self_attn.q_proj",
        "model.vision_tower.layers.0.input_layernorm",
    ]
    found = dict(list_pairs("mixtral", names, method="awq") or [])
    assert found[f"{block}input_layernorm"] == tuple(
        f"{block}self_attn.{one}_proj" for one in "qkv"
    )
    assert set(found[f"{block}post_attention_layernorm"]) == {
        f"{block}mlp.gate",
        *(f"{block}mlp.experts.{n}.{p}_proj" for n in (0, 1) for p in ("gate", "up")),
    }
    assert not any("vision" in source for source in found if not source.startswith("re:"))
    for_int8 = dict(list_pairs("mixtral", names, method="smoothquant") or [])
    assert list(for_int8) == [f"{block}input_layernorm"]


def test_types_of_the_library_are_left_to_it() -> None:
    assert "llama" not in LINKS
    assert list_pairs("llama", ["model.layers.0.input_layernorm"], method="awq") is None
