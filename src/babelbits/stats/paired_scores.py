"""Two score vectors over the same items, checked before anything is computed from them.

Joining on item ids is the caller's work; here only shapes and values can be checked.
Sign: ``variant - baseline``.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from babelbits.errors import UnpairedItemsError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]


def paired_differences(baseline: ArrayLike, variant: ArrayLike) -> FloatArray:
    """Item by item ``variant - baseline``.

    Parameters
    ----------
    baseline, variant : shape (n_items,)
        Finite scores in the same item order.

    Raises
    ------
    UnpairedItemsError
        If the shapes differ, there are no items, or a score is missing (NaN).
    """
    first, second = np.asarray(baseline, float), np.asarray(variant, float)
    if first.shape != second.shape or first.ndim != 1 or first.size == 0:
        raise UnpairedItemsError(
            f"baseline has shape {first.shape}, variant {second.shape}",
            hint="join both runs on item_id before comparing",
        )
    missing = int(np.sum(~np.isfinite(first) | ~np.isfinite(second)))
    if missing:
        raise UnpairedItemsError(
            f"{missing} of {first.size} items have no finite score in one of the two runs",
            hint="leave them out of the pairs and count them",
        )
    return np.asarray(second - first, float)


def checked_columns(values: ArrayLike) -> FloatArray:
    """`values` as a finite (n, k) array; one column if it has shape (n,).

    Raises
    ------
    UnpairedItemsError
        If there are no rows, or a value is missing (NaN).
    """
    table = np.asarray(values, float)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or table.shape[0] == 0 or not np.isfinite(table).all():
        raise UnpairedItemsError(
            f"differences of shape {table.shape} are empty or not finite",
            hint="leave items without a score out of the pairs and count them",
        )
    return table
