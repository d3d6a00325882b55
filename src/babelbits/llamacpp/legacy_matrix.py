"""Importance matrices in llama.cpp's old format (`imatrix.dat`), told by how the file begins.

Reads no values. Before the end of 2025 `llama-imatrix` wrote, all in little-endian 32-bit integers
and without a magic number: how many entries there are, then of each the length of its name, its
name (which is a weight's), how often it was called, and its values.
"""

import struct
from pathlib import Path

_MOST_ENTRIES, _LONGEST_NAME = 100_000, 256


def is_legacy_matrix(file: Path) -> bool:
    """Whether a file is an importance matrix in the old format; False where it cannot be read.

    Source
    ------
    llama.cpp, `tools/imatrix/imatrix.cpp` (`save_imatrix_legacy`).
    """
    try:
        with file.open("rb") as stream:
            begin = stream.read(8 + _LONGEST_NAME)
    except OSError:
        return False
    if len(begin) < 8:
        return False
    entries, length = struct.unpack_from("<ii", begin)
    if not (0 < entries <= _MOST_ENTRIES and 0 < length <= _LONGEST_NAME):
        return False
    name = begin[8 : 8 + length]
    return len(name) == length and name.isascii() and name.endswith(b".weight")
