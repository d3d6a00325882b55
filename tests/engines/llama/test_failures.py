"""What cannot be loaded says so; what a model cannot answer fails alone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from babelbits.engines import llama_cpp
from babelbits.engines.base import EngineSettings
from babelbits.errors import EngineError, ModelError
from babelbits.records import Failure, GenerateRequest, ScoreRequest, TextRequest
from gguf_models import write_llama

CPU = EngineSettings(device="cpu")


@pytest.fixture
def copy(tiny_model: Callable[[str], Path], tmp_path: Path) -> Path:
    """A checkpoint that a test may spoil."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model("llama"), folder)
    return folder


def refused(folder: Path, settings: EngineSettings = CPU) -> str:
    with pytest.raises(ModelError) as caught:
        llama_cpp.load(folder, settings=settings)
    return str(caught.value)


def test_missing_double_truncated_and_foreign_files(
    gguf: Callable[..., Path], tmp_path: Path
) -> None:
    assert "no such folder" in refused(tmp_path / "nothing")
    assert "found: none" in refused(tmp_path)
    whole = next(gguf().glob("*.gguf"))
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(whole.read_bytes()[:-1000])
    assert "cannot be loaded" in refused(tmp_path)
    broken.write_bytes(b"not a model")
    assert "cannot be loaded" in refused(tmp_path)
    shutil.copy(whole, tmp_path / "other.gguf")
    assert "broken.gguf, other.gguf" in refused(tmp_path)
    assert llama_cpp.load(tmp_path / "other.gguf", settings=CPU).context_length == 256


def test_unknown_and_missing_devices(gguf: Callable[..., Path]) -> None:
    from babelbits.llamacpp import library

    assert "toaster" in refused(gguf(), EngineSettings(device="toaster"))
    if not library.load().llama_supports_gpu_offload():
        assert "without support for a GPU" in refused(gguf(), EngineSettings(device="cuda"))


def test_a_wrong_pre_tokenizer_is_an_error_that_shows_the_text(
    needs_llama_cpp: None, tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    """'llama-bpe' splits numbers into threes, GPT-2's rule does not: the file looks whole."""
    write_llama(tiny_model("llama"), tmp_path, kind="f32", pre_tokenizer="llama-bpe")
    subject = llama_cpp.load(tmp_path, settings=CPU)
    assert subject.score([ScoreRequest(context="fox", continuation=" A")])[0].logprob < 0
    with pytest.raises(EngineError, match=r"other tokens .*лиса, 0123456789") as caught:
        subject.score([ScoreRequest(context="лиса, 0123456789", continuation=" A")])
    assert "convert it again" in str(caught.value)


def test_without_a_checkpoint_beside_it_llama_cpp_tokenizes(
    gguf: Callable[..., Path], subject: Callable[..., Any], tmp_path: Path
) -> None:
    shutil.copy(next(gguf().glob("*.gguf")), tmp_path / "lone.gguf")
    lone = llama_cpp.load(tmp_path, settings=CPU)
    requests = [ScoreRequest(context=c, continuation=" лиса") for c in ("der Hund", "", "狐狸\n")]
    assert lone.score(requests) == subject().score(requests)
    asked = [GenerateRequest(prompt=p, max_new_tokens=9, stop=("a",)) for p in ("x", "лиса")]
    assert lone.generate(asked) == subject().generate(asked)


def test_one_token_with_a_nan_embedding_spoils_only_the_requests_that_hold_it(
    needs_llama_cpp: None, copy: Path, tmp_path: Path
) -> None:
    """A NaN is read even where it is masked, and even after its sequence was forgotten."""
    from safetensors.torch import load_file, save_file

    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))
    weights = copy / "model.safetensors"
    tensors = load_file(weights)
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    save_file(tensors, weights, metadata={"format": "pt"})
    write_llama(copy, tmp_path / "healthy", kind="f32", pre_tokenizer="gpt-2")
    healthy = llama_cpp.load(tmp_path / "healthy", settings=CPU)
    requests = [ScoreRequest(context=c, continuation=" A") for c in ("fox", "fox ж", "dog", "fo")]
    bad = healthy.loaded.tokenizer.encode("fox ж")[-1]
    prompts = [GenerateRequest(prompt=r.context, max_new_tokens=4) for r in requests]
    expected, written = healthy.score(requests), healthy.generate(prompts)
    tensors["model.embed_tokens.weight"][bad] = float("nan")
    save_file(tensors, weights, metadata={"format": "pt"})
    write_llama(copy, tmp_path / "spoiled", kind="f32", pre_tokenizer="gpt-2")
    spoiled = llama_cpp.load(tmp_path / "spoiled", settings=CPU)
    for _again in range(2):
        replies, texts = spoiled.score(requests), spoiled.generate(prompts)
        assert isinstance(replies[1], Failure)
        assert isinstance(texts[1], Failure)
        for i in (0, 2, 3):
            assert replies[i].logprob == pytest.approx(expected[i].logprob, abs=1e-4)
            assert texts[i] == written[i]


def test_requests_without_tokens_fail_alone(subject: Callable[..., Any]) -> None:
    scores = subject().score(
        [ScoreRequest(context="x", continuation=""), ScoreRequest(context="x", continuation="y")]
    )
    assert isinstance(scores[0], Failure)
    assert scores[1].logprob < 0
    empty, full = subject().score_text([TextRequest(text=""), TextRequest(text="x")])
    assert empty.kind == "empty_text"
    assert len(full.logprobs) == 1


def test_nothing_asked_nothing_answered(subject: Callable[..., Any]) -> None:
    assert (subject().score([]), subject().score_text([]), subject().generate([])) == ([], [], [])
