"""Importance matrices and llama.cpp's GGUF format for them.

For every weight that text passes through, the sum of the squares of each of its input channels and
the number of tokens in the sum. Their ratio, the mean square, is how much an error in that column
of the weight matters, and what the quantizer minimises its errors by.

What `llama-imatrix` writes is read here, and what is written here `llama-quantize --imatrix` takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from babelbits.errors import ModelError, RecipeError
from babelbits.llamacpp.gguf_file import matrices, metadata_value, open_gguf, package, row_size
from babelbits.records import TensorRecord
from babelbits.words import plural

Array = npt.NDArray[np.float32]

_SUMS, _COUNTS = ".in_sum2", ".counts"
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
    writer = package().GGUFWriter(file, arch="")
    writer.kv_data[0].pop("general.architecture", None)  # a matrix has none
    writer.add_type("imatrix")
    writer.add_array(_DATASETS, list(matrix.datasets))
    writer.add_uint32(_CHUNKS, matrix.chunks)
    writer.add_uint32(_CHUNK_SIZE, matrix.chunk_tokens)
    for name in sorted(matrix.sums):
        writer.add_tensor(name + _SUMS, np.ascontiguousarray(matrix.sums[name], np.float32))
        counts = np.ascontiguousarray(matrix.counts[name], np.float32)
        writer.add_tensor(name + _COUNTS, counts.reshape(-1, 1))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read_imatrix(file: Path) -> ImportanceMatrix:
    """The matrix in a GGUF file.

    Raises
    ------
    ModelError
        If the file is no whole GGUF file, or holds no importance matrix.
    MissingExtraError
        If the package `gguf` is not installed.
    """
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
        chunks=int(metadata_value(reader, _CHUNKS) or 0),
        chunk_tokens=int(metadata_value(reader, _CHUNK_SIZE) or 0),
        datasets=tuple(metadata_value(reader, _DATASETS) or ()),
    )


def check_fits(matrix: ImportanceMatrix, tensors: Mapping[str, TensorRecord]) -> None:
    """Raise unless a matrix belongs to a model with these tensors.

    llama.cpp itself ignores entries that it cannot place, so that a matrix of another model would
    pass for one of this.

    Raises
    ------
    RecipeError
        Names the tensor and both shapes.
    """
    for name, sums in matrix.sums.items():
        tensor = tensors.get(name)
        if tensor is None:
            raise RecipeError(
                f"the importance matrix is of another model: it has '{name}', which this model "
                "lacks",
                hint="compute it on the model that is quantized",
            )
        expected = (matrices(tensor), row_size(tensor))
        if sums.shape != expected:
            raise RecipeError(
                f"the importance matrix is of another model: '{name}' has "
                f"{plural(expected[1], 'input')}"
                f" in {plural(expected[0], 'matrix', 'matrices')} here, and "
                f"{sums.shape[1]} in {sums.shape[0]} there",
                hint="compute it on the model that is quantized",
            )
