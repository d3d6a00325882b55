"""The baseline: the model as it is, which nobody makes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from babelbits.errors import RecipeError
from babelbits.recipes.family import Family, Job, Made
from babelbits.recipes.info import RecipeInfo
from babelbits.records import TensorRecord


class Baseline(Family):
    """The unquantized model."""

    name = "none"
    title = "another model"
    main_library = "transformers"
    recipes = (
        RecipeInfo(
            name="baseline",
            summary="the model as it is",
            family="none",
            method="none",
            weight_bits=16.0,
            aliases=("fp16", "bf16", "unquantized"),
        ),
    )

    def make(self, job: Job, folder: Path) -> Made:
        """Never: the baseline lies where it lies.

        Raises
        ------
        RecipeError
            Always.
        """
        raise RecipeError("the baseline is not made: `describe_base` gives its manifest")

    def size(
        self,
        tensors: Sequence[TensorRecord],
        info: RecipeInfo,
        settled: Mapping[str, Any],
        *,
        config: Mapping[str, Any],
    ) -> int:
        """All of its weights."""
        return sum(tensor.bytes for tensor in tensors)


FAMILY = Baseline()
