"""What is in a GGUF file: its tensors with the types they really have, read from the header.

Reads through the `gguf` package, which maps the file and copies nothing. One `TensorRecord` stands
for one tensor, scales included, so bytes over weights is the truth about its size. Never writes.
"""

import math
import re
import struct
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from babelbits.errors import MissingExtraError, ModelError
from babelbits.llamacpp.gguf_header import HeaderError, check_header
from babelbits.llamacpp.gguf_parts import list_parts
from babelbits.llamacpp.library import INSTALL
from babelbits.records import TensorRecord

MODEL = "model.gguf"
"""The weights of a GGUF variant, in its folder."""
IMATRIX = "imatrix.gguf"
"""The importance matrix that they were quantized with, if there was one."""
_MAGIC = b"GGUF"
_NEWER = re.compile(r"is not a valid (GGMLQuantizationType|GGUFValueType)|cannot handle")
"""What the package says of types and versions that it does not know."""
_WORDS = {"F32": "fp32", "F16": "fp16", "F64": "fp64"}
"""Types that the rest of the package calls by other names; all others are llama.cpp's, in small."""


def import_package() -> Any:
    """The `gguf` package.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import gguf
    except ImportError as error:
        raise MissingExtraError("the package 'gguf' is not installed", hint=INSTALL) from error
    return gguf


def open_gguf(file: Path) -> Any:
    """A `gguf.GGUFReader` on a whole GGUF file.

    Raises
    ------
    ModelError
        If the file is missing, no GGUF file, or cut short.
    MissingExtraError
        If the package is not installed.
    """
    import_package()
    try:
        with file.open("rb") as stream:
            begins = stream.read(len(_MAGIC))
        if begins == _MAGIC:
            found = file.stat()
            key = (found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns)
            return _reader(file.resolve(), key)
    except OSError as error:
        raise ModelError(
            f"the GGUF file cannot be read: {error.strerror}", where=str(file)
        ) from error
    except HeaderError as error:
        raise ModelError(
            f"the GGUF file is damaged or cut short: {error}", where=str(file), hint="get it again"
        ) from error
    except (ValueError, IndexError, KeyError, OverflowError, MemoryError, struct.error) as error:
        if _NEWER.search(str(error)):
            raise ModelError(
                f"the GGUF file is of a newer llama.cpp than the one here ({error})",
                where=str(file),
                hint=f"get an older conversion of it, or a newer Babelbits: {INSTALL} --upgrade",
            ) from error
        raise ModelError(
            "the GGUF file is damaged or cut short", where=str(file), hint="get it again"
        ) from error
    raise ModelError(
        "not a GGUF file: it does not begin with 'GGUF'",
        where=str(file),
        hint="name a file that llama.cpp's converter or quantizer wrote",
    )


@lru_cache(maxsize=8)
def _reader(file: Path, key: tuple[int, ...]) -> Any:  # noqa: ARG001  the file as it is now
    """A reader, kept: a vocabulary of 150,000 tokens takes seconds to read."""
    check_header(file)
    return import_package().GGUFReader(file)


def read_tensors(file: Path) -> tuple[TensorRecord, ...]:
    """One record a tensor, by name; shapes are (rows, columns) as in the checkpoint it came from.

    Of a model in several files those of all its parts.

    Raises
    ------
    ModelError, MissingExtraError
        As `open_gguf`; if a part is missing.
    """
    found = (_record(tensor) for part in list_parts(file) for tensor in open_gguf(part).tensors)
    return tuple(sorted(found, key=lambda record: record.name))


def main_type(tensors: Iterable[TensorRecord]) -> str:
    """The type of most weights, e.g. 'fp16' or 'q8_0'."""
    weights: Counter[str] = Counter()
    for tensor in tensors:
        weights[tensor.dtype] += math.prod(tensor.shape)
    return weights.most_common(1)[0][0] if weights else "none"


def _record(tensor: Any) -> TensorRecord:
    shape = tuple(int(size) for size in reversed(tensor.shape.tolist()))
    kind = tensor.tensor_type.name
    return TensorRecord(
        name=str(tensor.name),
        shape=shape,
        dtype=_WORDS.get(kind, kind.lower()),
        bytes=int(tensor.n_bytes),
    )


def read_metadata(reader: Any, key: str) -> Any:
    """The value of a metadata key; None where the file has no such key."""
    field = reader.get_field(key)
    return None if field is None else field.contents()


def is_quantized(tensor: TensorRecord) -> bool:
    """Whether a tensor of a GGUF file has one of llama.cpp's block types, such as 'q4_k'."""
    return tensor.dtype.startswith(("q", "iq", "tq", "mxfp", "nvfp"))


def find_row_size(tensor: TensorRecord) -> int:
    """Input channels of a weight: what an importance matrix has a value for."""
    return tensor.shape[-1] if tensor.shape else 0


def count_matrices(tensor: TensorRecord) -> int:
    """How many matrices a tensor stacks: 1, or the number of experts."""
    return math.prod(tensor.shape[:-2]) if len(tensor.shape) > 2 else 1
