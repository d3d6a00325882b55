"""The catalogue: names, Paper A's notation, parameters and their limits."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from babelbits import registry
from babelbits.errors import StudyError, UnknownNameError
from babelbits.recipes.catalogue import RECIPES, find, find_parameter_problem, settle
from babelbits.recipes.family import Family, Job, Made, find_family
from babelbits.recipes.info import RecipeInfo
from babelbits.records import TensorRecord


@pytest.mark.parametrize(
    ("paper", "recipe"),
    [
        ("W8", "w8"),
        ("W8A8", "w8a8"),
        ("W8A8-sq", "w8a8-sq"),
        ("W4", "w4"),
        ("W4-g", "w4-g"),
        ("LLM.int8", "llm-int8"),
        ("NF4", "nf4"),
        ("W8-Aya", "llm-int8"),
        ("W4-Aya", "nf4"),
    ],
)
def test_notation_of_paper_a_finds_the_recipe(paper: str, recipe: str) -> None:
    """Methods table of Marchisio et al. 2024; its Aya models used bitsandbytes for W8 and W4."""
    assert find(paper).name == recipe
    assert paper in find(paper).aliases


def test_recipes_of_the_design_are_all_there() -> None:
    assert list(RECIPES) == [
        *("baseline", "w8", "w8a8", "w8a8-sq", "w4", "w4-g", "w4-rtn", "w4-g-rtn"),
        *("awq", "fp8", "w8a8-static", "fp8-block", "mxfp8", "w4a8", "spinquant"),
        *("nvfp4a16", "nvfp4", "mxfp4"),
        *("autoround", "llm-int8", "nf4"),
        *("gguf", "q8_0", "q6_k", "q5_k_m", "q5_k_s", "q4_k_m", "q4_k_s", "iq4_xs"),
        *("q3_k_l", "q3_k_m", "q3_k_s", "iq3_s", "q2_k", "q2_k_s", "iq2_s"),
    ]


def test_every_default_lies_within_its_own_limits() -> None:
    for recipe in RECIPES.values():
        for name, parameter in recipe.parameters.items():
            assert find_parameter_problem(parameter, parameter.default) is None, (recipe.name, name)


def test_no_alias_means_two_recipes() -> None:
    keys = [alias.casefold() for recipe in RECIPES.values() for alias in {*recipe.aliases}]
    assert len(keys) == len(set(keys))


def test_defaults_are_those_of_the_sources() -> None:
    """SmoothQuant 0.5; GPTQ damping 0.01, blocks of 128; Paper A's groups of 128; LLM.int8 6.0."""
    assert settle("w8a8-sq", {}) == {"smoothing_strength": 0.5}
    gptq = settle("w4-g", {})
    assert (gptq["group_size"], gptq["dampening"], gptq["block_size"]) == (128, 0.01, 128)
    assert settle("llm-int8", {}) == {"threshold": 6.0}


def test_mistyped_recipe_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="no recipe 'w4g'") as caught:
        find("w4g")
    assert caught.value.hint is not None
    assert "did you mean 'w4-g'" in caught.value.hint


def test_unknown_parameter_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="no parameter 'groupsize'") as caught:
        settle("w4-g", {"groupsize": 64})
    assert caught.value.hint is not None
    assert "did you mean 'group_size'" in caught.value.hint


@pytest.mark.parametrize(
    ("recipe", "parameters", "message"),
    [
        ("w4-g", {"group_size": "128"}, "must be a whole number"),
        ("w4-g", {"group_size": True}, "must be a whole number"),
        ("w4-g", {"group_size": 1}, "must be at least 8"),
        ("w4-g", {"actorder": "group"}, "must be one of 'none', 'static'"),
        ("w8a8-sq", {"smoothing_strength": 1.5}, "must be at most 1"),
        ("w8a8-sq", {"smoothing_strength": float("nan")}, "must be a number"),
        ("nf4", {"double_quantization": 1}, "must be true or false"),
    ],
)
def test_bad_values_are_refused(recipe: str, parameters: dict[str, object], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        settle(recipe, parameters)


def test_zero_is_a_value_and_a_whole_number_is_a_good_float() -> None:
    assert settle("llm-int8", {"threshold": 0}) == {"threshold": 0.0}
    assert isinstance(settle("llm-int8", {"threshold": 0})["threshold"], float)


def test_catalogue_fit_and_calibration_import_no_heavy_library() -> None:
    heavy = ("torch", "transformers", "llmcompressor", "bitsandbytes", "datasets")
    code = (
        "import sys, babelbits.recipes.catalogue, babelbits.recipes.fit, "
        "babelbits.recipes.calibration, babelbits.recipes.make, babelbits.recipes.manifests\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def with_family(monkeypatch: pytest.MonkeyPatch, *, of: str = "mine", **changes: Any) -> None:
    """A family that a program adds, with one recipe."""
    fields = {"name": "mine-4", "summary": "s", "family": of, "method": "mine", "weight_bits": 4.0}

    class Mine(Family):
        name = "mine"
        title = "mine"
        recipes = (RecipeInfo(**(fields | changes)),)

        def make(self, _job: Job, _folder: Path) -> Made:
            return Made()

    monkeypatch.setitem(registry.RECIPES._added, "mine", Mine())


def test_the_recipes_of_a_family_that_is_added_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with_family(monkeypatch, aliases=("Mine4",))
    assert list(RECIPES)[-1] == "mine-4"
    assert find("MINE_4").name == find("mine4").name == "mine-4"
    assert find_family("mine-4").default_engine == "transformers"
    with pytest.raises(UnknownNameError, match="there is no recipe 'mine-5'") as caught:
        find("mine-5")
    assert "'mine-4'" in str(caught.value)


@pytest.mark.parametrize("changes", [{"name": "w8"}, {"aliases": ("GPTQ",)}])
def test_a_name_means_one_recipe(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with_family(monkeypatch, **changes)
    with pytest.raises(StudyError, match=r"two families have a recipe .*'compressed-tensors'"):
        find("nf4")


def test_a_recipe_names_its_own_family(monkeypatch: pytest.MonkeyPatch) -> None:
    with_family(monkeypatch, of="gguf")
    with pytest.raises(StudyError, match="its family is 'gguf', and it stands in 'mine'"):
        list(RECIPES)


def test_bytes_of_a_family_are_codes_and_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 x 128 weights of 4 bits and 64 scales of 2 bytes; the embedding stays as it is."""
    with_family(monkeypatch)
    tensors = [
        TensorRecord(name="m.layers.0.mlp.up_proj.weight", shape=(64, 128), dtype="fp16", bytes=1),
        TensorRecord(name="m.embed_tokens.weight", shape=(9, 9), dtype="fp16", bytes=162),
    ]
    family = find_family("mine-4")
    size = family.size(tensors, RECIPES["mine-4"], {}, config={"model_type": "llama"})
    assert size == 64 * 128 // 2 + 64 * 2 + 162
    assert family.identity() == {}
