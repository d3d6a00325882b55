"""What happened to the items of a finished cell, counted without reading their texts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelbits.store.thoughts import Thoughts

_COLUMNS = ["failure_kind", "truncated_tokens"]
_ANSWERS = "answers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Items of a cell by what went wrong with them."""

    n_items: int
    failed: Mapping[str, int]
    """Kind of failure to items; empty where all have an answer."""
    truncated: int
    """Items whose prompt lost its beginning because it was longer than the context."""

    thoughts: Thoughts = Thoughts()  # noqa: RUF009  frozen
    """What the model thought before its answers."""

    @property
    def n_failed(self) -> int:
        """Items without an answer."""
        return sum(self.failed.values())


def count(path: Path) -> Counts:
    """Counts of the Parquet file of a finished cell."""
    import pyarrow.parquet as pq

    there = set(pq.read_schema(path).names)  # older files have no answers
    wanted = [name for name in (*_COLUMNS, _ANSWERS) if name in there]
    columns = pq.read_table(path, columns=wanted).to_pydict()
    texts = [one for answers in columns.get(_ANSWERS, ()) for one in answers]
    kinds, cut = (columns[name] for name in _COLUMNS)
    return Counts(
        n_items=len(kinds),
        failed=Counter(kind for kind in kinds if kind is not None),
        truncated=sum(tokens > 0 for tokens in cut),
        thoughts=_thoughts(texts),
    )


def _thoughts(texts: Sequence[Mapping[str, Any]]) -> Thoughts:
    thought = [one for one in texts if one["thinking"] is not None]
    return Thoughts(
        generations=len(texts),
        thinking=len(thought),
        unfinished=sum(not one["thinking_finished"] for one in thought),
        tokens=sum(one["thinking_tokens"] for one in thought),
    )
