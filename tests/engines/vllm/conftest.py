"""The vLLM engine: with the toy in its worker, and with vLLM where that is there."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import vllm_toy
from babelbits.engines.base import EngineSettings
from babelbits.engines.vllm_child import checkpoint, interpreter, worker
from tiny_models import make_tiny

TOY = Path(vllm_toy.__file__)


@pytest.fixture
def toy(tiny_model: Callable[[str], Path]) -> Iterator[Callable[..., Any]]:
    """The engine with the toy in its worker: `toy(mode='die', sharing=False)`."""
    from babelbits.engines.vllm_child.child import Child
    from babelbits.engines.vllm_child.vllm_engine import VllmEngine

    made: list[VllmEngine] = []

    def get(mode: str = "", **settings: Any) -> VllmEngine:
        chosen = EngineSettings(device="cpu", dtype="float32", **settings)
        variables = {"TOY_MODE": mode, "TOY_WORKER": str(worker.__file__)}
        engine = VllmEngine(
            checkpoint.read_folder(tiny_model("llama"), settings=chosen),
            settings=chosen,
            start=lambda: Child(Path(sys.executable), environment=variables, program=TOY),
            installed={"vllm": "0"},
        )
        made.append(engine)
        return engine

    yield get
    for engine in made:
        engine.close()


@pytest.fixture(scope="session")
def needs_vllm() -> None:
    """Skips where no environment with vLLM is there."""
    problem = interpreter.find_problem()
    if problem:
        pytest.skip(": ".join(problem))


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint whose heads vLLM's CPU kernels know: of 32, not of 16."""
    return make_tiny("llama", tmp_path_factory.mktemp("vllm") / "llama", hidden=128)


@pytest.fixture
def copy(llama: Path, tmp_path: Path) -> Path:
    """A checkpoint that a test may spoil."""
    folder = tmp_path / "model"
    shutil.copytree(llama, folder)
    return folder
