"""Importance matrices and llama.cpp's GGUF format for them.

For every weight that text passes through, the sum of the squares of each of its input channels and
the number of tokens in the sum. Their ratio, the mean square, is how much an error in that column
of the weight matters, and what the quantizer minimises its errors by.

What `llama-imatrix` writes is read here, and what is written here `llama-quantize --imatrix` takes.
Its older format (`imatrix.dat`: common/imatrix-loader.cpp of llama.cpp) is read, too: there all
experts of a layer are one row of values with one count, and which of them saw text is lost.
"""

import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from babelbits.errors import ModelError, RecipeError
from babelbits.llamacpp.gguf_file import (
    count_matrices,
    find_row_size,
    import_package,
    is_quantized,
    open_gguf,
    read_metadata,
)
from babelbits.records import TensorRecord
from babelbits.words import plural

Array = npt.NDArray[np.float32]

_SUMS, _COUNTS = ".in_sum2", ".counts"
_MOST_ENTRIES, _LONGEST_NAME = 100_000, 256
"""Beyond which a file in the older format is none."""
_LANGUAGES, _ROUTES = "babelbits.languages", ".routes"
"""Beside what llama.cpp writes; it passes over them."""
_DATASETS, _CHUNKS, _CHUNK_SIZE = "imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportanceMatrix:
    """Sums of squared inputs by the name of the weight."""

    sums: Mapping[str, Array]
    """Shape (matrices, inputs): one matrix, or one an expert."""
    counts: Mapping[str, Array]
    """Tokens in each sum; shape (matrices,)."""
    chunks: int
    """Windows of text that it was computed on."""
    chunk_tokens: int
    """Tokens in a window."""
    datasets: tuple[str, ...]
    """What the text is called."""
    languages: tuple[str, ...] = ()
    """Of the text, in the order of the rows of `routes`."""
    routes: Mapping[str, Array] = field(default_factory=dict)
    """Tokens of each language that each expert of a layer was sent, by the layer's last weight;
    shape (languages, experts). Empty where it is not known, or there are no experts."""

    def means(self, name: str) -> Array:
        """Mean squares of a weight's inputs, flat; 1 for an expert that saw no token."""
        sums, counts = self.sums[name], self.counts[name][:, None]
        seen = np.broadcast_to(counts > 0, sums.shape)
        return np.divide(sums, counts, out=np.ones_like(sums), where=seen).reshape(-1)


def write_imatrix(file: Path, matrix: ImportanceMatrix) -> None:
    """Write a matrix as llama-imatrix does.

    Raises
    ------
    MissingExtraError
        If the package `gguf` is not installed.
    """
    writer = import_package().GGUFWriter(file, arch="")
    writer.kv_data[0].pop("general.architecture", None)  # a matrix has none
    writer.add_type("imatrix")
    writer.add_array(_DATASETS, list(matrix.datasets))
    writer.add_uint32(_CHUNKS, matrix.chunks)
    writer.add_uint32(_CHUNK_SIZE, matrix.chunk_tokens)
    if matrix.routes:
        writer.add_array(_LANGUAGES, list(matrix.languages))
    for name in sorted(matrix.sums):
        writer.add_tensor(name + _SUMS, np.ascontiguousarray(matrix.sums[name], np.float32))
        counts = np.ascontiguousarray(matrix.counts[name], np.float32)
        writer.add_tensor(name + _COUNTS, counts.reshape(-1, 1))
        if name in matrix.routes:
            writer.add_tensor(name + _ROUTES, np.ascontiguousarray(matrix.routes[name], np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def is_matrix(file: Path) -> bool:
    """Whether a file holds an importance matrix, or is another GGUF file, by how it begins."""
    try:
        with file.open("rb") as stream:
            begin = stream.read(12 + _LONGEST_NAME)
    except OSError:
        return False
    return begin.startswith(b"GGUF") or is_older_matrix(begin)


def is_older_matrix(begin: bytes) -> bool:
    """Whether a file in the older format begins so, which has no magic number.

    A number of entries, the length of a name, and that name, which is of a tensor.
    """
    if len(begin) < 12:
        return False
    entries, length = struct.unpack_from("<ii", begin)
    name = begin[8 : 8 + max(0, length)]
    counted = 0 < entries <= _MOST_ENTRIES and 0 < length <= _LONGEST_NAME
    return counted and name.isascii() and name.endswith(b".weight")


def read_imatrix(file: Path) -> ImportanceMatrix:
    """The matrix in a file, in either of llama.cpp's formats.

    Raises
    ------
    ModelError
        If the file is damaged, or holds no importance matrix.
    MissingExtraError
        If the package `gguf` is not installed.
    """
    with suppress(OSError), file.open("rb") as stream:
        if is_older_matrix(stream.read(12 + _LONGEST_NAME)):
            return _read_older(file)
    reader = open_gguf(file)
    stored = {tensor.name: np.array(tensor.data, dtype=np.float32) for tensor in reader.tensors}
    names = sorted(name.removesuffix(_SUMS) for name in stored if name.endswith(_SUMS))
    if not names or any(name + _COUNTS not in stored for name in names):
        raise ModelError(
            "the file holds no importance matrix",
            where=str(file),
            hint="llama-imatrix writes one with --output-format gguf",
        )
    return ImportanceMatrix(
        sums={name: np.atleast_2d(stored[name + _SUMS]) for name in names},
        counts={name: stored[name + _COUNTS].reshape(-1) for name in names},
        chunks=int(read_metadata(reader, _CHUNKS) or 0),
        chunk_tokens=int(read_metadata(reader, _CHUNK_SIZE) or 0),
        datasets=tuple(read_metadata(reader, _DATASETS) or ()),
        languages=tuple(read_metadata(reader, _LANGUAGES) or ()),
        routes={
            name.removesuffix(_ROUTES): np.atleast_2d(rows)
            for name, rows in stored.items()
            if name.endswith(_ROUTES)
        },
    )


def _read_older(file: Path) -> ImportanceMatrix:
    data = file.read_bytes()
    try:
        sums, counts, place = _older_entries(data)
    except (struct.error, ValueError) as error:
        raise ModelError(
            "the importance matrix is damaged or cut short",
            where=str(file),
            hint="get it again, or convert it: llama-imatrix --in-file imatrix.dat -o imatrix.gguf",
        ) from error
    chunks, dataset = 0, b""
    with suppress(struct.error):  # the end is optional
        chunks, length = struct.unpack_from("<ii", data, place)
        dataset = data[place + 8 : place + 8 + length]
    return ImportanceMatrix(
        sums=sums,
        counts=counts,
        chunks=chunks,
        chunk_tokens=0,
        datasets=(dataset.decode(errors="replace"),) if dataset else (),
    )


def _older_entries(data: bytes) -> tuple[dict[str, Array], dict[str, Array], int]:
    """Sums and counts by name, all matrices of a weight in one row; and where they end."""
    (entries,) = struct.unpack_from("<i", data)
    place = 4
    sums, counts = {}, {}
    for _ in range(entries):
        (length,) = struct.unpack_from("<i", data, place)
        name = data[place + 4 : place + 4 + length].decode()
        calls, values = struct.unpack_from("<ii", data, place + 4 + length)
        place += 12 + length
        # An entry without calls holds means already.
        sums[name] = np.frombuffer(data, "<f4", values, place).reshape(1, -1).astype(np.float32)
        counts[name] = np.array([max(1, calls)], np.float32)
        place += 4 * values
    return sums, counts, place


def fit_matrix(matrix: ImportanceMatrix, tensors: Mapping[str, TensorRecord]) -> ImportanceMatrix:
    """A matrix in the shapes of the model's tensors, to which it must belong.

    llama.cpp itself ignores entries that it cannot place, so that a matrix of another model would
    pass for one of this.

    Raises
    ------
    RecipeError
        Names the tensor and both shapes.
    """
    sums = {}
    for name, column_sums in matrix.sums.items():
        tensor = tensors.get(name)
        if tensor is None:
            raise RecipeError(
                f"the importance matrix is of another model: it has '{name}', which this model "
                "lacks",
                hint="compute it on the model that is quantized",
            )
        expected = (count_matrices(tensor), find_row_size(tensor))
        in_a_row = (1, expected[0] * expected[1])
        if column_sums.shape not in (expected, in_a_row):
            raise RecipeError(
                f"the importance matrix is of another model: '{name}' has "
                f"{plural(expected[1], 'input')} in {plural(expected[0], 'matrix', 'matrices')} "
                f"here, and {column_sums.shape[1]} in {column_sums.shape[0]} there",
                hint="compute it on the model that is quantized",
            )
        sums[name] = column_sums.reshape(expected)
    return replace(matrix, sums=sums)


def list_without_data(matrix: ImportanceMatrix, tensors: Mapping[str, TensorRecord]) -> list[str]:
    """Quantized weights of a model's blocks that a matrix says nothing of, in the model's order.

    It has no entry for them, or one whose sums are all zero.
    """
    return [name for name in _quantized_blocks(tensors) if not _says_anything(matrix, name)]


def _quantized_blocks(tensors: Mapping[str, TensorRecord]) -> Iterator[str]:
    for name, tensor in tensors.items():
        if name.startswith("blk.") and is_quantized(tensor):
            yield name


def _says_anything(matrix: ImportanceMatrix, name: str) -> bool:
    return name in matrix.sums and bool(matrix.sums[name].any())
