"""A table of preferences, one judgment a row, with a header.

    pair_id,rater,preference                           variant, baseline, tie, unusable
    pair_id,rater,preference,variant_side              left, right, tie, unusable
    prompt,left,right,rater,preference                 left, right, tie, unusable

and, if there are, `strength` (1 or 2), `reasons` (separated by |), `seconds`, and `updated_at`, by
which the later of two judgments of one rater counts. Without `rater` nobody knows who judged.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, cast

from babelbits.errors import TaskError
from babelbits.preferences.imports.raw import (
    Choice,
    ImportOptions,
    RawVote,
    Row,
    Unreadable,
    VoteImporter,
    parse_choice,
    parse_time,
    strip_text,
)
from babelbits.tasks.reading import read_text

_TIMES = ("updated_at", "time", "timestamp", "created_at")


def looks_like(path: Path) -> bool:
    """Whether a file is called a CSV."""
    return path.name.removesuffix(".xz").endswith(".csv")


def read(path: Path, options: ImportOptions) -> Iterator[Row]:
    """Raw votes in the file's order; None for a row without a preference.

    Parameters
    ----------
    path : Path
        The table.
    options : ImportOptions
        `rater_column` is the column that names the rater, where it is not called `rater`.

    Raises
    ------
    TaskError
        If a column is missing.
    """
    rater_column = options.rater_column
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    columns = set(reader.fieldnames or ())
    needed = {"preference"} | ({rater_column} if rater_column else set())
    missing = sorted(needed - columns)
    if missing or not ({"pair_id"} <= columns or {"left", "right"} <= columns):
        raise TaskError(
            f"the table lacks {', '.join(missing) or 'pair_id, or left and right'}",
            where=str(path),
            hint="columns: pair_id (or prompt, left, right), preference, and rater if known",
        )
    for row in reader:
        where = f"{path}: line {reader.line_num}"
        try:
            yield _vote(row, where, options.means, rater_column or "rater")
        except TaskError as error:
            yield Unreadable(where=where, what=error.what)


def _vote(
    row: Mapping[str, str | None], where: str, means: Mapping[str, Choice], rater_column: str
) -> RawVote | None:
    word = strip_text(row["preference"])
    if word is None:
        return None
    return RawVote(
        where=where,
        rater=strip_text(row.get(rater_column)),
        choice=parse_choice(word, where=where, means=means),
        pair_id=row.get("pair_id") or None,
        prompt=row.get("prompt") or None,
        left=row.get("left"),
        right=row.get("right"),
        variant_side=_side(row.get("variant_side"), where),
        strength=_strength(row.get("strength"), where),
        reasons=tuple(filter(None, (row.get("reasons") or "").split("|"))),
        seconds=_seconds(row.get("seconds"), where),
        given_at=parse_time(next((row[name] for name in _TIMES if row.get(name)), None)),
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


IMPORTER = VoteImporter(name="csv", sign="a .csv", looks_like=looks_like, read=read)
