"""GGUF files and importance matrices: whole, damaged, foreign, and of another model."""

import os
import resource
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from babelbits.errors import ModelError, RecipeError
from babelbits.llamacpp.gguf_file import is_quantized, open_gguf, read_tensors
from babelbits.llamacpp.imatrix_file import (
    ImportanceMatrix,
    fit_matrix,
    read_imatrix,
    write_imatrix,
)
from babelbits.records import TensorRecord

if not os.environ.get("BABELBITS_CI"):  # there it must be installed
    pytest.importorskip("gguf", reason="pip install 'babelbits[gguf]'")
import gguf


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Two weights, written by the `gguf` package: 4 x 64 in F16 and 2 x 64 in Q8_0."""
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, arch="llama")
    values = np.linspace(-1, 1, 256, dtype=np.float32)
    writer.add_tensor("blk.0.attn_q.weight", values.reshape(4, 64).astype(np.float16))
    blocks = gguf.quantize(values[:128].reshape(2, 64), gguf.GGMLQuantizationType.Q8_0)
    kind = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor("blk.0.ffn_down.weight", blocks, raw_dtype=kind)
    for step in ("header", "kv_data", "tensors"):
        getattr(writer, f"write_{step}_to_file")()
    writer.close()
    return path


def test_tensors_are_told_with_rows_first_and_their_real_bytes(model: Path) -> None:
    """By hand: F16 is 2 bytes a weight; Q8_0 is 34 bytes for 32 weights."""
    first, second = read_tensors(model)
    assert first == TensorRecord(
        name="blk.0.attn_q.weight", shape=(4, 64), dtype="fp16", bytes=4 * 64 * 2
    )
    assert second == TensorRecord(
        name="blk.0.ffn_down.weight", shape=(2, 64), dtype="q8_0", bytes=2 * 64 // 32 * 34
    )
    assert (is_quantized(first), is_quantized(second)) == (False, True)


@pytest.mark.parametrize("kept", [8, 40, 200, -40])  # the last: within the last weights
def test_file_that_is_cut_short_is_said(kept: int, model: Path) -> None:
    model.write_bytes(model.read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"model\.gguf: the GGUF file is damaged or cut short"):
        read_tensors(model)


@pytest.mark.parametrize("content", [b"", b"GGML", b"PK\x03\x04 a zip file"])
def test_foreign_file_is_said(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(content)
    with pytest.raises(ModelError, match="not a GGUF file"):
        open_gguf(tmp_path / "x.gguf")


def test_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        open_gguf(tmp_path / "nowhere.gguf")


# --- importance matrices -----------------------------------------------------------------------


def matrix(**changes: Any) -> ImportanceMatrix:
    """Of a dense weight with 64 inputs, and of two experts with 3, one of which saw no token."""
    fields: dict[str, Any] = {
        "sums": {
            "blk.0.attn_q.weight": np.arange(64, dtype=np.float32)[None],
            "blk.0.ffn_down_exps.weight": np.array([[2, 4, 8], [0, 0, 0]], dtype=np.float32),
        },
        "counts": {
            "blk.0.attn_q.weight": np.array([32], dtype=np.float32),
            "blk.0.ffn_down_exps.weight": np.array([4, 0], dtype=np.float32),
        },
        "chunks": 2,
        "chunk_tokens": 16,
        "datasets": ("nb", "ml"),
    }
    return ImportanceMatrix(**{**fields, **changes})


def test_matrix_reads_back_as_it_was_written(tmp_path: Path) -> None:
    write_imatrix(tmp_path / "m.gguf", matrix())
    read = read_imatrix(tmp_path / "m.gguf")
    assert (read.chunks, read.chunk_tokens, read.datasets) == (2, 16, ("nb", "ml"))
    for name, sums in matrix().sums.items():
        np.testing.assert_array_equal(read.sums[name], sums)
        np.testing.assert_array_equal(read.counts[name], matrix().counts[name])


def test_matrix_is_stored_under_the_names_that_llama_cpp_looks_for(tmp_path: Path) -> None:
    """common/imatrix-loader.cpp and tools/imatrix/imatrix.cpp of llama.cpp."""
    write_imatrix(tmp_path / "m.gguf", matrix())
    reader = gguf.GGUFReader(tmp_path / "m.gguf")
    keys = [key for key in reader.fields if not key.startswith("GGUF.")]
    assert keys == [
        *("general.type", "imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"),
    ]
    assert reader.get_field("general.type").contents() == "imatrix"
    shapes = {tensor.name: tensor.shape.tolist() for tensor in reader.tensors}
    assert shapes["blk.0.ffn_down_exps.weight.in_sum2"] == [3, 2]
    assert shapes["blk.0.ffn_down_exps.weight.counts"] == [1, 2]


def test_expert_that_saw_no_token_counts_one() -> None:
    """tools/quantize/quantize.cpp of llama.cpp, load_imatrix: sums over counts, else 1."""
    means = matrix().means("blk.0.ffn_down_exps.weight")
    assert means.tolist() == [0.5, 1.0, 2.0, 1.0, 1.0, 1.0]


def test_model_is_no_matrix(model: Path) -> None:
    with pytest.raises(ModelError, match="holds no importance matrix"):
        read_imatrix(model)


def test_matrix_of_another_model_is_refused_by_the_name_it_lacks(model: Path) -> None:
    tensors = {tensor.name: tensor for tensor in read_tensors(model)}
    with pytest.raises(RecipeError, match=r"'blk\.0\.ffn_down_exps\.weight', which this model"):
        fit_matrix(matrix(), tensors)


def test_matrix_of_another_model_is_refused_by_shape(model: Path) -> None:
    tensors = {tensor.name: tensor for tensor in read_tensors(model)}
    wide = matrix(sums={"blk.0.attn_q.weight": np.ones((1, 128), dtype=np.float32)})
    with pytest.raises(RecipeError, match="has 64 inputs in 1 matrix here, and 128 in 1 there"):
        fit_matrix(wide, tensors)
    own = matrix(sums={"blk.0.attn_q.weight": np.ones((1, 64), dtype=np.float32)})
    fit_matrix(own, tensors)


def header(*values: bytes, tensors: int = 0) -> bytes:
    """A GGUF header of version 3 with metadata, by the layout of ggml's docs/gguf.md."""
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, len(values)) + b"".join(values)


def string(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def array(kind: int, length: int, content: bytes = b"") -> bytes:
    return string("a") + struct.pack("<IIQ", 9, kind, length) + content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (header(array(4, 2**50)), "bytes are announced where"),
        (header(array(8, 2**50)), "strings are announced in"),
        (header(array(9, 1, struct.pack("<IQ", 9, 1) * 5000)), "has the type 9"),
        (header(string("a") + struct.pack("<IQ", 8, 2**60)), "bytes are announced where"),
        (header(string("a") + struct.pack("<I", 77)), "has the type 77"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60), "values are announced in"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), "tensors are announced in"),
        (header(tensors=1) + string("t") + struct.pack("<I", 2**31) + bytes(40), "dimensions"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "other byte order"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
    ],
)
def test_a_header_that_announces_more_than_there_is_takes_no_memory(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match=said):
        open_gguf(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB
