"""Whether a GGUF file's header can be what it says, before a reader believes it.

Every length is held against what is left of the file, so that a file of 68 bytes cannot ask for
gigabytes. Reads the header once, keeps nothing of it, and judges nothing else.

Source: docs/gguf.md of ggml, version 3 (and 2, which has the same layout).
"""

import struct
from pathlib import Path
from typing import BinaryIO

_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of the metadata types that have a fixed size."""
_STRING, _ARRAY = 8, 9
_SHORTEST_STRING = 8
_SHORTEST_PAIR = 8 + 4 + 1
"""A name of no letters, a type, and a byte."""
_SHORTEST_TENSOR = 8 + 4 + 4 + 8
_MOST_DIMENSIONS = 8


class HeaderError(ValueError):
    """A header that cannot be true."""


def check_header(file: Path) -> None:
    """Raise unless the lengths in a GGUF file's header fit into the file.

    Raises
    ------
    HeaderError
        Says what does not fit.
    OSError
        If the file cannot be read.
    """
    with file.open("rb") as stream:
        _Header(stream, size=file.stat().st_size).check()


class _Header:
    """A walk through a header, each step within what is left."""

    def __init__(self, stream: BinaryIO, *, size: int) -> None:
        self._stream = stream
        self._left = size

    def check(self) -> None:
        if self._take(4) != b"GGUF":
            raise HeaderError("it does not begin with 'GGUF'")
        version = self._number("<I")
        if version & 0xFFFF == 0:
            raise HeaderError("it was written for machines of the other byte order")
        if version < 2:
            raise HeaderError(f"it has version {version}, which nothing reads any more")
        n_tensors, n_pairs = self._number("<Q"), self._number("<Q")
        self._fits(n_pairs, _SHORTEST_PAIR, "values")
        for _ in range(n_pairs):
            self._string()
            self._value(self._number("<I"))
        self._fits(n_tensors, _SHORTEST_TENSOR, "tensors")
        for _ in range(n_tensors):
            self._string()
            dimensions = self._number("<I")
            if dimensions > _MOST_DIMENSIONS:
                raise HeaderError(f"a tensor has {dimensions} dimensions")
            self._skip(8 * dimensions + 4 + 8)

    def _value(self, kind: int) -> None:
        if kind == _STRING:
            self._string()
        elif kind == _ARRAY:
            self._array()
        else:
            self._skip(self._size(kind))

    def _array(self) -> None:
        kind, length = self._number("<I"), self._number("<Q")
        if kind == _STRING:
            self._fits(length, _SHORTEST_STRING, "strings")
            for _ in range(length):
                self._string()
        else:  # arrays of arrays are in the format, and in no file that llama.cpp reads
            self._skip(length * self._size(kind))

    def _size(self, kind: int) -> int:
        if kind not in _SIZES:
            raise HeaderError(f"a value has the type {kind}, which is none")
        return _SIZES[kind]

    def _string(self) -> None:
        self._skip(self._number("<Q"))

    def _number(self, layout: str) -> int:
        (number,) = struct.unpack(layout, self._take(struct.calcsize(layout)))
        return int(number)

    def _take(self, n_bytes: int) -> bytes:
        self._use(n_bytes)
        return self._stream.read(n_bytes)

    def _skip(self, n_bytes: int) -> None:
        self._use(n_bytes)
        self._stream.seek(n_bytes, 1)

    def _use(self, n_bytes: int) -> None:
        if n_bytes > self._left:
            raise HeaderError(f"{n_bytes} bytes are announced where {self._left} are left")
        self._left -= n_bytes

    def _fits(self, count: int, shortest: int, what: str) -> None:
        if count * shortest > self._left:
            raise HeaderError(f"{count} {what} are announced in {self._left} bytes")
