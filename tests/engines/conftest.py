"""Engines and lm-evaluation-harness's own model on the same tiny checkpoints."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from babelbits.engines.base import EngineSettings
from babelbits.engines.transformers import load


@pytest.fixture
def copy(tiny_model: Callable[[str], Path], tmp_path: Path) -> Path:
    """A checkpoint that a test may spoil."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model("llama"), folder)
    return folder


@pytest.fixture(scope="session")
def engine(tiny_model: Callable[[str], Path]) -> Callable[..., Any]:
    """The engine on a tiny model: `engine('llama', sharing=False, token_budget=512)`."""
    made: dict[Any, Any] = {}

    def get(architecture: str = "llama", **settings: Any) -> Any:
        key = (architecture, tuple(sorted(settings.items())))
        if key not in made:
            chosen = EngineSettings(device="cpu", dtype="float32", **settings)
            made[key] = load(tiny_model(architecture), settings=chosen)
        return made[key]

    return get


@pytest.fixture(scope="session")
def harness(tiny_model: Callable[[str], Path]) -> Callable[..., Any]:
    """lm-eval's HF model on a tiny model, one sequence at a time by default."""
    made: dict[str, Any] = {}

    def get(architecture: str = "llama") -> Any:
        from lm_eval.models.huggingface import HFLM

        if architecture not in made:
            folder = str(tiny_model(architecture))
            made[architecture] = HFLM(
                pretrained=folder, device="cpu", dtype="float32", batch_size=1
            )
        return made[architecture]

    return get


@pytest.fixture(scope="session")
def instances() -> Callable[..., list[Any]]:
    """lm-eval's request objects: `instances('loglikelihood', [(context, continuation)])`."""

    def make(kind: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        from lm_eval.api.instance import Instance

        return [Instance(request_type=kind, doc={}, arguments=a, idx=0) for a in arguments]

    return make
