"""What cannot be loaded says so; what a model cannot answer fails alone."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from babelbits.engines import llama_cpp
from babelbits.engines.base import EngineSettings
from babelbits.errors import EngineError, ModelError
from babelbits.records import GenerateRequest, ScoreRequest
from engine_failures import Opened, RequestsFailAlone
from gguf_models import write_llama

CPU = EngineSettings(device="cpu")


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


def test_without_memory_for_a_long_prompt_the_engine_goes_on_as_before(
    gguf: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A context of more cells is refused, as where memory is short."""
    engine = llama_cpp.load(gguf(), settings=EngineSettings(device="cpu", token_budget=64))
    short = [ScoreRequest(context="fox", continuation=" A")]
    expected = engine.score(short)
    api, cells = engine.loaded.api, engine._session.cells
    make = api.llama_init_from_model
    monkeypatch.setattr(
        api,
        "llama_init_from_model",
        lambda model, settings: make(model, settings) if settings.n_ctx <= cells else None,
    )
    with pytest.raises(EngineError, match="cannot make a context"):
        engine.score([ScoreRequest(context="x" * 250, continuation=" y")])
    assert engine.score(short) == expected


def test_a_damaged_generation_config_is_named(gguf: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(gguf(), folder)
    (folder / "generation_config.json").write_text("[1,")
    assert "generation_config.json" in refused(folder)


@pytest.mark.usefixtures("needs_llama_cpp")
class TestRequests(RequestsFailAlone):
    @pytest.fixture
    def opened(self, tmp_path_factory: pytest.TempPathFactory) -> Opened:
        def converted(folder: Path) -> Any:
            made = tmp_path_factory.mktemp("gguf")
            write_llama(folder, made, kind="f32", pre_tokenizer="gpt-2")
            return llama_cpp.load(made, settings=CPU)

        return converted

    @pytest.fixture
    def tiny(self, subject: Callable[..., Any]) -> Any:
        return subject()
