"""Which making of a recipe a model gets: raised where our code makes other weights than it did.

The number is part of a variant's id. It is raised for the models that it concerns and no others, so
that variants of all others keep their ids. Pure, no torch.
"""

from collections.abc import Mapping
from typing import Any

from babelbits.formats.text_model import find_text_config
from babelbits.recipes.catalogue import find
from babelbits.recipes.family import find_family

FIRST = 1
_EXPERTS = (
    "num_experts",
    "num_local_experts",
    "n_routed_experts",
    "moe_num_experts",
    "altup_num_inputs",
)
"""Keys of mixtures, and of Gemma 3n, whose routers were quantized, too."""
_MASKED = (
    "doge", "ministral3", "mistral", "phi3", "phi4_multimodal", "starcoder2", "voxtral_realtime",
)  # fmt: skip
"""Types that llm-compressor calibrated without a causal mask."""


def find_recipe_version(recipe: str, config: Mapping[str, Any]) -> int:
    """The making of a recipe that a model with this `config.json` gets, as its family says."""
    return find_family(recipe).version(find(recipe), config)


def find_making(config: Mapping[str, Any], *, sees_text: bool) -> int:
    """The making of a recipe of llm-compressor or bitsandbytes.

    1, or 2 for mixtures of experts, whose experts are linear layers now, and for recipes that see
    text on models that llm-compressor calibrated without a causal mask.
    """
    text = find_text_config(config)
    experts = any(isinstance(text.get(key), int) and text[key] > 1 for key in _EXPERTS)
    unmasked = sees_text and text.get("model_type") in _MASKED
    return FIRST + int(experts or unmasked)
