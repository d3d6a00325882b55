"""GPTQ's and AWQ's packed words back to the weights that they stand for.

numpy alone, one tensor at a time. Scales are taken as they are stored.

Sources: AutoGPTQ's `QuantLinear` of the format 'gptq' (zero points are stored less one) and
'gptq_v2' (as they are); AutoAWQ's `WQLinear_GEMM` with its order of nibbles.
"""

import numpy as np
from numpy.typing import NDArray

_WORD = 32
_AT_ONCE = 512
"""Columns whose bits are spread at a time."""
_AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""Which column each nibble of a word belongs to, the lowest bits first."""


def unpack_rows(words: NDArray[np.int32], bits: int) -> NDArray[np.int32]:
    """Integers that were packed along the first axis, the lowest bits first.

    Parameters
    ----------
    words : array of shape (inputs * bits / 32, outputs)
    bits : int
        2, 3, 4 or 8; of 3 the numbers follow each other over three words.

    Returns
    -------
    array of shape (inputs, outputs), values from 0 to 2**bits - 1
    """
    if _WORD % bits:
        return _from_stream(words, bits)
    shifts = np.arange(0, _WORD, bits, dtype=np.uint32)
    found = (words.view(np.uint32)[:, None, :] >> shifts[None, :, None]) & (2**bits - 1)
    unpacked: NDArray[np.int32] = found.reshape(-1, words.shape[1]).astype(np.int32)
    return unpacked


def _from_stream(words: NDArray[np.int32], bits: int) -> NDArray[np.int32]:
    """Integers whose bits run over the borders of words, a few columns at a time."""
    found = np.empty((len(words) * _WORD // bits, words.shape[1]), dtype=np.int32)
    weights = 1 << np.arange(bits, dtype=np.int32)
    for start in range(0, words.shape[1], _AT_ONCE):
        some = np.ascontiguousarray(words[:, start : start + _AT_ONCE].T).astype("<u4")
        flags = np.unpackbits(some.view(np.uint8), axis=1, bitorder="little")
        found[:, start : start + _AT_ONCE] = (flags.reshape(len(some), -1, bits) @ weights).T
    return found


def unpack_columns(words: NDArray[np.int32], bits: int) -> NDArray[np.int32]:
    """Integers that were packed along the last axis, the lowest bits first.

    As `unpack_rows`, for arrays of shape (groups, outputs * bits / 32).
    """
    return np.ascontiguousarray(unpack_rows(np.ascontiguousarray(words.T), bits).T)


def dequantize_gptq(
    qweight: NDArray[np.int32],
    qzeros: NDArray[np.int32],
    scales: NDArray[np.floating],
    *,
    bits: int,
    group_of: NDArray[np.integer] | None = None,
    zeros_less_one: bool = True,
) -> NDArray[np.float32]:
    """A weight of shape (outputs, inputs) from a checkpoint in GPTQ's format.

    Parameters
    ----------
    qweight : array of shape (inputs * bits / 32, outputs)
    qzeros : array of shape (groups, outputs * bits / 32)
    scales : array of shape (groups, outputs)
    bits : int
        2, 3, 4 or 8.
    group_of : array of shape (inputs,), optional
        Group of each input (`g_idx`); groups follow each other if not given.
    zeros_less_one : bool
        Whether the stored zero points are one too small: 'gptq', not 'gptq_v2'.
    """
    codes = unpack_rows(qweight, bits)
    zeros = unpack_columns(qzeros, bits) + int(zeros_less_one)
    groups = len(scales)
    if group_of is None:
        group_of = np.arange(len(codes)) // (len(codes) // groups)
    found = (codes - zeros[group_of]) * scales[group_of].astype(np.float32)
    return np.ascontiguousarray(found.T, dtype=np.float32)


def dequantize_awq(
    qweight: NDArray[np.int32], qzeros: NDArray[np.int32], scales: NDArray[np.floating]
) -> NDArray[np.float32]:
    """A weight of shape (outputs, inputs) from a checkpoint in AWQ's 4-bit format.

    Parameters
    ----------
    qweight : array of shape (inputs, outputs / 8)
    qzeros : array of shape (groups, outputs / 8)
    scales : array of shape (groups, outputs)
    """
    codes, zeros = (_in_order(unpack_columns(words, 4)) for words in (qweight, qzeros))
    group_of = np.arange(len(codes)) // (len(codes) // len(scales))
    found = (codes - zeros[group_of]) * scales[group_of].astype(np.float32)
    return np.ascontiguousarray(found.T, dtype=np.float32)


def _in_order(packed: NDArray[np.int32]) -> NDArray[np.int32]:
    """Columns in their order: nibble k of a word is column `_AWQ_ORDER[k]`."""
    words = packed.reshape(len(packed), -1, len(_AWQ_ORDER))
    found = np.empty_like(words)
    found[:, :, list(_AWQ_ORDER)] = words
    return found.reshape(packed.shape)
