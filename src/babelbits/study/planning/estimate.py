"""What a plan will cost: bytes from the base model's headers, seconds from earlier cells.

Bytes are an estimate before a variant is made (its manifest knows exactly). Seconds are a range
from what was measured on this machine, or None: nothing is guessed.
"""

import math
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from babelbits.formats.parts import is_kept
from babelbits.llamacpp import gguf_file
from babelbits.recipes.catalogue import RECIPES
from babelbits.recipes.fit import is_linear
from babelbits.recipes.gguf_base import is_gguf
from babelbits.recipes.tensors import read_tensors, weight_files
from babelbits.records import TensorRecord
from babelbits.study.config.spec import VariantSpec

_SCALE_BYTES = 2
"""A scale is stored in the base model's 16-bit type, as a rule."""
_BLOCK_BITS = {
    "q8_0": 8.5,
    "q6_k": 6.5625,
    "q5_k": 5.5,
    "q4_k": 4.5,
    "iq4_xs": 4.25,
    "q3_k": 3.4375,
    "iq3_s": 3.4375,
    "q2_k": 2.625,
    "iq2_s": 2.5,
}
"""Bits a weight of llama.cpp's block types, scales and all (ggml-common.h)."""
_OUTPUT_BITS = 6.5625
"""Its mixtures below q8_0 keep the output, or embeddings that serve as output, in q6_k."""
_NF4_BLOCK = 64
_NF4_SCALE_BYTES = 4


def base_tensors(folder: Path) -> tuple[TensorRecord, ...] | None:
    """The base model's weights by their headers; None where there are only pickles.

    Parameters
    ----------
    folder : Path
        Of a checkpoint; or a GGUF file.
    """
    if is_gguf(folder):
        return gguf_file.read_tensors(folder)
    return read_tensors(folder) if weight_files(folder) else None


def variant_bytes(
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
    info = RECIPES[variant.recipe]
    if info.method == "none":
        return sum(tensor.bytes for tensor in tensors)
    kept = [tensor for tensor in tensors if is_kept(tensor.name, config, family=info.family)]
    if info.family == "gguf":
        return sum(_gguf_bytes(tensor, variant) for tensor in kept)
    return sum(
        _quantized_bytes(tensor, variant) if is_linear(tensor) else tensor.bytes for tensor in kept
    )


def _gguf_bytes(tensor: TensorRecord, variant: VariantSpec) -> int:
    """One tensor in llama.cpp's format: its mixture's main type, norms in fp32."""
    weights = math.prod(tensor.shape)
    if len(tensor.shape) < 2:
        return 4 * weights
    kind = RECIPES[variant.recipe].mixture
    if kind is None:
        return weights * (4 if variant.parameters["type"] == "f32" else 2)
    name = kind.casefold()
    main = next(bits for block, bits in _BLOCK_BITS.items() if name.startswith(block))
    bits = main if is_linear(tensor) else max(main, _OUTPUT_BITS)
    return math.ceil(weights * bits / 8)


def _quantized_bytes(tensor: TensorRecord, variant: VariantSpec) -> int:
    """Codes and scales of one linear layer."""
    rows, columns = math.prod(tensor.shape[:-1]), tensor.shape[-1]
    info = RECIPES[variant.recipe]
    codes = math.ceil(rows * columns * info.weight_bits / 8)
    if info.method == "nf4":
        return codes + math.ceil(rows * columns / _NF4_BLOCK) * _NF4_SCALE_BYTES
    group = variant.parameters.get("group_size", columns)
    return codes + rows * math.ceil(columns / int(group)) * _SCALE_BYTES


def timing_key(recipe: str, suite: str) -> str:
    """Under which name the store remembers seconds an item."""
    return f"{recipe}/{suite}"


def machine() -> str:
    """The name under which timings of this machine are remembered: its host name."""
    return platform.node()


def seconds(
    timings: Mapping[str, Sequence[float]], *, recipe: str, suite: str, n_items: int
) -> tuple[float, float] | None:
    """Time of a cell from earlier cells of the same recipe and suite: 10th to 90th percentile.

    Parameters
    ----------
    timings : mapping
        `timing_key` to seconds an item, one for each cell measured on this machine.

    Returns
    -------
    (low, high) in seconds, or None where nothing was measured.
    """
    measured = timings.get(timing_key(recipe, suite), ())
    if not measured:
        return None
    low, high = np.percentile(np.asarray(measured, dtype=float), [10, 90])
    return float(low) * n_items, float(high) * n_items
