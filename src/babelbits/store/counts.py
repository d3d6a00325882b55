"""What happened to the items of a finished cell, counted without reading their texts."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_COLUMNS = ["failure_kind", "truncated_tokens"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Items of a cell by what went wrong with them."""

    n_items: int
    failed: Mapping[str, int]
    """Kind of failure to items; empty where all have an answer."""
    truncated: int
    """Items whose prompt lost its beginning because it was longer than the context."""

    @property
    def n_failed(self) -> int:
        """Items without an answer."""
        return sum(self.failed.values())


def count(path: Path) -> Counts:
    """Counts of the Parquet file of a finished cell."""
    import pyarrow.parquet as pq

    columns = pq.read_table(path, columns=_COLUMNS).to_pydict()
    kinds, cut = (columns[name] for name in _COLUMNS)
    return Counts(
        n_items=len(kinds),
        failed=Counter(kind for kind in kinds if kind is not None),
        truncated=sum(tokens > 0 for tokens in cut),
    )
