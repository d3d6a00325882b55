"""What ends a generation of a GGUF variant: exactly what ends the baseline's."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from babelbits.engines import llama_cpp, transformers
from babelbits.engines.base import EngineSettings
from babelbits.errors import EngineError
from babelbits.records import TextRequest
from gguf_models import write_llama


def ends(engine: Any) -> set[int]:
    return set(engine._stopping._eos)


@pytest.mark.parametrize(
    ("config", "generation"),
    [
        ({"eos_token_id": 5}, None),
        ({"eos_token_id": [5, 6]}, None),
        ({"eos_token_id": None}, None),
        ({}, None),
        ({"eos_token_id": 5}, {"eos_token_id": [7, 8]}),
        ({"eos_token_id": 5}, {"max_length": 50}),
    ],
)
def test_ends_are_those_of_the_transformers_engine(
    config: dict[str, Any],
    generation: dict[str, Any] | None,
    tiny_model: Callable[[str], Path],
    needs_llama_cpp: None,
    tmp_path: Path,
) -> None:
    """The engine that runs the baseline asks transformers, class defaults included."""
    base = shutil.copytree(tiny_model("llama"), tmp_path / "base")
    written = json.loads((base / "config.json").read_text())
    written.pop("eos_token_id", None)
    (base / "config.json").write_text(json.dumps({**written, **config}))
    (base / "generation_config.json").unlink(missing_ok=True)
    if generation is not None:
        (base / "generation_config.json").write_text(json.dumps(generation))
    folder = tmp_path / "gguf"
    write_llama(base, folder, pre_tokenizer="gpt-2")
    settings = EngineSettings(device="cpu", dtype="float32")
    baseline = transformers.load(base, settings=settings)
    variant = llama_cpp.load(folder, settings=settings)
    assert ends(variant) == ends(baseline)
    variant.close()


def test_a_study_may_allow_what_llama_cpp_alone_would_read_otherwise(
    tiny_model: Callable[[str], Path], needs_llama_cpp: None, tmp_path: Path
) -> None:
    """The model is given the checkpoint's tokens; the file's pre-tokenizer is wrong on purpose."""
    text = TextRequest(text="Numbers 1234567 and words")
    base = tiny_model("llama")
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    write_llama(base, right, pre_tokenizer="gpt-2")
    write_llama(base, wrong, pre_tokenizer="superbpe")
    strict = llama_cpp.load(wrong, settings=EngineSettings(device="cpu"))
    with pytest.raises(EngineError, match="other tokens") as caught:
        strict.score_text([text])
    assert "allow_token_differences" in str(caught.value.hint)
    strict.close()
    allowed = EngineSettings(device="cpu", allow_token_differences=True)
    engines = [
        llama_cpp.load(right, settings=EngineSettings(device="cpu")),
        llama_cpp.load(wrong, settings=allowed),
    ]
    first, second = (engine.score_text([text]) for engine in engines)
    assert first == second
    for engine in engines:
        engine.close()
