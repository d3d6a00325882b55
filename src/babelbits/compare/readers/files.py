r"""Reads JSON, JSON lines and Parquet written by others; complaints name file and line.

Other tools write NaN into JSON: it is let through here as a float and becomes None where it is a
score. Lines end at "\n" alone: U+2028 and its kin are text.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from babelbits.errors import TaskError

Row = dict[str, Any]


def read_bytes(path: Path) -> bytes:
    """The bytes of a file; `TaskError` if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise TaskError(f"cannot be read: {error.strerror or error}", where=str(path)) from error


def read_text(path: Path) -> str:
    """The text of a UTF-8 file; `TaskError` names the first byte that is not."""
    return decode(read_bytes(path), str(path))


def decode(raw: bytes, where: str) -> str:
    """UTF-8 without a byte-order mark."""
    try:
        return raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise TaskError(
            f"not UTF-8: byte 0x{raw[error.start]:02x} at offset {error.start}", where=where
        ) from error


def parse_object(text: str, where: str) -> Row:
    """One JSON object.

    Raises
    ------
    TaskError
        If the text is cut off, is no JSON, or is no object.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TaskError(
            f"not whole JSON: {error}",
            where=where,
            hint="the file was cut off or damaged; write it again, or leave it out",
        ) from error
    if not isinstance(value, dict):
        raise TaskError(f"expected a JSON object, found {type(value).__name__}", where=where)
    return value


def read_object(path: Path) -> Row:
    """A file that holds one JSON object."""
    return parse_object(read_text(path), str(path))


def read_lines(path: Path) -> Iterator[tuple[str, Row]]:
    """`file:line` and object of every line that is not empty."""
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            where = f"{path}:{number}"
            yield where, parse_object(line, where)


def read_parquet(path: Path) -> list[Row]:
    """Rows of a Parquet file."""
    from pyarrow import ArrowException, parquet

    try:
        rows: list[Row] = parquet.read_table(path).to_pylist()
    except (OSError, ArrowException) as error:
        raise TaskError(f"no readable Parquet file: {error}", where=str(path)) from error
    return rows


def score(value: object) -> float | None:
    """A number, or None for NaN, infinity and whatever is no number."""
    if isinstance(value, bool | int | float):
        return float(value) if math.isfinite(value) else None
    return None


def number(value: object) -> float | None:
    """The same, for tools that write numbers as text."""
    if isinstance(value, str):
        try:
            return score(float(value))
        except ValueError:
            return None
    return score(value)


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def listing(value: object) -> list[Any]:
    """The value if it is a list or tuple, else an empty one."""
    return list(value) if isinstance(value, list | tuple) else []


def text(value: object) -> str:
    """A text for people: strings as they are, None as nothing, other things as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
