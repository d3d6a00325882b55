r"""Reads JSON, JSON lines, Parquet and text written by others; complaints name file and line.

Files of strangers are bounded: in bytes, in the length of a line, and in rows; deep nesting is
refused where it is met. Links that lead out of a folder are not followed. Other tools write NaN
into JSON: it is let through here as a float and becomes None where it is a score; half of a
surrogate pair becomes U+FFFD. Lines end at "\n" alone: U+2028 and its kin are text.
"""

import codecs
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from babelbits.errors import TaskError
from babelbits.libraries import load

Row = dict[str, Any]

LARGEST_FILE = 1 << 30
LARGEST_TEXT = 1 << 28
"""Bytes of a text that is not read line by line."""
LARGEST_LINE = 1 << 26
MOST_FILES = 100_000
_MOST_ROWS = 5_000_000
_BATCH = 64
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")


# --- folders ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Files below a folder."""

    files: tuple[Path, ...]
    """Sorted; regular files alone."""
    strayed: tuple[Path, ...]
    """Links that lead out of the folder: left out."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of links."""
        if not self.strayed:
            return ()
        names = ", ".join(path.name for path in self.strayed[:4])
        more = " …" if len(self.strayed) > 4 else ""
        return (f"left out, for it links to a place outside the folder: {names}{more}",)


def find_below(folder: Path, name: re.Pattern[str], *, deep: bool = True) -> Found:
    """Files below a folder, or in it, whose whole names match.

    Raises
    ------
    TaskError
        If the folder holds more than a log's folder can.
    """
    home = folder.resolve()
    files: list[Path] = []
    strayed: list[Path] = []
    seen = 0
    for place, folders, names in os.walk(folder):
        if not deep:
            folders.clear()
        seen += len(names) + len(folders)
        if seen > MOST_FILES:
            raise TaskError(
                f"the folder holds more than {MOST_FILES:,} files",
                where=str(folder),
                hint="name the folder of one run",
            )
        for one in names:
            path = Path(place, one)
            if not name.fullmatch(one) or not path.is_file():
                continue
            inside = path.resolve().is_relative_to(home)
            (files if inside else strayed).append(path)
    return Found(files=tuple(sorted(files)), strayed=tuple(sorted(strayed)))


# --- text ------------------------------------------------------------------------------------


def read_bytes(path: Path, *, largest: int = LARGEST_TEXT) -> bytes:
    """The bytes of a file; `TaskError` if it cannot be read or is too large."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(largest + 1)
    except OSError as error:
        raise TaskError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    if len(raw) > largest:
        raise _too_large(str(path), largest)
    return raw


def read_text(path: Path) -> str:
    """The text of a file, in UTF-8 or with a byte-order mark in UTF-16."""
    return decode(read_bytes(path), str(path))


def decode(raw: bytes, where: str) -> str:
    """UTF-8, or UTF-16 where a byte-order mark says so; without the mark."""
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return raw.decode("utf-16") if wide else raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        what = "UTF-16" if wide else "UTF-8"
        raise TaskError(
            f"not {what}: byte 0x{raw[error.start]:02x} at offset {error.start}", where=where
        ) from error


def _too_large(where: str, largest: int) -> TaskError:
    return TaskError(
        f"larger than the {largest >> 20:,} MiB that are read",
        where=where,
        hint="is this a log of one run? divide it by tasks",
    )


# --- JSON ------------------------------------------------------------------------------------


def parse(text: str, where: str) -> Any:
    """One JSON value, lone surrogates replaced.

    Raises
    ------
    TaskError
        If the text is cut off, is no JSON, or is nested too deeply.
    """
    try:
        value = json.loads(text)
        return _mended(value) if _HALF_PAIR.search(text) or _SURROGATE.search(text) else value
    except (ValueError, RecursionError) as error:
        raise TaskError(
            f"not whole JSON: {error}",
            where=where,
            hint="the file was cut off or damaged; write it again, or leave it out",
        ) from error


def parse_object(text: str, where: str) -> Row:
    """One JSON object.

    Raises
    ------
    TaskError
        If the text is cut off, is no JSON, or is no object.
    """
    value = parse(text, where)
    if not isinstance(value, dict):
        raise TaskError(f"expected a JSON object, found {type(value).__name__}", where=where)
    return value


def _mended(value: Any) -> Any:
    """A JSON value whose texts can be written as UTF-8."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_mended(key): _mended(inner) for key, inner in value.items()}
    return [_mended(inner) for inner in value] if isinstance(value, list) else value


def read_object(path: Path) -> Row:
    """A file that holds one JSON object."""
    return parse_object(read_text(path), str(path))


def read_lines(path: Path) -> Iterator[tuple[str, Row]]:
    """`file:line` and object of every line that is not empty; one line at a time in memory."""
    for number, row in read_numbered_lines(path):
        yield f"{path}:{number}", row


def read_numbered_lines(path: Path) -> Iterator[tuple[int, Row]]:
    """The same with the line's number, from 1."""
    for number, line in enumerate(_text_lines(path), start=1):
        if line.strip():
            yield number, parse_object(line, f"{path}:{number}")


def _text_lines(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as stream:
            if stream.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                yield from read_text(path).split("\n")
                return
            for number, raw in enumerate(_raw_lines(stream, str(path)), start=1):
                yield decode(raw, f"{path}:{number}")
    except OSError as error:
        raise TaskError(f"cannot be read: {error.strerror or error}", where=str(path)) from error


def _raw_lines(stream: BinaryIO, where: str) -> Iterator[bytes]:
    total = 0
    while raw := stream.readline(LARGEST_LINE + 1):
        total += len(raw)
        if len(raw) > LARGEST_LINE:
            raise _too_large(where, LARGEST_LINE)
        if total > LARGEST_FILE:
            raise _too_large(where, LARGEST_FILE)
        yield raw


# --- Parquet ---------------------------------------------------------------------------------


def read_parquet(path: Path) -> Iterator[Row]:
    """Rows of a Parquet file, a few at a time in memory."""
    parquet = load("pyarrow.parquet", of="pyarrow", what="a Parquet file")
    damage = load("pyarrow", of="pyarrow", what="a Parquet file").ArrowException
    total = 0
    try:
        with parquet.ParquetFile(path, memory_map=False) as file:
            if file.metadata.num_rows > _MOST_ROWS:
                raise TaskError(f"has more than {_MOST_ROWS:,} rows", where=str(path))
            for batch in file.iter_batches(batch_size=_BATCH):
                total += batch.nbytes
                if total > LARGEST_FILE:
                    raise _too_large(str(path), LARGEST_FILE)
                yield from batch.to_pylist()
    except (OSError, damage, ValueError) as error:
        raise TaskError(f"no readable Parquet file: {error}", where=str(path)) from error


# --- values ----------------------------------------------------------------------------------


def score(value: object) -> float | None:
    """A number, or None for NaN, infinity and whatever is no number."""
    if not isinstance(value, bool | int | float):
        return None
    try:
        one = float(value)
    except OverflowError:
        return None
    return one if math.isfinite(one) else None


def as_number(value: object) -> float | None:
    """The same, for tools that write numbers as text."""
    if isinstance(value, str):
        try:
            return score(float(value))
        except ValueError:
            return None
    return score(value)


def count(value: object) -> int:
    """A whole number of things, 0 where there is none."""
    found = as_number(value)
    return 0 if found is None or found < 0 else int(found)


def as_mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """The value if it is a list or tuple, else an empty one."""
    return list(value) if isinstance(value, list | tuple) else []


def as_text(value: object) -> str:
    """A text for people: strings as they are, None as nothing, other things as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
