"""Where each key and value of a TOML text stands: `tomllib` tells only the values.

`scan` walks a text that `tomllib` has already accepted, so it checks nothing; it only has to agree
with `tomllib` about what the keys are, and a property test holds it to that.
"""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Keys and array indices from the root, e.g. ('variants', 0, 'recipe')."""

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"[ \t]*")
_SCALAR = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})'  # up to two quotes may stand before the closing three
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|[^,\]}#\n]+",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text as offsets in characters: `text[start:stop]`."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class TomlPlace:
    """Where a key stands and where its value; for a table, its header is both."""

    key: Span
    value: Span


def scan(text: str) -> Mapping[Path, TomlPlace]:
    """Every key, table and array element of a valid TOML text with its place.

    Parameters
    ----------
    text : str
        TOML that `tomllib.loads` accepts, with newlines as a single line feed.
    """
    scanner = _Scanner(text)
    scanner.document()
    return scanner.places


def find_line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Line and column of an offset, both counted from 1, columns in characters."""
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    line = bisect_right(starts, offset)
    return line, offset - starts[line - 1] + 1


class _Scanner:
    """A cursor over the text; every method leaves it behind what it has read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.places: dict[Path, TomlPlace] = {}
        self._last_index: dict[Path, int] = {}

    def document(self) -> None:
        prefix: Path = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                prefix = self._header()
            else:
                self._pair(prefix)
            self._skip(_BLANK)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        assert match is not None, "tomllib accepted this text"  # noqa: S101  internal consistency
        self.at = match.end()
        return match.group()

    def _header(self) -> Path:
        start = self.at
        is_array = self.text.startswith("[[", start)
        self.at += 2 if is_array else 1
        parts = self._key()
        self._skip(_SPACE)
        self.at += 2 if is_array else 1
        path = self._table_path(parts, is_array=is_array)
        span = Span(start, self.at)
        for length in range(1, len(path) + 1):
            self.places.setdefault(path[:length], TomlPlace(span, span))
        return path

    def _table_path(self, parts: Path, *, is_array: bool) -> Path:
        path: Path = ()
        for number, part in enumerate(parts, start=1):
            path = (*path, part)
            if is_array and number == len(parts):
                self._last_index[path] = self._last_index.get(path, -1) + 1
            if path in self._last_index:
                path = (*path, self._last_index[path])
        return path

    def _pair(self, prefix: Path) -> None:
        start = self.at
        parts = self._key()
        key = Span(start, self.at)
        self._skip(_SPACE)
        self.at += 1  # the equals sign
        self._skip(_SPACE)
        path = (*prefix, *parts)
        value = self._value(path)
        for length in range(len(prefix) + 1, len(path) + 1):
            self.places.setdefault(path[:length], TomlPlace(key, value))
        self.places[path] = TomlPlace(key, value)

    def _key(self) -> tuple[str, ...]:
        parts = []
        while True:
            self._skip(_SPACE)
            parts.append(self._key_part())
            end = self.at
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                self.at = end
                return tuple(parts)
            self.at += 1

    def _key_part(self) -> str:
        if self.text[self.at] not in "\"'":
            return self._skip(_BARE_KEY)
        return str(tomllib.loads(f"key = {self._skip(_SCALAR)}")["key"])

    def _value(self, path: Path) -> Span:
        start = self.at
        if self.text[start] == "[":
            self._array(path)
        elif self.text[start] == "{":
            self._inline_table(path)
        else:
            self.at = start + len(self._skip(_SCALAR).rstrip(" \t"))
        return Span(start, self.at)

    def _array(self, path: Path) -> None:
        self.at += 1
        index = 0
        self._skip(_BLANK)
        while self.text[self.at] != "]":
            span = self._value((*path, index))
            self.places[*path, index] = TomlPlace(span, span)
            index += 1
            self._skip_comma()
        self.at += 1

    def _inline_table(self, path: Path) -> None:
        self.at += 1
        self._skip(_BLANK)
        while self.text[self.at] != "}":
            self._pair(path)
            self._skip_comma()
        self.at += 1

    def _skip_comma(self) -> None:
        self._skip(_BLANK)
        if self.text[self.at] == ",":
            self.at += 1
            self._skip(_BLANK)
