"""Whether a recipe fits a model: sizes by hand."""

import pytest

from babelbits.errors import RecipeError, StudyError
from babelbits.recipes.fit import check, check_shapes
from babelbits.records import TensorRecord

LLAMA_3_8B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
}


def test_group_of_128_fits_llama_3_8b() -> None:
    check(LLAMA_3_8B, "w4-g", {})


def test_group_that_does_not_divide_names_layer_sizes_and_what_fits() -> None:
    """64 and 2^7 * 3 = 384: powers of two from 8 to 64 divide both."""
    config = {"hidden_size": 64, "intermediate_size": 384, "num_attention_heads": 4}
    with pytest.raises(RecipeError) as caught:
        check(config, "W4-g", {})
    assert "group size 128 does not divide the 64 inputs of 'self_attn.q_proj'" in str(caught.value)
    assert "sizes are 64, 384; these group sizes fit: 8, 16, 32, 64" in str(caught.value)


def test_only_the_layer_that_does_not_fit_is_named() -> None:
    config = {"hidden_size": 256, "intermediate_size": 320, "num_attention_heads": 4}
    with pytest.raises(RecipeError, match=r"320 inputs of 'mlp\.down_proj'"):
        check(config, "awq", {})


def test_head_size_apart_from_the_hidden_size_is_counted() -> None:
    config = {
        "hidden_size": 256,
        "intermediate_size": 512,
        "num_attention_heads": 3,
        "head_dim": 40,
    }
    with pytest.raises(RecipeError, match=r"120 inputs of 'self_attn\.o_proj'"):
        check(config, "w4-g-rtn", {})


def test_sizes_without_a_power_of_two_say_so() -> None:
    config = {"hidden_size": 60, "intermediate_size": 150, "num_attention_heads": 3}
    with pytest.raises(RecipeError, match="no power of two fits"):
        check(config, "w4-g", {})


@pytest.mark.parametrize("recipe", ["w8", "w8a8", "w4", "w4-rtn", "fp8", "nf4", "llm-int8"])
def test_recipes_without_groups_fit_odd_sizes(recipe: str) -> None:
    check({"hidden_size": 60, "intermediate_size": 150, "num_attention_heads": 3}, recipe, {})


def test_quantized_base_is_refused_but_may_be_the_baseline() -> None:
    config = {**LLAMA_3_8B, "quantization_config": {"quant_method": "awq"}}
    with pytest.raises(RecipeError, match=r"already quantized \(awq\)"):
        check(config, "w4-rtn", {})
    check(config, "baseline", {})
    check({**LLAMA_3_8B, "quantization_config": None}, "w4-rtn", {})


def test_parameters_are_checked_too() -> None:
    with pytest.raises(StudyError, match="must be at least 8"):
        check(LLAMA_3_8B, "w4-g", {"group_size": 4})


def test_stored_shapes_name_the_very_layer_and_leave_embeddings_alone() -> None:
    def tensor(name: str, *shape: int) -> TensorRecord:
        return TensorRecord(name=name, shape=shape, dtype="bf16", bytes=0)

    stored = [
        tensor("model.embed_tokens.weight", 512, 60),
        tensor("model.layers.0.norm.weight", 60),
        tensor("model.layers.0.attn.query.weight", 256, 256),
        tensor("model.layers.1.attn.query.weight", 256, 96),
    ]
    check_shapes(stored, "w4-g", {"group_size": 32})
    with pytest.raises(RecipeError, match=r"the 96 inputs of 'model\.layers\.1\.attn\.query'"):
        check_shapes(stored, "w4-g", {"group_size": 64})
