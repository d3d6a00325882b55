"""Numbers of stored tensors in plain floating point, without torch, to compare checkpoints."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from babelbits.formats.weight_records import StoredTensor

_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
FLOATS = (*_TYPES, "BF16")
"""Stored types that `read_values` reads."""
_PRECISION = {"F64": 1e-6, "F32": 1e-6, "F16": 2.0**-10, "BF16": 2.0**-7}
"""Relative; two roundings to the coarser type of a pair."""


def read_values(tensor: StoredTensor, *, rows: int | None = None) -> NDArray[np.float32]:
    """A tensor's numbers, or its first rows.

    Raises
    ------
    ValueError
        If it is of another type than `FLOATS`.
    OSError
        If the file cannot be read.
    """
    count = int(np.prod(tensor.shape, dtype=np.int64))
    shape = tensor.shape
    if rows is not None and len(shape) > 1 and rows < shape[0]:
        shape = (rows, *shape[1:])
        count = int(np.prod(shape, dtype=np.int64))
    width = tensor.size // max(1, int(np.prod(tensor.shape, dtype=np.int64)))
    with tensor.file.open("rb") as file:
        file.seek(tensor.start)
        data = file.read(count * width)
    return _decoded(data, tensor.dtype).reshape(shape)


def _decoded(data: bytes, dtype: str) -> NDArray[np.float32]:
    if dtype == "BF16":
        words = np.frombuffer(data, "<u2").astype(np.uint32) << np.uint32(16)
        return words.view(np.float32)
    if dtype not in _TYPES:
        raise ValueError(f"{dtype} is no floating point type that is read here")
    return np.frombuffer(data, _TYPES[dtype]).astype(np.float32)


def agree(one: NDArray[Any], other: NDArray[Any], *, dtypes: tuple[str, str]) -> bool:
    """Whether two arrays are one up to the rounding of their stored types.

    Parameters
    ----------
    one, other : arrays of one shape
    dtypes : tuple of str
        Stored types, of `FLOATS`; arrays of one type must be equal.
    """
    if dtypes[0] == dtypes[1]:
        return bool(np.array_equal(one, other))
    tolerance = max(_PRECISION[dtype] for dtype in dtypes)
    scale = np.maximum(np.abs(one), np.abs(other))
    return bool(np.all(np.abs(one - other) <= tolerance * scale + 1e-7))
