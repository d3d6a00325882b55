"""Local copies of MMLU and SIB-200, as their authors publish them or as one table, in hub columns.

MMLU: `{dev,val,test}/<subject>_<split>.csv` (github.com/hendrycks/test), or `mmlu.tsv` with the
columns split, subject, question, A, B, C, D, answer. SIB-200: `<language>/{train,dev,test}.tsv`
(github.com/dadelani/sib-200, data/annotated), or `sib200_wide.tsv` with the columns split,
index_id, category and one column a language. Tables may be compressed (`.xz`).
"""

import csv
import io
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from babelbits.errors import TaskError
from babelbits.tasks.reading import Row, read_text

_SPLITS: Mapping[str, str] = MappingProxyType(
    {"dev": "dev", "val": "validation", "test": "test", "train": "train"}
)
_SIB_SPLITS: Mapping[str, str] = MappingProxyType({**_SPLITS, "dev": "validation"})
_LETTERS = "ABCD"

Splits = dict[str, list[Row]]


def is_mmlu(_config: str, folder: Path) -> bool:
    """Whether the folder is a copy of MMLU."""
    return find_table(folder, "mmlu.tsv") is not None or (folder / "test").is_dir()


def read_mmlu(config: str, folder: Path) -> Splits:
    """One subject of MMLU: question, subject, choices, and the right one's number.

    Raises
    ------
    TaskError
        If a row has no four choices, or its answer is none of A, B, C, D.
    """
    table = find_table(folder, "mmlu.tsv")
    if table is not None:
        lines = list(_by_subject(table, *_state(table)).get(config, ()))
    else:
        lines = [
            (split, f"{path}:{number}", fields)
            for split in ("dev", "val", "test")
            if (path := folder / split / f"{config}_{split}.csv").is_file()
            for number, fields in enumerate(csv.reader(io.StringIO(read_text(path))), start=1)
        ]
    splits: Splits = {}
    for split, where, fields in lines:
        splits.setdefault(_SPLITS.get(split, split), []).append(_mmlu_row(fields, config, where))
    return splits


def is_sib200(config: str, folder: Path) -> bool:
    """Whether the folder is a copy of SIB-200."""
    wide = find_table(folder, "sib200_wide.tsv") is not None
    return wide or (_sib_folder(folder) / config / "test.tsv").is_file()


def read_sib200(config: str, folder: Path) -> Splits:
    """One language of SIB-200: index_id, category, text.

    Raises
    ------
    TaskError
        If the table has no column of that language, or a row no text.
    """
    table = find_table(folder, "sib200_wide.tsv")
    if table is not None:
        rows, where = _table(table, *_state(table)), str(table)
        if rows and config not in rows[0]:
            raise TaskError(f"no column '{config}'", where=where)
        named = [(row["split"], row | {"text": row[config]}) for row in rows]
    else:
        place = _sib_folder(folder) / config
        where = str(place)
        named = [
            (split, row)
            for split in ("train", "dev", "test")
            if (path := place / f"{split}.tsv").is_file()
            for row in _table(path, *_state(path))
        ]
    splits: Splits = {}
    for number, (split, row) in enumerate(named, start=1):
        splits.setdefault(_SIB_SPLITS.get(split, split), []).append(
            _sib_row(row, f"{where}: row {number}")
        )
    return splits


def find_table(folder: Path, name: str) -> Path | None:
    """A table in a folder, compressed or not."""
    return next((p for n in (name, f"{name}.xz") if (p := folder / n).is_file()), None)


def _sib_folder(folder: Path) -> Path:
    """The languages' folder, wherever in the repository the user points."""
    inner = folder / "data" / "annotated"
    return inner if inner.is_dir() else folder


def _mmlu_row(fields: Sequence[str], subject: str, where: str) -> Row:
    if len(fields) != 6 or fields[5] not in _LETTERS or not fields[5]:
        raise TaskError("expected a question, four choices and A, B, C or D", where=where)
    question, *choices, answer = fields
    return {
        "question": question,
        "subject": subject,
        "choices": choices,
        "answer": _LETTERS.index(answer),
    }


def _sib_row(row: Mapping[str, str], where: str) -> Row:
    try:
        found = {"index_id": int(row["index_id"]), "category": row["category"], "text": row["text"]}
    except (KeyError, ValueError, TypeError) as error:
        raise TaskError(f"not a row of SIB-200: {error!r}", where=where) from error
    if not found["text"]:
        raise TaskError("an empty text", where=where)
    return found


def _state(path: Path) -> tuple[int, int]:
    """What changes when a file does."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=4)
def _table(path: Path, _changed: int, _size: int) -> Sequence[dict[str, str]]:
    """The rows of a table with a header; kept, for a study asks for many languages of it."""
    return tuple(csv.DictReader(io.StringIO(read_text(path)), delimiter="\t"))


@lru_cache(maxsize=2)
def _by_subject(
    path: Path, changed: int, size: int
) -> Mapping[str, Sequence[tuple[str, str, Sequence[str]]]]:
    """Subject to split, place and fields of its rows."""
    found: dict[str, list[tuple[str, str, Sequence[str]]]] = {}
    names = ("question", *_LETTERS, "answer")
    for number, row in enumerate(_table(path, changed, size), start=2):
        fields = [row.get(name) or "" for name in names]
        where = f"{path}: row {number}"
        found.setdefault(row.get("subject") or "", []).append(
            (row.get("split") or "", where, fields)
        )
    return MappingProxyType(found)
