"""Makes GGUF variants of the bundled model for tests, quickly."""

from pathlib import Path
from typing import Any

from babelbits.bundled import find_bundled_model
from babelbits.recipes.make import make
from babelbits.records import Manifest

SHORT = {"samples": 4, "tokens": 64}
"""Of calibration text."""


def quick(out: Path, recipe: str, *, base: Path | None = None, **options: Any) -> Manifest:
    """A variant of a model, by default the bundled one."""
    settings: dict[str, Any] = {
        "parameters": {},
        "calibration": None,
        "variant_id": "id",
        "base_label": "bundled",
        "base_hash": "base",
        "seed": 0,
        "device": "cpu",
        **options,
    }
    return make(base or find_bundled_model(), recipe=recipe, out=out, **settings)


def types_of(manifest: Manifest) -> dict[str, str]:
    """The type of each tensor."""
    return {tensor.name: tensor.dtype for tensor in manifest.tensors}
