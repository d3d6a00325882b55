"""What cannot be loaded says so; what a model cannot answer fails alone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from babelbits.engines.base import EngineSettings
from babelbits.engines.transformers import load
from babelbits.errors import ModelError
from babelbits.records import Failure, GenerateRequest, ScoreRequest, TextRequest

CPU = EngineSettings(device="cpu")


@pytest.fixture
def copy(tiny_model: Callable[[str], Path], tmp_path: Path) -> Path:
    """A checkpoint that a test may spoil."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model("llama"), folder)
    return folder


def configure(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refused(folder: Path, settings: EngineSettings = CPU) -> str:
    with pytest.raises(ModelError) as caught:
        load(folder, settings=settings)
    return str(caught.value)


def test_missing_folder_and_missing_files(copy: Path) -> None:
    assert "no such folder" in refused(copy / "nothing")
    (copy / "model.safetensors").unlink()
    assert "no weights" in refused(copy)
    (copy / "config.json").unlink()
    assert "config.json" in refused(copy)


def test_masked_and_headless_models_are_not_causal(copy: Path) -> None:
    configure(copy, architectures=["BertForMaskedLM"], model_type="bert")
    assert "not a causal language model" in refused(copy)
    configure(copy, architectures=["LlamaModel"], model_type="llama")
    assert "not a causal language model" in refused(copy)
    configure(copy, architectures=["T5ForConditionalGeneration"], model_type="t5")
    assert "not a causal language model" in refused(copy)


def test_pickle_weights_only_on_request(copy: Path) -> None:
    from safetensors.torch import load_file

    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    assert "allow_pickle" in refused(copy)
    allowed = load(copy, settings=EngineSettings(device="cpu", allow_pickle=True))
    assert allowed.score([ScoreRequest(context="x", continuation="y")])[0].logprob < 0


def test_own_code_only_on_request(copy: Path) -> None:
    configure(copy, model_type="mine", auto_map={"AutoConfig": "mine.MyConfig"})
    (copy / "mine.py").write_text("raise SystemExit('ran')\n")
    assert "trust_remote_code" in refused(copy)


def test_damaged_and_incomplete_weights(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = copy / "model.safetensors"
    tensors = load_file(weights)
    tensors.pop("model.layers.1.mlp.up_proj.weight")
    save_file(tensors, weights, metadata={"format": "pt"})
    assert "up_proj" in refused(copy)
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "cannot be loaded" in refused(copy)


def test_unknown_device_and_type(copy: Path) -> None:
    assert "toaster" in refused(copy, EngineSettings(device="toaster"))
    assert "float8" in refused(copy, EngineSettings(device="cpu", dtype="float8"))
    if not torch.cuda.is_available():
        assert "not available" in refused(copy, EngineSettings(device="cuda"))


def test_nan_weights_fail_each_request_and_crash_nothing(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = copy / "model.safetensors"
    tensors = load_file(weights)
    tensors["model.norm.weight"][0] = float("nan")
    save_file(tensors, weights, metadata={"format": "pt"})
    subject = load(copy, settings=CPU)
    replies = [
        *subject.score([ScoreRequest(context=c, continuation=" y") for c in ("x", "x z", "")]),
        *subject.score_text([TextRequest(text="x y z")]),
        *subject.generate([GenerateRequest(prompt="x", max_new_tokens=3)]),
        *subject.generate(
            [GenerateRequest(prompt="x", max_new_tokens=3, temperature=1.0, samples=2)]
        ),
    ]
    assert [reply.kind for reply in replies] == ["nan_logits"] * 6


def test_one_token_with_a_nan_embedding_spoils_only_the_requests_that_hold_it(copy: Path) -> None:
    """Packed in one row, a NaN would reach its neighbours: those are computed again, alone."""
    from safetensors.torch import load_file, save_file

    configure(copy, tie_word_embeddings=False)
    weights = copy / "model.safetensors"
    tensors = load_file(weights)
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    save_file(tensors, weights, metadata={"format": "pt"})
    healthy = load(copy, settings=CPU)
    requests = [ScoreRequest(context=c, continuation=" A") for c in ("fox", "fox ж", "dog", "fo")]
    bad = healthy.loaded.tokenizer.encode("fox ж")[-1]
    prompts = [GenerateRequest(prompt=r.context, max_new_tokens=4) for r in requests]
    expected, written = healthy.score(requests), healthy.generate(prompts)
    tensors["model.embed_tokens.weight"][bad] = float("nan")
    save_file(tensors, weights, metadata={"format": "pt"})
    spoiled = load(copy, settings=CPU)
    replies, texts = spoiled.score(requests), spoiled.generate(prompts)
    assert isinstance(replies[1], Failure)
    assert isinstance(texts[1], Failure)
    for i in (0, 2, 3):
        assert replies[i].logprob == pytest.approx(expected[i].logprob, abs=1e-4)
        assert texts[i] == written[i]


def test_requests_without_tokens_fail_alone(engine: Callable[..., Any]) -> None:
    scores = engine().score(
        [ScoreRequest(context="x", continuation=""), ScoreRequest(context="x", continuation="y")]
    )
    assert isinstance(scores[0], Failure)
    assert scores[1].logprob < 0
    empty, full = engine().score_text([TextRequest(text=""), TextRequest(text="x")])
    assert empty.kind == "empty_text"
    assert len(full.logprobs) == 1


def test_nothing_asked_nothing_answered(engine: Callable[..., Any]) -> None:
    assert (engine().score([]), engine().score_text([]), engine().generate([])) == ([], [], [])
