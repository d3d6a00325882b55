"""What a plan will cost: bytes from the base model's headers, seconds from earlier cells.

Bytes are an estimate before a variant is made (its manifest knows exactly). Seconds are a range
from what was measured on this machine, or None: nothing is guessed.
"""

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from babelbits.llamacpp import gguf_file
from babelbits.recipes.catalogue import RECIPES
from babelbits.recipes.family import find_family
from babelbits.recipes.gguf_base import is_gguf
from babelbits.recipes.tensors import list_weight_files, read_tensors
from babelbits.records import TensorRecord
from babelbits.study.config.spec import VariantSpec


def read_base_tensors(folder: Path) -> tuple[TensorRecord, ...] | None:
    """The base model's weights by their headers; None where there are only pickles.

    Parameters
    ----------
    folder : Path
        Of a checkpoint; or a GGUF file.
    """
    if is_gguf(folder):
        return gguf_file.read_tensors(folder)
    return read_tensors(folder) if list_weight_files(folder) else None


def estimate_variant_bytes(
    variant: VariantSpec, tensors: Sequence[TensorRecord], *, config: Mapping[str, Any]
) -> int:
    """Estimated bytes of a variant's weights.

    Parameters
    ----------
    variant : VariantSpec
        Recipe and parameters; the baseline is taken as it lies.
    config : mapping
        The base model's `config.json`.
    """
    family = find_family(variant.recipe)
    info = RECIPES[variant.recipe]
    return family.size(tensors, info, variant.parameters, config=config)


def make_timing_key(recipe: str, suite: str) -> str:
    """Under which name the store remembers seconds an item."""
    return f"{recipe}/{suite}"


def name_machine() -> str:
    """The name under which timings of this machine are remembered: its host name."""
    return platform.node()


def estimate_seconds(
    timings: Mapping[str, Sequence[float]], *, recipe: str, suite: str, n_items: int
) -> tuple[float, float] | None:
    """Time of a cell from earlier cells of the same recipe and suite: 10th to 90th percentile.

    Parameters
    ----------
    timings : mapping
        `make_timing_key` to seconds an item, one for each cell measured on this machine.

    Returns
    -------
    (low, high) in seconds, or None where nothing was measured.
    """
    measured = timings.get(make_timing_key(recipe, suite), ())
    if not measured:
        return None
    low, high = np.percentile(np.asarray(measured, dtype=float), [10, 90])
    return float(low) * n_items, float(high) * n_items
