"""A table of preferences, one judgment a row, with a header.

    pair_id,rater,preference                           variant, baseline, tie, unusable
    pair_id,rater,preference,variant_side              left, right, tie, unusable
    prompt,left,right,rater,preference                 left, right, tie, unusable

and, if there are, `strength` (1 or 2), `reasons` (separated by |) and `seconds`.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, cast

from babelbits.errors import TaskError
from babelbits.judge.foreign.raw import Choice, RawVote, choice_of
from babelbits.tasks.reading import read_text

_NEEDED = ("rater", "preference")


def votes(path: Path, *, means: Mapping[str, Choice]) -> Iterator[RawVote | None]:
    """Raw votes in the file's order.

    Raises
    ------
    TaskError
        If a column is missing or a field cannot be read.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    columns = reader.fieldnames or ()
    missing = [name for name in _NEEDED if name not in columns]
    if missing or not ({"pair_id"} <= set(columns) or {"left", "right"} <= set(columns)):
        raise TaskError(
            f"the table lacks {', '.join(missing) or 'pair_id, or left and right'}",
            where=str(path),
            hint="columns: pair_id (or prompt, left, right), rater, preference",
        )
    for row in reader:
        where = f"{path}: line {reader.line_num}"
        yield RawVote(
            where=where,
            rater=row["rater"],
            choice=choice_of(row["preference"], where=where, means=means),
            pair_id=row.get("pair_id") or None,
            prompt=row.get("prompt") or None,
            left=row.get("left"),
            right=row.get("right"),
            variant_side=_side(row.get("variant_side"), where),
            strength=_strength(row.get("strength"), where),
            reasons=tuple(filter(None, (row.get("reasons") or "").split("|"))),
            seconds=_seconds(row.get("seconds"), where),
        )


def _side(word: str | None, where: str) -> Literal["left", "right"] | None:
    if not word:
        return None
    if word not in ("left", "right"):
        raise TaskError(f"'variant_side' must be left or right, found {word!r:.40}", where=where)
    return cast(Literal["left", "right"], word)


def _strength(word: str | None, where: str) -> int | None:
    if not word:
        return None
    if word not in ("1", "2"):
        raise TaskError(f"'strength' must be 1 or 2, found {word!r:.40}", where=where)
    return int(word)


def _seconds(word: str | None, where: str) -> float | None:
    try:
        return float(word) if word else None
    except ValueError as error:
        raise TaskError(f"'seconds' must be a number, found {word!r:.40}", where=where) from error
