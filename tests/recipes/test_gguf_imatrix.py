"""Importance matrices, against hooks in torch and llama-imatrix."""

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from babelbits.bundled import find_bundled_model
from babelbits.errors import (
    CalibrationError,
    EngineError,
    ModelError,
    RecipeError,
)
from babelbits.formats.trust import UNTRUSTED
from babelbits.llamacpp.gguf_file import open_gguf
from babelbits.llamacpp.imatrix_file import ImportanceMatrix, read_imatrix, write_imatrix
from babelbits.recipes import gguf_imatrix
from babelbits.recipes.base_loading import load_tokenizer
from babelbits.recipes.calibration import CalibrationSpec, draw, read_documents
from babelbits.recipes.gguf_checked import convert
from babelbits.recipes.gguf_imatrix import compute_imatrix
from babelbits.records import Manifest
from conftest import llama_tool
from gguf_bases import make_gguf_base, make_mixture
from gguf_making import SHORT, quick

pytestmark = pytest.mark.usefixtures("llama_cpp")

Maker = Callable[..., tuple[Path, Manifest]]


def windows_in(language: str) -> tuple[tuple[int, ...], ...]:
    spec = CalibrationSpec(language=language, **SHORT)
    tokenizer = load_tokenizer(find_bundled_model(), trust=UNTRUSTED)
    return draw(spec, read_documents(spec), tokenizer=tokenizer, context=1024).windows


def test_matrix_equals_mean_squares_seen_by_hooks_in_torch(converted: Path) -> None:
    """Transformers in fp32, independent of llama.cpp; half precision costs about a thousandth."""
    import torch
    from transformers import AutoModelForCausalLM

    sums: dict[str, Any] = {}
    model = AutoModelForCausalLM.from_pretrained(find_bundled_model(), dtype=torch.float32)

    def hook(name: str) -> Callable[..., None]:
        def add(_module: object, inputs: tuple[Any, ...]) -> None:
            squares = inputs[0].double().square().sum(dim=(0, 1)).numpy()
            sums[name] = sums.get(name, 0) + squares

        return add

    names = {"q": "self_attn.q_proj", "o": "self_attn.o_proj", "d": "mlp.down_proj"}
    for layer, block in enumerate(model.model.layers):
        for short, path in names.items():
            block.get_submodule(path).register_forward_pre_hook(hook(f"{layer}{short}"))
    windows = windows_in("ml")
    with torch.no_grad():
        for window in windows:
            model(torch.tensor([window]))
    matrix = compute_imatrix(converted, windows)
    tensors = {"q": "attn_q", "o": "attn_output", "d": "ffn_down"}
    assert len(sums) == 3 * len(model.model.layers)
    for name, expected in sums.items():
        tensor = f"blk.{name[0]}.{tensors[name[1]]}.weight"
        np.testing.assert_allclose(matrix.sums[tensor][0], expected, rtol=3e-3)
        assert matrix.counts[tensor].tolist() == [sum(map(len, windows))]


def test_matrices_of_two_languages_differ_and_their_record_says_which(made: Maker) -> None:
    (nb, nb_manifest), (ml, ml_manifest) = made("q2_k_s", "nb"), made("q2_k_s", "ml")
    assert nb_manifest.calibration is not None
    assert ml_manifest.calibration is not None
    assert (nb_manifest.calibration.language, ml_manifest.calibration.language) == ("nb", "ml")
    assert nb_manifest.calibration.text_hash != ml_manifest.calibration.text_hash
    assert nb_manifest.weights_hash != ml_manifest.weights_hash
    first, second = read_imatrix(nb / "imatrix.gguf"), read_imatrix(ml / "imatrix.gguf")
    assert first.datasets[0].startswith("bundled nb seed 0 ")
    assert (first.chunks, first.chunk_tokens) == (4, 64)
    name = "blk.0.attn_q.weight"
    assert not np.allclose(first.means(name), second.means(name), rtol=0.01)


@pytest.mark.parametrize("windows", [[], [[1] * 15]])
def test_windows_that_llama_imatrix_would_not_count_are_refused(
    windows: list[list[int]], converted: Path
) -> None:
    """tools/imatrix/imatrix.cpp of llama.cpp: batches of fewer than 16 tokens are ignored."""
    with pytest.raises(CalibrationError, match="at least 16 tokens"):
        compute_imatrix(converted, windows)


def test_token_that_the_model_has_not_is_an_error(converted: Path) -> None:
    with pytest.raises(EngineError, match=r"invalid token\[0\] = 99999999"):
        compute_imatrix(converted, [[99_999_999] * 16])


def llama_imatrix(model: Path, text: str, folder: Path, *, size: int) -> ImportanceMatrix:
    """What llama.cpp's own program makes of a text."""
    (folder / "text.txt").write_text(text, encoding="utf-8")
    command = [llama_tool("llama-imatrix"), "-m", str(model), "-f", str(folder / "text.txt")]
    how = ["-c", str(size), "-b", str(size), "-t", "1", "--no-ppl", "--output-format", "gguf"]
    subprocess.run(
        [*command, "-o", str(folder / "theirs.gguf"), *how], check=True, capture_output=True
    )
    return read_imatrix(folder / "theirs.gguf")


def assert_equal(ours: ImportanceMatrix, theirs: ImportanceMatrix, *, tolerance: float) -> None:
    assert theirs.sums.keys() == ours.sums.keys()
    assert (theirs.chunks, theirs.chunk_tokens) == (ours.chunks, ours.chunk_tokens)
    for name, expected in theirs.sums.items():
        np.testing.assert_array_equal(ours.counts[name], theirs.counts[name])
        np.testing.assert_allclose(ours.sums[name], expected, rtol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "nb", "ml"])
def test_matrix_equals_that_of_llama_imatrix_on_the_same_text(
    language: str, converted: Path, tmp_path: Path
) -> None:
    """The bar is 1e-3, what is measured about 1e-5; windows are cut as that program cuts them."""
    size = 128
    text = "\n".join(read_documents(CalibrationSpec(language=language)))
    theirs = llama_imatrix(converted, text, tmp_path, size=size)
    tokenizer = load_tokenizer(find_bundled_model(), trust=UNTRUSTED)
    ids, bos = tokenizer(text)["input_ids"], tokenizer.bos_token_id
    chunks = range(len(ids) // size)
    windows = [(bos, *ids[number * size + 1 : (number + 1) * size]) for number in chunks]
    assert_equal(compute_imatrix(converted, windows), theirs, tolerance=1e-4)


@pytest.mark.slow
def test_matrix_of_a_mixture_of_experts_equals_that_of_llama_imatrix(tmp_path: Path) -> None:
    """Every expert has sums and counts of its own; no token opens a window of this tokenizer."""
    base, size = make_mixture(tmp_path), 128
    convert(base, tmp_path / "model.gguf")
    text = "\n".join(read_documents(CalibrationSpec(language="nb"))[:20])
    theirs = llama_imatrix(tmp_path / "model.gguf", text, tmp_path, size=size)
    ids = load_tokenizer(base, trust=UNTRUSTED)(text)["input_ids"]
    windows = [ids[start : start + size] for start in range(0, len(ids) - size + 1, size)]
    ours = compute_imatrix(tmp_path / "model.gguf", windows)
    assert ours.sums["blk.0.ffn_down_exps.weight"].shape == (8, 256)
    assert_equal(ours, theirs, tolerance=1e-4)


def test_ready_matrix_makes_the_weights_that_its_text_made(made: Maker, place: Path) -> None:
    folder, first = made("q4_k_s", "nb")
    spec = CalibrationSpec(language="nb", source=str(folder / "imatrix.gguf"))
    again = quick(place / "ready", "q4_k_s", calibration=spec)
    assert again.tensors == first.tensors
    assert again.files["model.gguf"] == first.files["model.gguf"]
    assert again.calibration is not None
    assert (again.calibration.n_samples, again.calibration.tokens_per_sample) == (4, 64)


@pytest.mark.slow
def test_matrix_of_another_model_is_refused_with_the_tensor_named(
    made: Maker, tmp_path: Path
) -> None:
    base = make_gguf_base("llama", tmp_path / "base")
    folder, _ = made("q4_k_s", "nb")  # of four blocks, this has two
    spec = CalibrationSpec(language="nb", source=str(folder / "imatrix.gguf"))
    with pytest.raises(RecipeError, match=r"of another model: .*'blk\.\d\.\w+\.weight'"):
        quick(tmp_path / "variant", "q4_k_s", base=base, calibration=spec)
    assert not (tmp_path / "variant").exists()


def test_file_that_is_no_matrix_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "matrix.gguf").write_bytes(b"something else")
    spec = CalibrationSpec(language="nb", source=str(tmp_path / "matrix.gguf"))
    with pytest.raises(ModelError, match=r"matrix\.gguf: not a GGUF file"):
        quick(tmp_path / "variant", "q4_k_s", calibration=spec)
    assert [path.name for path in tmp_path.iterdir()] == ["matrix.gguf"]


def test_windows_in_pieces_give_the_matrix_of_whole_windows(
    converted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token sees what is before it in the cache: pieces bound the logits and change nothing."""
    ids = [token for window in windows_in("nb") for token in window]
    windows = [tuple(ids[:192]), tuple(ids[64:256])]
    whole = compute_imatrix(converted, windows)
    monkeypatch.setattr(gguf_imatrix, "_LOGIT_ELEMENTS", 1)
    split = compute_imatrix(converted, windows)
    assert split.sums.keys() == whole.sums.keys()
    for name, sums in whole.sums.items():
        assert split.counts[name].tolist() == whole.counts[name].tolist() == [384]
        np.testing.assert_allclose(split.sums[name], sums, rtol=1e-6)


@pytest.mark.parametrize(
    ("length", "sizes"), [(64, [64]), (150, [64, 64, 22]), (130, [64, 33, 33]), (16, [16])]
)
def test_no_piece_is_too_short_to_count(length: int, sizes: list[int]) -> None:
    """Pieces of fewer than 16 tokens are ignored (tools/imatrix/imatrix.cpp)."""
    found = gguf_imatrix.cut_pieces(length, most=64)
    assert [len(piece) for piece in found] == sizes
    assert [position for piece in found for position in piece] == list(range(length))


@pytest.mark.slow
def test_experts_of_a_mix_of_languages_are_counted_as_torch_routes_them(tmp_path: Path) -> None:
    """The two highest of transformers' router logits a token; two of 384 choices may be ties."""
    import torch
    from transformers import AutoModelForCausalLM

    base = make_mixture(tmp_path / "base")
    convert(base, tmp_path / "model.gguf", kind="f32")
    tokenizer = load_tokenizer(base, trust=UNTRUSTED)
    spec = CalibrationSpec(language="nb+ml", samples=3, tokens=64)
    calibration = draw(spec, read_documents(spec), tokenizer=tokenizer, context=512)
    matrix = compute_imatrix(
        tmp_path / "model.gguf",
        calibration.windows,
        languages=calibration.languages,
        spoken=calibration.spoken,
    )
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    expected = np.zeros((2, 2, 8))
    for window, spoken in zip(calibration.windows, calibration.spoken, strict=True):
        with torch.inference_mode():
            logits = model(torch.tensor([window]), output_router_logits=True).router_logits
        for layer, scores in enumerate(logits):
            for token, chosen in enumerate(scores.topk(2).indices.tolist()):
                for expert in chosen:
                    expected[layer, spoken[token], expert] += 1
    names = [f"blk.{layer}.ffn_down_exps.weight" for layer in range(2)]
    assert sorted(matrix.routes) == names
    for name, rows in zip(names, expected, strict=True):
        assert np.abs(matrix.routes[name] - rows).sum() <= 4
        np.testing.assert_array_equal(matrix.routes[name].sum(axis=1), rows.sum(axis=1))
        np.testing.assert_array_equal(matrix.counts[name], matrix.routes[name].sum(axis=0))
    write_imatrix(tmp_path / "kept.gguf", matrix)
    kept = read_imatrix(tmp_path / "kept.gguf")
    assert kept.languages == ("nb", "ml")
    np.testing.assert_array_equal(kept.routes[names[0]], matrix.routes[names[0]])


@pytest.mark.slow
def test_older_matrix_makes_the_weights_that_its_text_made(
    made: Maker, place: Path, tmp_path: Path
) -> None:
    """tools/imatrix/imatrix.cpp, save_imatrix_legacy: means times calls, a call a window."""
    folder = made("q4_k_s", "nb")[0]
    matrix = read_imatrix(folder / "imatrix.gguf")
    entries = [struct.pack("<i", len(matrix.sums))]
    for name in sorted(matrix.sums):
        calls = matrix.chunks
        values = matrix.means(name) * np.float32(calls)
        entries.append(struct.pack("<i", len(name)) + name.encode())
        entries.append(struct.pack("<ii", calls, values.size) + values.astype("<f4").tobytes())
    (tmp_path / "imatrix.dat").write_bytes(b"".join(entries))
    spec = CalibrationSpec(language="nb", source=str(tmp_path / "imatrix.dat"))
    again = quick(place / "older", "q4_k_s", calibration=spec)
    first, second = (
        {one.name: bytes(one.data) for one in open_gguf(path / "model.gguf").tensors}
        for path in (folder, place / "older")
    )
    same = sum(first[name] == second[name] for name in first)
    assert same >= len(first) - 1  # a mean times 4 over 4 may differ in its last bit
    assert again.calibration is not None
    assert again.calibration.source.endswith("imatrix.dat")
