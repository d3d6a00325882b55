"""What cannot be loaded says so; what a model cannot answer fails alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from babelbits.engines.base import EngineSettings
from babelbits.engines.transformers import load
from babelbits.errors import ModelError
from babelbits.records import ScoreRequest
from engine_failures import Opened, RequestsFailAlone

CPU = EngineSettings(device="cpu")


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
    assert "is no causal language model" in refused(copy)
    configure(copy, architectures=["LlamaModel"], model_type="llama")
    assert "is no causal language model" in refused(copy)
    configure(copy, architectures=["T5ForConditionalGeneration"], model_type="t5")
    assert "is no causal language model" in refused(copy)


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
        assert "there is no device 'cuda' here" in refused(copy, EngineSettings(device="cuda"))


class TestRequests(RequestsFailAlone):
    @pytest.fixture
    def opened(self) -> Opened:
        return lambda folder: load(folder, settings=CPU)

    @pytest.fixture
    def tiny(self, engine: Callable[..., Any]) -> Any:
        return engine()
