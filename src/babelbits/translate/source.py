"""Files to units: rows of JSONL, a release of MixEval, or the paragraphs of a text.

Rows keep every column; what is translated is named, or known by the layout. A text is divided as
calibration text is read (`recipes.calibration`): at blank lines where it has some, else at lines.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from babelbits.errors import StudyError, TaskError
from babelbits.suggest import did_you_mean
from babelbits.tasks.reading import Row, read_jsonl, read_text
from babelbits.translate.job import TranslationJob
from babelbits.translate.units import Unit, make_row_unit, make_text_unit
from babelbits.words import agreeing, plural

_LAYOUTS: tuple[tuple[frozenset[str], tuple[str, ...]], ...] = (
    (frozenset({"prompt", "options", "target"}), ("context", "prompt", "options")),
    (frozenset({"prompt", "target", "problem_type"}), ("context", "prompt", "target")),
    (frozenset({"question", "choices"}), ("question", "choices")),
    (frozenset({"premise", "choice1", "choice2"}), ("premise", "choice1", "choice2")),
    (frozenset({"sentences"}), ("sentences",)),
    (frozenset({"text"}), ("text",)),
    (frozenset({"prompt"}), ("prompt",)),
)
"""Columns that tell a layout, and what is translated of it. MixEval's first (`target` is the
number of an option, or the answers in words)."""
_NAMES = ("id", "source_id", "idx", "item_id")
"""Columns that name a row."""
PROVENANCE = "translation"
"""The column that says where a translated row comes from."""
_ROWS, _RELEASE, _TEXTS = (".jsonl",), (".json",), (".txt", ".md")


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationSource:
    """A file taken apart."""

    units: tuple[Unit, ...]
    columns: tuple[str, ...]
    """Translated; empty for a text."""
    suffix: str
    """Of the output: '.jsonl' or '.txt'."""
    separator: str = "\n\n"
    """Between the paragraphs of a text."""


def read_source(job: TranslationJob) -> TranslationSource:
    """Read and divide a job's file.

    Raises
    ------
    StudyError
        If its kind is not known, a column is unknown, or none is named and no layout is known.
    TaskError
        If it cannot be read, holds nothing, or a row is not as it should be.
    """
    kind = Path(job.source.name.removesuffix(".xz")).suffix
    if kind in _TEXTS:
        return _read_texts(job)
    if kind in _ROWS:
        rows = read_jsonl(job.source)
    elif kind in _RELEASE:
        rows = _read_release(job.source)
    else:
        raise StudyError(
            f"files that end in {kind or 'nothing'!r} are not known",
            where=str(job.source),
            hint="rows: .jsonl, or a release of MixEval (.json); texts: .txt; also with .xz",
        )
    return _of_rows(rows, job)


def _of_rows(rows: list[Row], job: TranslationJob) -> TranslationSource:
    where = str(job.source)
    if not rows:
        raise TaskError("the file has no rows", where=where)
    if any(PROVENANCE in row for row in rows):
        raise TaskError(
            f"the rows have a column '{PROVENANCE}', in which provenance is to be written",
            where=where,
            hint="rename it; if they are translations already, translate their source",
        )
    columns = job.columns or _known_columns(rows[0], where)
    _check_columns(columns, rows, where)
    names = [_name(row, number) for number, row in enumerate(rows, start=1)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise TaskError(
            f"{plural(len(twice), 'id')} {agreeing(len(twice), 'names', 'name')} "
            f"several rows, for example {twice[0]!r}",
            where=where,
            hint="a translation is found again by its id: make ids unique",
        )
    chosen = list(zip(names, rows, strict=True))[: job.limit]
    units = tuple(
        make_row_unit(row, unit_id=name, columns=columns, where=f"{where}: row {name}")
        for name, row in chosen
    )
    return TranslationSource(units=units, columns=tuple(columns), suffix=".jsonl")


def _name(row: Row, number: int) -> str:
    for column in _NAMES:
        if isinstance(row.get(column), str | int):
            return str(row[column])
    return f"#{number}"


def _known_columns(row: Row, where: str) -> tuple[str, ...]:
    for telling, columns in _LAYOUTS:
        if telling <= set(row):
            return tuple(column for column in columns if column in row)
    found = [name for name, value in row.items() if isinstance(value, str | list)]
    raise StudyError(
        "which columns are to be translated?",
        where=where,
        hint=f"name them: --columns {','.join(found) or 'question,options'}",
    )


def _check_columns(columns: tuple[str, ...], rows: list[Row], where: str) -> None:
    known = dict.fromkeys(name for row in rows for name in row)
    for column in columns:
        if column not in known:
            near = did_you_mean(column, known)
            raise StudyError(
                f"no row has the column {column!r}",
                where=where,
                hint=near or f"available: {', '.join(known)}",
            )


def _read_release(path: Path) -> list[Row]:
    """Rows of a JSON object from id to row, or of an array of rows."""
    try:
        held = json.loads(read_text(path))
    except ValueError as error:
        raise TaskError(f"not JSON: {error}", where=str(path)) from error
    rows = held if isinstance(held, list) else None
    if isinstance(held, Mapping):
        rows = [{"id": name, **row} for name, row in held.items() if isinstance(row, Mapping)]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise TaskError("neither an object of rows nor an array of rows", where=str(path))
    return rows


def _read_texts(job: TranslationJob) -> TranslationSource:
    if job.columns:
        raise StudyError("a text has no columns", where="--columns", hint="leave the option out")
    text = read_text(job.source).replace("\r\n", "\n").strip()
    blocks = re.split(r"\n[ \t]*\n\s*", text)
    separator = "\n\n" if len(blocks) > 1 else "\n"
    paragraphs = blocks if len(blocks) > 1 else [line for line in text.split("\n") if line.strip()]
    if not any(paragraphs):
        raise TaskError("the text is empty", where=str(job.source))
    units = tuple(
        make_text_unit(paragraph, unit_id=f"#{number}")
        for number, paragraph in enumerate(paragraphs[: job.limit], start=1)
    )
    return TranslationSource(units=units, columns=(), suffix=".txt", separator=separator)
