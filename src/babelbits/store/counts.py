"""What happened to the items of a finished cell, counted without reading their texts."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelbits.libraries import load
from babelbits.records import Answer
from babelbits.words import plural


@dataclass(frozen=True, slots=True, kw_only=True)
class Thoughts:
    """Generations by what they thought."""

    generations: int = 0
    """Texts among which thinking was looked for."""
    thinking: int = 0
    """Those that thought."""
    unfinished: int = 0
    """Those whose thinking never ended: they have no answer, and count as cut short."""
    tokens: int = 0
    """Of thinking, over all of them."""

    def __add__(self, other: "Thoughts") -> "Thoughts":
        return Thoughts(
            generations=self.generations + other.generations,
            thinking=self.thinking + other.thinking,
            unfinished=self.unfinished + other.unfinished,
            tokens=self.tokens + other.tokens,
        )

    def in_words(self) -> str:
        """One sentence; only for counts that hold some thinking."""
        text = (
            f"{self.thinking:,} of {plural(self.generations, 'generation')} thought first, "
            f"{plural(round(self.tokens / self.thinking), 'token')} on average"
        )
        if not self.unfinished:
            return text
        return f"{text}; {self.unfinished:,} never stopped thinking and were scored as empty"


def count_thoughts(answers: Iterable[Answer]) -> Thoughts:
    """Of the texts of some items."""
    found = list(answers)
    thought = [one for one in found if one.thinking is not None]
    return Thoughts(
        generations=len(found),
        thinking=len(thought),
        unfinished=sum(not one.thinking_finished for one in thought),
        tokens=sum(one.thinking_tokens for one in thought),
    )


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

    thoughts: Thoughts = Thoughts()
    """What the model thought before its answers."""

    @property
    def n_failed(self) -> int:
        """Items without an answer."""
        return sum(self.failed.values())


def count(path: Path) -> Counts:
    """Counts of the Parquet file of a finished cell."""
    pq = load(
        "pyarrow.parquet", of="pyarrow", what="a run folder, whose results are Parquet files,"
    )

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
