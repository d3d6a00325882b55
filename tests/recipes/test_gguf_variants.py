"""GGUF variants whole, against transformers, numpy emulations and llama.cpp's own programs."""

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from babelbits.bundled import model_folder
from babelbits.errors import (
    CalibrationError,
    EngineError,
    MissingExtraError,
    ModelError,
    RecipeError,
    StoreError,
    StudyError,
)
from babelbits.llamacpp import library
from babelbits.llamacpp.gguf_file import metadata_value, open_gguf, read_tensors
from babelbits.llamacpp.imatrix_file import ImportanceMatrix, read_imatrix
from babelbits.recipes import gguf_convert
from babelbits.recipes.calibration import CalibrationSpec, draw, read_documents
from babelbits.recipes.gguf import known_texts
from babelbits.recipes.gguf_convert import convert, pre_tokenizer, same_tokens
from babelbits.recipes.gguf_imatrix import compute_imatrix
from babelbits.recipes.gguf_quantize import quantize
from babelbits.recipes.loading import load_tokenizer
from babelbits.recipes.make import make, verify
from babelbits.records import Manifest
from conftest import llama_tool
from gguf_bases import ARCHITECTURES, make_gguf_base, make_mixture

pytestmark = pytest.mark.usefixtures("llama_cpp")

Maker = Callable[..., tuple[Path, Manifest]]
EMBEDDINGS = "token_embd.weight"
SHORT = {"samples": 4, "tokens": 64}


def quick(out: Path, recipe: str, *, base: Path | None = None, **options: Any) -> Manifest:
    settings: dict[str, Any] = {
        "parameters": {},
        "calibration": None,
        "variant_id": "id",
        "base_label": "bundled",
        "base_hash": "base",
        "seed": 0,
        "device": "cpu",
        **options,
    }
    return make(base or model_folder(), recipe=recipe, out=out, **settings)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where variants of the bundled model lie side by side, and share its conversion."""
    return tmp_path_factory.mktemp("gguf")


@pytest.fixture(scope="session")
def made(place: Path, llama_cpp: Any) -> Maker:
    """A variant of the bundled model, made once a session."""
    known: dict[str, tuple[Path, Manifest]] = {}

    def get(
        recipe: str, language: str | None = None, **parameters: object
    ) -> tuple[Path, Manifest]:
        name = f"{recipe}-{language}-{len(parameters)}"
        if name not in known:
            spec = CalibrationSpec(language=language, **SHORT) if language else None
            out = place / name
            known[name] = out, quick(out, recipe, calibration=spec, parameters=parameters)
        return known[name]

    return get


@pytest.fixture(scope="session")
def converted(made: Maker) -> Path:
    """The bundled model in F16."""
    return made("gguf")[0] / "model.gguf"


def types_of(manifest: Manifest) -> dict[str, str]:
    return {tensor.name: tensor.dtype for tensor in manifest.tensors}


# --- conversion --------------------------------------------------------------------------------


def test_converted_weights_are_those_of_the_checkpoint_in_half_precision(converted: Path) -> None:
    """Tensors that llama.cpp stores in the same order of rows as transformers does."""
    from safetensors.torch import load_file

    names = {
        "token_embd.weight": "model.embed_tokens.weight",
        "blk.2.ffn_down.weight": "model.layers.2.mlp.down_proj.weight",
        "output_norm.weight": "model.norm.weight",
    }
    original = load_file(model_folder() / "model.safetensors")
    stored = {tensor.name: tensor.data for tensor in open_gguf(converted).tensors}
    for theirs, ours in names.items():
        exact = original[ours].float().numpy()
        np.testing.assert_array_equal(stored[theirs], exact.astype(stored[theirs].dtype))


def test_f16_variant_holds_the_model_the_tokenizer_and_a_true_manifest(made: Maker) -> None:
    folder, manifest = made("gguf")
    verify(folder)
    files = {path.name for path in folder.iterdir()}
    assert files >= {"model.gguf", "manifest.json", "tokenizer.json", "config.json"}
    assert (manifest.format, manifest.quantized_bits_per_weight) == ("gguf", None)
    norms = (2 * 4 + 1) * 256
    weights = manifest.n_weights - norms
    assert manifest.bits_per_weight == pytest.approx(
        (16 * weights + 32 * norms) / manifest.n_weights, rel=1e-12
    )
    assert manifest.library_versions["llama-cpp-python"] == library.VERSION
    assert json.loads((folder / "manifest.json").read_text())["recipe"] == "gguf"


def test_variants_share_a_conversion_that_is_no_variant(made: Maker, place: Path) -> None:
    made("gguf"), made("q8_0")
    hidden = [path for path in place.iterdir() if path.name.startswith(".")]
    assert len(hidden) == 1
    assert {path.name for path in hidden[0].iterdir()} >= {"model.gguf", "lock"}
    assert not list(hidden[0].glob("*.partial"))


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_is_converted_and_quantized_with_the_same_tokens(
    architecture: str, tmp_path: Path
) -> None:
    """Making a variant compares llama.cpp's tokens with the tokenizer's in 13 languages."""
    base = make_gguf_base(architecture, tmp_path / "base")
    spec = CalibrationSpec(language="ml", **SHORT)
    manifest = quick(tmp_path / "variant", "q4_k_s", base=base, calibration=spec)
    verify(tmp_path / "variant")
    blocks = {dtype for name, dtype in types_of(manifest).items() if name.startswith("blk.")}
    assert {"q4_k", "fp32"} <= blocks
    assert read_imatrix(tmp_path / "variant" / "imatrix.gguf").chunks == 4


def test_pre_tokenizer_of_the_bundled_model_keeps_combining_marks() -> None:
    """src/llama-vocab.cpp of llama.cpp: the one whose words are letters and marks."""
    assert pre_tokenizer(model_folder()) == "qwen35"


@pytest.mark.slow
def test_wrong_pre_tokenizer_is_an_error_that_shows_the_text_and_both_readings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GPT-2's splits words at combining marks: Hindi and Malayalam fall apart, English does not."""
    monkeypatch.setattr(gguf_convert, "pre_tokenizer", lambda _base: "gpt-2")
    convert(model_folder(), tmp_path / "model.gguf")
    tokenizer = load_tokenizer(model_folder(), trust_remote_code=False)
    file = tmp_path / "model.gguf"
    same_tokens(file, tokenizer=tokenizer, texts=["All is well in English."])
    with pytest.raises(
        RecipeError, match=r"'मेरा नाम', from token 1 on\n  tokenizer: \[.*\n  llama.cpp: \["
    ) as caught:
        same_tokens(file, tokenizer=tokenizer, texts=["fine", "मेरा नाम"])
    assert "from token 1 on" in str(caught.value)
    with pytest.raises(RecipeError, match="reads a text otherwise"):
        same_tokens(file, tokenizer=tokenizer, texts=known_texts())


@pytest.mark.slow
def test_pre_tokenizer_that_llama_cpp_has_not_stops_the_conversion(tmp_path: Path) -> None:
    base = shutil.copytree(model_folder(), tmp_path / "base")
    parsed = json.loads((base / "tokenizer.json").read_text())
    parsed["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\p{L}+|\p{N}{2}|\s+|."
    (base / "tokenizer.json").write_text(json.dumps(parsed))
    with pytest.raises(RecipeError, match="BPE pre-tokenizer was not recognized"):
        quick(tmp_path / "variant", "q8_0", base=base)
    assert not (tmp_path / "variant").exists()


@pytest.mark.slow
def test_architecture_that_llama_cpp_has_not_is_named(tmp_path: Path) -> None:
    base = shutil.copytree(model_folder(), tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "architectures": ["OddForCausalLM"]}))
    with pytest.raises(RecipeError, match="OddForCausalLM is not supported"):
        convert(base, tmp_path / "model.gguf")


def test_code_of_the_model_is_not_run_unless_trusted(tmp_path: Path) -> None:
    """The converter itself passes trust_remote_code=True in several places."""
    base = shutil.copytree(model_folder(), tmp_path / "base")
    settings = json.loads((base / "tokenizer_config.json").read_text())
    settings["auto_map"] = {"AutoTokenizer": ["homemade.Tokenizer", None]}
    (base / "tokenizer_config.json").write_text(json.dumps(settings))
    (base / "homemade.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModelError, match=r"tokenizer_config\.json: the model brings its own code"):
        convert(base, tmp_path / "model.gguf")
    assert not (tmp_path / "ran").exists()


# --- importance matrices -----------------------------------------------------------------------


def windows_in(language: str) -> tuple[tuple[int, ...], ...]:
    spec = CalibrationSpec(language=language, **SHORT)
    tokenizer = load_tokenizer(model_folder(), trust_remote_code=False)
    return draw(spec, read_documents(spec), tokenizer=tokenizer, context=1024).windows


def test_matrix_equals_mean_squares_seen_by_hooks_in_torch(converted: Path) -> None:
    """Transformers in fp32, independent of llama.cpp; half precision costs about a thousandth."""
    import torch
    from transformers import AutoModelForCausalLM

    sums: dict[str, Any] = {}
    model = AutoModelForCausalLM.from_pretrained(model_folder(), dtype=torch.float32)

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
    tokenizer = load_tokenizer(model_folder(), trust_remote_code=False)
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
    ids = load_tokenizer(base, trust_remote_code=False)(text)["input_ids"]
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


# --- quantization ------------------------------------------------------------------------------


def test_q8_0_equals_a_numpy_emulation(converted: Path, made: Maker) -> None:
    """ggml-quants.c: 32 weights share a half-precision scale, their largest over 127."""
    name = "blk.1.ffn_up.weight"
    source = {tensor.name: tensor.data for tensor in open_gguf(converted).tensors}[name]
    raw = {t.name: t.data for t in open_gguf(made("q8_0")[0] / "model.gguf").tensors}[name]
    blocks = source.astype(np.float32).reshape(-1, 32)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    codes = np.sign(blocks) * np.floor(np.abs(blocks * inverse) + np.float32(0.5))
    stored = raw.reshape(-1, 34)
    np.testing.assert_array_equal(stored[:, :2].copy().view(np.float16), scale.astype(np.float16))
    np.testing.assert_array_equal(stored[:, 2:].view(np.int8), codes.astype(np.int8))


@pytest.mark.parametrize(
    ("recipe", "language", "main", "embeddings", "bits"),
    [
        ("q8_0", None, "q8_0", "q8_0", 8.5),
        ("q6_k", None, "q6_k", "q6_k", 6.5625),
        ("q4_k_s", None, "q4_k", "q6_k", 4.5),
        ("q4_k_s", "nb", "q4_k", "q6_k", 4.5),
        ("q3_k_s", "nb", "q3_k", "q6_k", 3.4375),
        ("q2_k_s", "nb", "q2_k", "q6_k", 2.625),
        pytest.param("iq2_s", "ml", "iq2_xs", "q5_k", 2.3125, marks=pytest.mark.slow),
        ("iq3_s", None, "iq3_s", "q6_k", 3.4375),
        ("iq4_xs", None, "iq4_xs", "q6_k", 4.25),
    ],
)
def test_manifest_says_what_each_tensor_really_got(
    recipe: str, language: str | None, main: str, embeddings: str, bits: float, made: Maker
) -> None:
    """Types by llama-quant.cpp, bits by the size of the blocks in ggml-common.h."""
    _, manifest = made(recipe, language)
    types = types_of(manifest)
    assert types["blk.1.ffn_up.weight"] == main
    assert types[EMBEDDINGS] == embeddings
    assert types["blk.1.ffn_norm.weight"] == "fp32"
    tensor = next(one for one in manifest.tensors if one.name == "blk.1.ffn_up.weight")
    assert 8 * tensor.bytes / math.prod(tensor.shape) == bits
    assert manifest.tensors == read_tensors(made(recipe, language)[0] / "model.gguf")
    assert (manifest.calibration is None) == (language is None)


def test_types_of_single_tensors_win_over_the_mixture(made: Maker) -> None:
    folder, manifest = made("q4_k_s", "nb", tensor_types="token_embd=Q8_0,attn_v=q6_k")
    types = types_of(manifest)
    assert types[EMBEDDINGS] == "q8_0"
    assert types["blk.0.attn_v.weight"] == types["blk.3.attn_v.weight"] == "q6_k"
    assert types["blk.0.attn_q.weight"] == "q4_k"
    assert metadata_value(open_gguf(folder / "model.gguf"), "quantize.imatrix.chunks_count") == 4


@pytest.mark.slow
def test_rows_that_are_no_multiple_of_a_block_fall_back_and_the_manifest_shows_it(
    tmp_path: Path, tiny_model: Callable[[str], Path]
) -> None:
    """llama-quant.cpp: Q4_K falls back to Q5_0, and Q6_K of tied embeddings to Q8_0."""
    manifest = quick(tmp_path / "variant", "q4_k_m", base=tiny_model("llama"))
    types = types_of(manifest)
    assert types["blk.0.attn_q.weight"] == "q5_0"
    assert types[EMBEDDINGS] == "q8_0"
    assert manifest.bits_per_weight > 5.5


def test_type_that_needs_a_matrix_is_refused_before_any_work(tmp_path: Path) -> None:
    for recipe in ("q2_k_s", "iq2_s"):
        with pytest.raises(CalibrationError, match=f"'{recipe}' needs calibration text"):
            quick(tmp_path / "variant", recipe)
    assert list(tmp_path.iterdir()) == []


def test_llama_cpp_itself_refuses_q2_k_s_without_a_matrix(converted: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="this quantization requires an imatrix"):
        quantize(converted, tmp_path / "out.gguf", mixture="Q2_K_S")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("written", "message"),
    [("attn_v", "'attn_v', which is no pattern=type"), ("attn_v=q6_q", "no tensor type 'q6_q'")],
)
def test_types_that_are_not_known_are_refused_before_any_work(
    written: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(StudyError, match=message):
        quick(tmp_path / "variant", "q4_k_s", parameters={"tensor_types": written})
    assert list(tmp_path.iterdir()) == []


def test_damaged_source_is_refused(converted: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.gguf").write_bytes(converted.read_bytes()[:100_000])
    with pytest.raises(RecipeError, match="cannot quantize to Q4_K_S: failed to"):
        quantize(tmp_path / "cut.gguf", tmp_path / "out.gguf", mixture="Q4_K_S")
    assert not (tmp_path / "out.gguf").exists()


@pytest.mark.slow
@pytest.mark.parametrize("mixture", ["Q4_K_S", "Q3_K_S", "Q2_K_S", "Q4_K_M", "IQ3_S"])
def test_tensors_are_byte_identical_to_those_of_llama_quantize(
    mixture: str, made: Maker, converted: Path, tmp_path: Path
) -> None:
    tool = llama_tool("llama-quantize")
    folder, _ = made(mixture.casefold(), "nb")
    theirs = tmp_path / "theirs.gguf"
    command = [tool, "--imatrix", str(folder / "imatrix.gguf"), str(converted), str(theirs)]
    subprocess.run([*command, mixture, "1"], check=True, capture_output=True)
    ours = {t.name: t for t in open_gguf(folder / "model.gguf").tensors}
    others = {t.name: t for t in open_gguf(theirs).tensors}
    assert ours.keys() == others.keys()
    for name, tensor in ours.items():
        assert tensor.tensor_type == others[name].tensor_type, name
        assert tensor.data.tobytes() == others[name].data.tobytes(), name


def test_matrix_changes_the_weights_that_it_has_values_for(made: Maker) -> None:
    with_one, without = (
        {tensor.name: tensor.data.tobytes() for tensor in open_gguf(folder / "model.gguf").tensors}
        for folder, _ in (made("q4_k_s", "nb"), made("q4_k_s"))
    )
    changed = {name for name in without if with_one[name] != without[name]}
    assert changed == {name for name in without if "blk" in name and "norm" not in name}


# --- what can go wrong -------------------------------------------------------------------------


def test_text_that_is_too_short_is_said_with_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("Hei.")
    (tmp_path / "empty.txt").write_text("")
    for name, message in (("short.txt", "are missing"), ("empty.txt", "is empty")):
        spec = CalibrationSpec(language="nb", source=str(tmp_path / name), **SHORT)
        with pytest.raises(CalibrationError, match=message):
            quick(tmp_path / "variant", "q4_k_s", calibration=spec)
        assert not (tmp_path / "variant").exists()


def test_full_disk_is_said_and_leaves_no_variant(made: Maker, place: Path) -> None:
    """A limit on the size of files stands in for a full disk: the same failing write."""
    import resource

    made("gguf")  # the conversion is there already: it is the quantizer that fails
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(StoreError, match="larger than this account may write"):
            quick(place / "full", "q6_k")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (place / "full").exists()
    assert not (place / ".full.partial").exists()


@pytest.mark.slow
def test_full_disk_while_converting_is_said_and_leaves_no_file(tmp_path: Path) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(StoreError, match="larger than this account may write"):
            quick(tmp_path / "variant", "q6_k")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["lock"]


def test_missing_library_is_said_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from babelbits.recipes import make as making

    monkeypatch.setitem(making._LIBRARIES, "gguf", ("torch", "no-such-library"))
    with pytest.raises(MissingExtraError, match="'q4_k_s' needs no-such-library") as caught:
        quick(tmp_path / "variant", "q4_k_s")
    assert caught.value.hint == "pip install 'babelbits[gguf]'"


@pytest.mark.slow
def test_same_inputs_give_the_same_weights(made: Maker, tmp_path: Path) -> None:
    _, first = made("q4_k_s", "nb")
    spec = CalibrationSpec(language="nb", **SHORT)
    again = quick(tmp_path / "variant", "q4_k_s", calibration=spec)
    assert again.weights_hash == first.weights_hash


def test_errors_in_a_callback_from_c_come_out_as_they_are(
    converted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python prints an exception that leaves a callback, and goes on: it must not be lost so."""
    from babelbits.llamacpp import graph

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(graph.Nodes, "values", fail)
    with pytest.raises(ZeroDivisionError):
        compute_imatrix(converted, [[1] * 16])


@pytest.mark.slow
def test_ctrl_c_while_llama_cpp_quantizes_is_heard_at_once_and_leaves_nothing(place: Path) -> None:
    """A child, because its quantizer goes on in C until its process ends."""
    program = f"""
import os, signal, threading
from pathlib import Path
from babelbits.bundled import model_folder
from babelbits.recipes import gguf_quantize
from babelbits.recipes.make import make
signal.signal(signal.SIGINT, signal.default_int_handler)
real = gguf_quantize.library.interruptible
def press(call):
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    return real(lambda: (__import__("time").sleep(600), call())[1])
gguf_quantize.library.interruptible = press
try:
    make(model_folder(), recipe="q4_k_s", parameters={{}}, calibration=None, variant_id="x",
         out=Path({str(place / "interrupted")!r}), base_label="b", base_hash="b", seed=0)
except KeyboardInterrupt:
    print("stopped")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout == "stopped\n"
    assert not (place / "interrupted").exists()
    assert not (place / ".interrupted.partial").exists()


@pytest.mark.slow
def test_two_processes_convert_once_and_what_a_killed_one_left_is_cleared(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from babelbits.bundled import model_folder
from babelbits.recipes.make import make
make(model_folder(), recipe=sys.argv[1], parameters={}, calibration=None, out=Path(sys.argv[2]),
     variant_id="x", base_label="b", base_hash="b", seed=0)
"""
    children = [
        subprocess.Popen([sys.executable, "-c", program, recipe, str(tmp_path / recipe)])
        for recipe in ("q8_0", "q6_k")
    ]
    assert [child.wait() for child in children] == [0, 0]
    for recipe in ("q8_0", "q6_k"):
        verify(tmp_path / recipe)
    hidden = next(path for path in tmp_path.iterdir() if path.name.startswith("."))
    written = (hidden / "model.gguf").stat().st_mtime_ns
    (hidden / "model.gguf.1234.partial").touch()
    quick(tmp_path / "later", "q8_0")
    assert (hidden / "model.gguf").stat().st_mtime_ns == written
    assert {path.name for path in hidden.iterdir()} == {"model.gguf", "lock"}
