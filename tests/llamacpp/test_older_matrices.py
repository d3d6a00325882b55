"""Importance matrices in llama.cpp's older format, laid out by hand as it writes and reads them."""

import struct
from pathlib import Path

import numpy as np
import pytest

from babelbits.errors import CalibrationError, ModelError
from babelbits.llamacpp.imatrix_file import (
    ImportanceMatrix,
    fit_matrix,
    is_matrix,
    list_without_data,
    read_imatrix,
)
from babelbits.recipes.calibration import CalibrationSpec, find_matrix_file
from babelbits.recipes.gguf_imatrix import refuse_unrouted, summarise_experts
from babelbits.records import TensorRecord

EXPERTS = "blk.0.ffn_down_exps.weight"


def older(entries: dict[str, tuple[int, list[float]]], *, end: bytes = b"") -> bytes:
    """common/imatrix-loader.cpp of llama.cpp, common_imatrix_load_legacy."""
    parts = [struct.pack("<i", len(entries))]
    for name, (calls, values) in entries.items():
        parts += [struct.pack("<i", len(name)), name.encode()]
        parts.append(struct.pack("<ii", calls, len(values)))
        parts.append(np.array(values, "<f4").tobytes())
    return b"".join(parts) + end


def tensor(name: str, *shape: int, dtype: str = "q4_k") -> TensorRecord:
    return TensorRecord(name=name, shape=shape, dtype=dtype, bytes=1)


def test_means_are_those_that_llama_quantize_computes(tmp_path: Path) -> None:
    """tools/quantize/quantize.cpp: sums over the number of calls; without calls as they are."""
    dataset = b"wiki.txt"
    end = struct.pack("<ii", 7, len(dataset)) + dataset
    entries = {"blk.0.attn_q.weight": (4, [2.0, 6.0]), EXPERTS: (0, [1.0, 2.0, 3.0, 4.0])}
    file = tmp_path / "imatrix.dat"
    file.write_bytes(older(entries, end=end))
    matrix = read_imatrix(file)
    assert (matrix.chunks, matrix.datasets) == (7, ("wiki.txt",))
    assert matrix.means("blk.0.attn_q.weight").tolist() == [0.5, 1.5]
    model = {
        "blk.0.attn_q.weight": tensor("blk.0.attn_q.weight", 8, 2),
        EXPERTS: tensor(EXPERTS, 2, 8, 2),
    }
    placed = fit_matrix(matrix, model)
    assert placed.sums[EXPERTS].shape == (2, 2)
    assert placed.means(EXPERTS).tolist() == [1.0, 2.0, 3.0, 4.0]
    assert summarise_experts(placed) is None  # one count for all: who saw text is not in the file


def test_files_are_known_by_how_they_begin_and_not_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(older({"blk.0.attn_q.weight": (1, [1.0])}))
    (tmp_path / "b.imatrix").write_bytes(b"GGUF and more")
    (tmp_path / "c.dat").write_text("Plain text, which is none.\n" * 20)
    (tmp_path / "d.dat").write_bytes(b"")
    found = {name: is_matrix(tmp_path / name) for name in ("a.txt", "b.imatrix", "c.dat", "d.dat")}
    assert found == {"a.txt": True, "b.imatrix": True, "c.dat": False, "d.dat": False}
    spec = CalibrationSpec(language="en", source="a.txt", folder=tmp_path)
    assert find_matrix_file(spec) == tmp_path / "a.txt"
    assert find_matrix_file(CalibrationSpec(language="en", source="c.dat", folder=tmp_path)) is None
    assert find_matrix_file(CalibrationSpec(language="en")) is None
    gone = CalibrationSpec(language="en", source="gone.gguf", folder=tmp_path)
    assert find_matrix_file(gone) == tmp_path / "gone.gguf"


@pytest.mark.parametrize("length", [30, 42, 47])
def test_a_file_that_is_cut_short_is_refused_with_the_command_that_converts(
    length: int, tmp_path: Path
) -> None:
    (tmp_path / "cut.dat").write_bytes(older({"blk.0.attn_q.weight": (1, [1.0] * 4)})[:length])
    with pytest.raises(ModelError, match="damaged or cut short") as caught:
        read_imatrix(tmp_path / "cut.dat")
    assert "llama-imatrix --in-file imatrix.dat -o imatrix.gguf" in str(caught.value.hint)


def routed(counts: list[list[float]]) -> ImportanceMatrix:
    """A matrix of one layer whose experts saw these tokens, language by language."""
    rows = np.array(counts, np.float32)
    experts = rows.shape[1]
    return ImportanceMatrix(
        sums={EXPERTS: np.ones((experts, 4), np.float32)},
        counts={EXPERTS: rows.sum(axis=0)},
        chunks=1,
        chunk_tokens=16,
        datasets=(),
        languages=("nb", "ml"),
        routes={EXPERTS: rows},
    )


def test_experts_are_counted_by_language_and_together() -> None:
    record = summarise_experts(routed([[3, 0, 5, 0], [1, 2, 0, 0]]))
    assert record is not None
    assert record.n_experts == (4,)
    assert record.unrouted == {"nb": (2,), "ml": (2,), "all": (1,)}
    assert record.fewest == {"nb": (0,), "ml": (0,), "all": (0,)}


def test_more_than_a_share_of_experts_without_text_is_an_error() -> None:
    matrix = routed([[3, 0, 5, 0], [1, 2, 0, 0]])
    refuse_unrouted(matrix, most=0.25)
    with pytest.raises(CalibrationError, match=r"to 1 of the 4 experts in 'blk\.0\.ffn_down"):
        refuse_unrouted(matrix, most=0.2)


def test_quantized_weights_of_which_a_matrix_says_nothing_are_listed() -> None:
    """No entry, or zeros; not weights in 16 or 32 bits, nor those outside the blocks."""
    matrix = ImportanceMatrix(
        sums={
            "blk.0.attn_q.weight": np.ones((1, 2), np.float32),
            "blk.0.attn_k.weight": np.zeros((1, 2), np.float32),
        },
        counts={
            "blk.0.attn_q.weight": np.ones(1, np.float32),
            "blk.0.attn_k.weight": np.ones(1, np.float32),
        },
        chunks=1,
        chunk_tokens=16,
        datasets=(),
    )
    names = ["blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight", "output.weight"]
    model = {name: tensor(name, 2, 2) for name in names}
    model["blk.0.ssm_a"] = tensor("blk.0.ssm_a", 2, dtype="fp32")
    assert list_without_data(matrix, model) == ["blk.0.attn_k.weight", "blk.0.attn_v.weight"]
