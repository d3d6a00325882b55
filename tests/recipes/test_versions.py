"""Ids of variants change where weights do, and nowhere else."""

import pytest

from babelbits.recipes.versions import find_recipe_version

LLAMA = {"model_type": "llama", "num_hidden_layers": 2}
MISTRAL = {"model_type": "mistral"}
MIXTRAL = {"model_type": "mixtral", "num_local_experts": 8}


@pytest.mark.parametrize(
    ("recipe", "config", "version"),
    [
        ("w4-g", LLAMA, 1),
        ("nf4", LLAMA, 1),
        ("w4-g", MISTRAL, 2),  # calibrated without a causal mask before
        ("w8", MISTRAL, 1),
        ("awq", {"text_config": MISTRAL}, 2),
        ("nf4", MIXTRAL, 2),
        ("w8", MIXTRAL, 2),
        ("q4_k_m", MIXTRAL, 1),
        ("w8", {"model_type": "gpt2"}, 1),
    ],
)
def test_version_is_raised_for_the_models_that_it_concerns(
    recipe: str, config: dict[str, object], version: int
) -> None:
    assert find_recipe_version(recipe, config) == version
