"""Random signs and random draws with replacement, in blocks that stay small.

`rng` is an argument; nothing here owns randomness.
"""

from collections.abc import Iterator

import numpy as np

from babelbits.stats.pairs import FloatArray

_CELLS_AT_ONCE = 1 << 21


def random_signs(n: int, *, resamples: int, rng: np.random.Generator) -> Iterator[FloatArray]:
    """Random ±1 in blocks of shape (rows, n), `resamples` rows in all."""
    for rows in _blocks(n, resamples):
        raw = rng.integers(0, 256, size=(rows, (n + 7) // 8), dtype=np.uint8)
        yield np.unpackbits(raw, axis=1, count=n).astype(np.float64) * 2 - 1


def bootstrap_counts(n: int, *, resamples: int, rng: np.random.Generator) -> Iterator[FloatArray]:
    """How often each of n values is drawn, in blocks of shape (rows, n)."""
    for rows in _blocks(n, resamples):
        drawn = rng.integers(0, n, size=(rows, n)) + np.arange(rows)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(float)


def _blocks(n: int, resamples: int) -> Iterator[int]:
    """Rows per block, so that a block of n columns stays small."""
    size = max(1, _CELLS_AT_ONCE // n)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)
