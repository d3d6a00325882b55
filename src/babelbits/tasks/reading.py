"""Reads data files that came from anywhere; says file and place of what is wrong with them.

Lines end at a newline alone: U+2028 and its kin are text. Compressed files (`.xz`) read the same.
"""

import json
import lzma
from pathlib import Path
from typing import Any

from babelbits.errors import TaskError

Row = dict[str, Any]


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, without a byte-order mark.

    Raises
    ------
    TaskError
        If it cannot be read, is damaged, or is not UTF-8 (with the offset of the first bad byte).
    """
    try:
        raw = path.read_bytes()
        if path.suffix == ".xz":
            raw = lzma.decompress(raw)
    except (OSError, lzma.LZMAError) as error:
        raise TaskError(f"data cannot be read: {error}", where=str(path)) from error
    try:
        return raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise TaskError(
            f"not UTF-8: byte 0x{raw[error.start]:02x} at offset {error.start}",
            where=str(path),
            hint="convert the file, for example with iconv -t UTF-8",
        ) from error


def read_lines(path: Path) -> list[str]:
    """Lines of a text file, without their ends, be they LF or CRLF."""
    lines = read_text(path).split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def read_jsonl(path: Path) -> list[Row]:
    """Rows of a file with one JSON object a line; empty lines are skipped.

    Raises
    ------
    TaskError
        If a line is not a JSON object, holds NaN or half a surrogate pair.
    """
    lines = enumerate(read_lines(path), start=1)
    return [_parse_row(line, f"{path}:{number}") for number, line in lines if line.strip()]


def _parse_row(line: str, where: str) -> Row:
    try:
        row = json.loads(line, parse_constant=_refuse_constant)
        json.dumps(row, ensure_ascii=False).encode()
    except ValueError as error:  # JSONDecodeError and UnicodeEncodeError are ValueErrors
        raise TaskError(f"not a line of JSON: {error}", where=where) from error
    if not isinstance(row, dict):
        raise TaskError(f"expected a JSON object, found {type(row).__name__}", where=where)
    return row


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def text_field(row: Row, name: str, where: str) -> str:
    """A field that must be text with something in it.

    Raises
    ------
    TaskError
        If it is missing, not text, or blank.
    """
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise TaskError(f"'{name}' must be text, found {value!r:.80}", where=where)
    return value
