"""Fixtures of the recipes' tests: a calibration text, and variants of a tiny model made once."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from babelbits.recipes.calibration import CalibrationSpec
from babelbits.recipes.catalogue import find
from babelbits.recipes.make import make
from babelbits.records import Manifest

GROUP = 32
"""Divides the tiny models' 64 and 128 inputs; the default of 128 does not divide 64."""

Maker = Callable[..., tuple[Path, Manifest]]


@pytest.fixture(scope="session")
def calibration_text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred lines of nonsense words."""
    rng = random.Random(0)
    words = ["fox", "dog", "über", "лиса", "狐", "كلب", "कुत्ता", "quick", "mbwa", "7", "13"]
    lines = [" ".join(rng.choices(words, k=12)) + "." for _ in range(200)]
    path = tmp_path_factory.mktemp("calibration") / "text.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def variant(
    tiny_model: Callable[[str], Path],
    calibration_text: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Maker:
    """A variant of a tiny model by recipe and architecture, made once a session."""
    made: dict[tuple[object, ...], tuple[Path, Manifest]] = {}

    def get(
        recipe: str, architecture: str = "llama", **parameters: object
    ) -> tuple[Path, Manifest]:
        key = (recipe, architecture, *sorted(parameters.items()))
        if key not in made:
            if "group_size" in find(recipe).parameters:
                parameters = {"group_size": GROUP, **parameters}
            out = tmp_path_factory.mktemp("variants") / recipe
            spec = CalibrationSpec(
                language="en", source=str(calibration_text), samples=2, tokens=64
            )
            manifest = make(
                tiny_model(architecture),
                recipe=recipe,
                parameters=parameters,
                calibration=spec,
                out=out,
                variant_id=f"id-{recipe}",
                base_label=f"tiny {architecture}",
                base_hash="base",
                seed=0,
                device="cpu",
            )
            made[key] = (out, manifest)
        return made[key]

    return get
