"""The llama.cpp engine and the transformers engine on the same checkpoints."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from babelbits.bundled import find_bundled_model
from babelbits.engines import llama_cpp, transformers
from babelbits.engines.base import EngineSettings
from babelbits.llamacpp import library
from gguf_models import write_llama


@pytest.fixture(scope="session")
def needs_llama_cpp() -> None:
    """Skips where llama.cpp is not installed, save in CI, where that is a failure."""
    if library.find_version() is None and not os.environ.get("BABELBITS_CI"):
        pytest.skip("llama-cpp-python is not installed: pip install 'babelbits[gguf]'")


@pytest.fixture(scope="session")
def gguf(
    needs_llama_cpp: None,
    tiny_model: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Path]:
    """Folder of a GGUF file: of the bundled model, or of the tiny random one."""
    made: dict[tuple[str, str], Path] = {}

    def get(model: str = "tiny", kind: str = "f32") -> Path:
        if (model, kind) not in made:
            folder = tmp_path_factory.mktemp(f"{model}-{kind}")
            if model == "tiny":
                write_llama(tiny_model("llama"), folder, kind=kind, pre_tokenizer="gpt-2")
            else:
                write_llama(find_bundled_model(), folder, kind=kind)
            made[model, kind] = folder
        return made[model, kind]

    return get


@pytest.fixture(scope="session")
def subject(gguf: Callable[..., Path]) -> Callable[..., Any]:
    """The llama.cpp engine: `subject('tiny', 'f32', sharing=False)`."""
    made: dict[Any, Any] = {}

    def get(model: str = "tiny", kind: str = "f32", **settings: Any) -> Any:
        key = (model, kind, *sorted(settings.items()))
        if key not in made:
            chosen = EngineSettings(device="cpu", **settings)
            made[key] = llama_cpp.load(gguf(model, kind), settings=chosen)
        return made[key]

    return get


@pytest.fixture(scope="session")
def oracle(tiny_model: Callable[[str], Path]) -> Callable[..., Any]:
    """The transformers engine in float32 on the checkpoint that the GGUF file was made of."""
    made: dict[Any, Any] = {}

    def get(model: str = "tiny", **settings: Any) -> Any:
        key = (model, *sorted(settings.items()))
        if key not in made:
            folder = tiny_model("llama") if model == "tiny" else find_bundled_model()
            chosen = EngineSettings(device="cpu", dtype="float32", **settings)
            made[key] = transformers.load(folder, settings=chosen)
        return made[key]

    return get
