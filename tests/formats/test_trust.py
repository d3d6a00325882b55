"""A no reaches every place that loads a model, and so does a yes."""

import json
from collections.abc import Callable
from contextlib import suppress
from itertools import product
from pathlib import Path

import pytest

from babelbits.engines import templates
from babelbits.engines.base import EngineSettings
from babelbits.errors import ModelError
from babelbits.formats.own_code import refuse_code
from babelbits.formats.trust import UNTRUSTED, Trust
from babelbits.recipes import base_loading, scope
from babelbits.recipes.gguf_checked import convert
from babelbits.study.config.spec import ModelSpec
from babelbits.study.planning.base_model import locate
from babelbits.study.rehearsal.miniature import build
from tiny_models import make_tiny

ALL = [Trust(remote_code=code, pickle=pickle) for code, pickle in product((False, True), repeat=2)]

Loader = Callable[[Path, Trust], object]


def in_the_engine(folder: Path, trust: Trust) -> object:
    from babelbits.engines.transformers import load

    return load(folder, settings=EngineSettings(device="cpu").trusting(trust))


def as_a_miniature(folder: Path, trust: Trust) -> object:
    return build(folder, folder.parent / "place", depth="one period", trust=trust)


LOADERS: dict[str, Loader] = {
    "a base model": lambda folder, trust: base_loading.load_model(folder, trust=trust),
    "its modules": lambda folder, trust: scope.build_skeleton(folder, trust=trust),
    "its tokenizer": lambda folder, trust: base_loading.load_tokenizer(folder, trust=trust),
    "a chat tokenizer": lambda folder, trust: templates.load_tokenizer(folder, trust=trust),
    "an engine": in_the_engine,
    "a miniature": as_a_miniature,
}


@pytest.fixture
def own_code(tmp_path: Path) -> Path:
    """A checkpoint whose model and tokenizer are of its own code, which leaves a mark."""
    folder = make_tiny("llama", tmp_path / "model", layers=1)
    parts = {
        "config.json": {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}},
        "tokenizer_config.json": {
            "tokenizer_class": "Mine",
            "auto_map": {"AutoTokenizer": ["mine.Mine", None]},
        },
    }
    for name, changes in parts.items():
        found = json.loads((folder / name).read_text("utf-8"))
        (folder / name).write_text(json.dumps(found | changes), "utf-8")
    (folder / "tokenizer.json").unlink()
    (folder / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n", "utf-8")
    return folder


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
@pytest.mark.parametrize("trust", ALL, ids=str)
def test_code_runs_where_it_is_trusted_and_nowhere_else(
    load: Loader, trust: Trust, own_code: Path
) -> None:
    if trust.remote_code:
        with suppress(Exception):  # the code defines nothing
            load(own_code, trust)
    else:
        with pytest.raises((ModelError, ValueError), match=r"trust_remote_code|custom code"):
            load(own_code, trust)
    assert (own_code.parent / "ran").exists() == trust.remote_code


def test_what_cannot_ask_is_not_begun(own_code: Path) -> None:
    """llama.cpp's converter runs a checkpoint's code unasked, and a plan loads nothing."""
    with pytest.raises(ModelError, match="brings its own code"):
        refuse_code(own_code, trust=UNTRUSTED)
    with pytest.raises(ModelError, match="brings its own code"):
        convert(own_code, own_code.parent / "model.gguf")
    with pytest.raises(ModelError, match="brings its own code"):
        locate(ModelSpec(path=str(own_code), folder=own_code))
    assert not (own_code.parent / "ran").exists()


@pytest.mark.parametrize("trust", ALL, ids=str)
def test_pickles_are_read_where_they_are_trusted_and_nowhere_else(
    trust: Trust, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file

    folder = make_tiny("llama", tmp_path / "model", layers=1)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    for load in (LOADERS["a base model"], in_the_engine):
        if trust.pickle:
            load(folder, trust)
        else:
            with pytest.raises(ModelError):
                load(folder, trust)


@pytest.mark.parametrize("trust", ALL, ids=str)
def test_settings_and_studies_say_the_same(trust: Trust) -> None:
    settings = EngineSettings(token_budget=64).trusting(trust)
    assert (settings.trust, settings.token_budget) == (trust, 64)
    assert (settings.trust_remote_code, settings.allow_pickle) == (trust.remote_code, trust.pickle)
    spec = ModelSpec(trust_remote_code=trust.remote_code, allow_pickle=trust.pickle)
    assert spec.trust == trust


def test_nothing_is_allowed_unless_somebody_says_so() -> None:
    assert EngineSettings().trust == ModelSpec().trust == UNTRUSTED
    assert not (UNTRUSTED.remote_code or UNTRUSTED.pickle)
