"""A converted file is held against its checkpoint: by numbers, language by language."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from babelbits.bundled import find_bundled_model
from babelbits.errors import RecipeError
from babelbits.formats.trust import UNTRUSTED
from babelbits.recipes import gguf_compare
from babelbits.recipes.base_loading import load_tokenizer, read_config
from babelbits.recipes.gguf_checked import convert
from babelbits.recipes.gguf_compare import compare, cut_windows
from babelbits.recipes.gguf_tokens import read_known_texts
from babelbits.recipes.make import read_manifest
from babelbits.records import ConversionRecord, Manifest
from gguf_making import quick

pytestmark = pytest.mark.usefixtures("llama_cpp")

Maker = Callable[..., tuple[Path, Manifest]]


def windows(base: Path, *languages: str) -> dict[str, list[int]]:
    tokenizer = load_tokenizer(base, trust=UNTRUSTED)
    return cut_windows(read_known_texts(languages), tokenizer, opening=(), context=512)


def held_against(
    base: Path, file: Path, *, kind: str = "f32", words: Mapping[str, list[int]] | None = None
) -> ConversionRecord:
    return compare(
        base,
        file,
        kind=kind,
        windows=windows(base, "nb", "hi") if words is None else words,
        threads=1,
        config=read_config(base),
        trust=UNTRUSTED,
    )


@pytest.fixture(scope="module")
def in_float32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("f32") / "model.gguf"
    convert(find_bundled_model(), file, kind="f32")
    return file


def test_differences_are_those_of_a_forward_pass_and_of_llama_cpps_logits(
    in_float32: Path,
) -> None:
    """By hand: torch's log_softmax of a float32 forward pass; llama-cpp-python's own `Llama`."""
    import torch
    from llama_cpp import GGML_TYPE_F32, Llama
    from transformers import AutoModelForCausalLM

    base = find_bundled_model()
    words = windows(base, "ml")
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    ids = torch.tensor([words["ml"]])
    with torch.inference_mode():
        theirs = model(ids).logits[0].log_softmax(-1).numpy()
    engine = Llama(
        str(in_float32),
        n_ctx=512,
        logits_all=True,
        verbose=False,
        n_threads=1,
        type_k=GGML_TYPE_F32,
        type_v=GGML_TYPE_F32,
    )
    engine.eval(words["ml"])
    ours = torch.tensor(engine.scores[: len(words["ml"])]).log_softmax(-1).numpy()
    rows, chosen = np.arange(len(words["ml"]) - 1), words["ml"][1:]
    expected = np.quantile(np.abs(ours[rows, chosen] - theirs[rows, chosen]), 0.75)
    record = held_against(base, in_float32, words=words)
    assert record.tokens == len(chosen)
    assert record.differences["ml"] == pytest.approx(expected, abs=2e-6)
    assert record.differences["ml"] < 1e-5
    assert record.rounding == {"ml": 0.0}


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "least"), [("f16", 1e-5), ("bf16", 1e-4)])
def test_what_16_bits_round_is_foreseen_within_a_third(
    kind: str, least: float, tmp_path: Path
) -> None:
    """Measured in llama.cpp, foreseen in torch with rounded inputs of products."""
    convert(find_bundled_model(), tmp_path / "model.gguf", kind=kind)
    record = held_against(find_bundled_model(), tmp_path / "model.gguf", kind=kind)
    for language, difference in record.differences.items():
        assert difference > least
        assert record.rounding[language] == pytest.approx(difference, rel=1 / 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "value"),
    [("rope_parameters", {"rope_theta": 20000.0, "rope_type": "default"}), ("rms_norm_eps", 3e-3)],
)
def test_another_number_in_the_config_is_refused_with_the_size_of_the_difference(
    key: str, value: Any, tmp_path: Path
) -> None:
    other = shutil.copytree(find_bundled_model(), tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    assert key in config
    (other / "config.json").write_text(json.dumps({**config, key: value}))
    convert(other, tmp_path / "model.gguf", kind="f16")
    with pytest.raises(
        RecipeError, match=r"another model of LlamaForCausalLM: .* by 0?\.?\d[\d.e-]* nats a token"
    ):
        held_against(find_bundled_model(), tmp_path / "model.gguf", kind="f16")


def test_gelu_from_a_table_is_llama_cpps() -> None:
    """`ggml_vec_gelu_f32` by hand, in numpy's halves.

    Its table holds 0.5 x (1 + tanh(sqrt(2 / pi) x (1 + 0.044715 x^2))) of each half, as a half.
    """
    import torch
    from transformers.activations import ACT2FN

    x = np.concatenate([np.linspace(-12, 12, 4001), [-10.0, 10.0, 9.999]]).astype(np.float32)
    half = x.astype(np.float16).astype(np.float32)
    inner = np.sqrt(2 / np.pi) * half * (1 + 0.044715 * half * half)
    table = (0.5 * half * (1 + np.tanh(inner))).astype(np.float16).astype(np.float32)
    expected = np.where(x <= -10, 0, np.where(x >= 10, x, table))
    model = torch.nn.Sequential(ACT2FN["gelu_pytorch_tanh"])
    with gguf_compare.gelu_from_table(model):
        found = model(torch.from_numpy(x)).numpy()
    # A product half-way between two halves may round to either, and 1 + tanh cancels far below 0.
    assert np.mean((found != expected)[x > -3]) < 0.01
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)
    assert not np.array_equal(model(torch.from_numpy(x)).numpy(), found)


def test_a_difference_that_is_no_number_is_refused() -> None:
    record = ConversionRecord(differences={"nb": float("nan")}, rounding={"nb": 0.0}, tokens=1)
    with pytest.raises(RecipeError, match="nan nats a token"):
        gguf_compare.check(record, config={"model_type": "llama"})


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "exaone4"}, "sliding pattern by its published number of layers"),
        ({"model_type": "gemma3", "text_config": {"model_type": "gemma3_text"}}, "sliding pattern"),
        (
            {"model_type": "gpt_oss", "rope_scaling": {"rope_type": "yarn", "truncate": False}},
            "`truncate` is false",
        ),
        (
            # gpt-oss 20B's config: 64 ln(4096 / 64 pi) / (2 ln 150000) = 8.09, with 2 pi 17.40
            {
                "model_type": "gpt_oss",
                "head_dim": 64,
                "rope_theta": 150000,
                "rope_scaling": {
                    "beta_fast": 32.0,
                    "beta_slow": 1.0,
                    "factor": 32.0,
                    "original_max_position_embeddings": 4096,
                    "rope_type": "yarn",
                    "truncate": False,
                },
            },
            "(8.09 to 17.40 become 8 to 18)",
        ),
        ({"model_type": "llama"}, "a setting that its converter does not read"),
    ],
)
def test_the_hint_says_why_where_that_is_known(config: dict[str, Any], words: str) -> None:
    record = ConversionRecord(differences={"nb": 0.5, "hi": 0.1}, tokens=1)
    with pytest.raises(RecipeError, match=r"0\.5 nats a token \(nb") as caught:
        gguf_compare.check(record, config=config)
    assert words in str(caught.value.hint)


def test_a_block_at_a_time_gives_the_numbers_of_the_whole_model(
    in_float32: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = held_against(find_bundled_model(), in_float32)
    small = gguf_compare._float32_bytes(find_bundled_model()) * 0.9
    monkeypatch.setattr(gguf_compare, "_free_memory", lambda: small)
    assert held_against(find_bundled_model(), in_float32) == whole


def test_a_model_that_does_not_fit_is_not_compared_and_that_is_said(
    in_float32: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_compare, "_free_memory", lambda: 1000.0)
    record = held_against(find_bundled_model(), in_float32)
    assert record.differences == {}
    assert "GB of memory" in str(record.not_compared)


def test_many_languages_share_the_tokens_and_each_has_some() -> None:
    base = find_bundled_model()
    tokenizer = load_tokenizer(base, trust=UNTRUSTED)
    some = read_known_texts(("nb",))["nb"]
    many = cut_windows({f"x{n}": some for n in range(40)}, tokenizer, opening=(7, 8), context=512)
    assert {len(window) for window in many.values()} == {2048 // 40}
    assert many["x0"][:2] == [7, 8]
    assert cut_windows({"nb": ("Hei.",)}, tokenizer, opening=(), context=512) == {}


def test_manifest_holds_the_comparison_in_all_languages_of_the_package(made: Maker) -> None:
    folder, manifest = made("gguf")
    record = manifest.conversion
    assert record is not None
    assert set(record.differences) == set(read_known_texts())
    assert max(record.differences.values()) < 2e-3
    assert record.not_compared is None
    assert record.other_tokens == ()
    assert read_manifest(folder) == manifest


@pytest.mark.slow
def test_a_study_is_compared_in_its_own_languages_and_wrong_files_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {"sw": ("Habari ya leo.",), "hi": ("मेरा नाम",)}
    manifest = quick(tmp_path / "right", "q8_0", texts=texts)
    assert manifest.conversion is not None
    assert set(manifest.conversion.differences) == {"sw", "hi"}
    monkeypatch.setattr(gguf_compare, "TOLERANCE", -1.0)
    again = quick(tmp_path / "again", "q6_k", texts=texts)  # compared once, when it was converted
    assert again.conversion == manifest.conversion
    with pytest.raises(RecipeError, match="another model"):
        quick(tmp_path / "elsewhere" / "wrong", "q8_0", texts=texts)
    left = {path.name for path in (tmp_path / "elsewhere").rglob("*") if path.is_file()}
    assert left == {"lock"}
