"""AutoRound's recipe: made by llm-compressor, in the format compressed-tensors, by auto-round.

A family of its own, since one more library decides what is made.
"""

from babelbits.recipes import autoround
from babelbits.recipes.families.compressed_tensors import (
    GROUP_SIZE,
    CompressedTensors,
    add_modules,
)
from babelbits.recipes.info import RecipeInfo


class LearnedRounding(CompressedTensors):
    """What llm-compressor makes with auto-round's learning; see `recipes.autoround`."""

    name = "auto-round"
    title = "llm-compressor with auto-round"
    recipes = (
        add_modules(
            RecipeInfo(
                name="autoround",
                summary="int4 weights in groups, their rounding and scales learned block by block",
                family="auto-round",
                method=autoround.METHOD,
                weight_bits=4.0,
                needs_calibration=True,
                parameters={"group_size": GROUP_SIZE, **autoround.PARAMETERS},
                aliases=("AutoRound",),
            )
        ),
    )
    examples = ()
    decisive = (*CompressedTensors.decisive, "auto-round")
    main_library = "auto-round"


FAMILY = LearnedRounding()
