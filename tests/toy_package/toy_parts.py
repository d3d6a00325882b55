"""A package of somebody else: a family with one recipe, and an engine that runs its variants."""

import shutil
from pathlib import Path

from babelbits.engines.base import Engine, EngineKind, EngineSettings
from babelbits.recipes.family import Family, Job, Made
from babelbits.recipes.info import ParameterInfo, RecipeInfo
from babelbits.recipes.linear_weights import is_linear
from babelbits.recipes.tensors import read_tensors

_BITS = ParameterInfo(type=int, default=3, minimum=2, maximum=8, help="of a weight's code")


class Rounding(Family):
    """Rounds each output channel to a grid and stores the rounded weights as they were stored."""

    name = "toy"
    format = "toy"
    title = "toy-parts"
    recipes = (
        RecipeInfo(
            name="toy-round",
            summary="weights on a grid, one scale an output channel",
            family="toy",
            method="rtn",
            weight_bits=3.0,
            parameters={"bits": _BITS},
        ),
    )
    default_engine = "toy"

    def make(self, job: Job, folder: Path) -> Made:
        """Round every linear weight of the blocks."""
        from safetensors.torch import load_file, save_file

        shutil.copytree(job.base, folder, dirs_exist_ok=True)
        linear = {tensor.name for tensor in read_tensors(job.base) if is_linear(tensor)}
        for file in folder.glob("*.safetensors"):
            file.chmod(0o644)
            weights = load_file(file)
            for name in linear & set(weights):
                levels = 2 ** (int(job.parameters["bits"]) - 1) - 1
                scale = weights[name].abs().amax(1, keepdim=True) / levels
                weights[name] = (weights[name] / scale).round() * scale
            save_file(weights, file, metadata={"format": "pt"})
        return Made(notes=(f"{len(linear)} weights were rounded",))


class ToyEngine(EngineKind):
    """Transformers under another name."""

    name = "toy"
    formats = ("hf", "toy")
    libraries = ("torch", "transformers")

    def load(self, folder: Path, *, settings: EngineSettings) -> Engine:
        """Load a checkpoint."""
        from babelbits.engines import transformers

        return transformers.load(folder, settings=settings)


FAMILY, ENGINE = Rounding(), ToyEngine()
