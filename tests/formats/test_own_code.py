"""When code that came with a checkpoint would run."""

import json
from pathlib import Path
from typing import Any

import pytest

from babelbits.errors import ModelError
from babelbits.formats.own_code import (
    brings_code,
    model_brings_code,
    refuse_code,
    tokenizer_brings_code,
)
from babelbits.formats.trust import UNTRUSTED, Trust


def folder_of(
    path: Path, *, config: dict[str, Any], tokenizer: dict[str, Any] | None = None
) -> Path:
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config), "utf-8")
    if tokenizer is not None:
        (path / "tokenizer_config.json").write_text(json.dumps(tokenizer), "utf-8")
    return path


PHI_35 = {
    "architectures": ["Phi3ForCausalLM"],
    "auto_map": {"AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM"},
    "model_type": "phi3",
}
DEEPSEEK_V3 = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "auto_map": {"AutoConfig": "configuration_deepseek.DeepseekV3Config"},
    "model_type": "deepseek_v3",
}
CHATGLM3 = {
    "architectures": ["ChatGLMModel"],
    "auto_map": {"AutoModelForCausalLM": "modeling_chatglm.ChatGLMForConditionalGeneration"},
    "model_type": "chatglm",
}
CHANGED_LLAMA = {
    "architectures": ["SparseLlamaForCausalLM"],
    "auto_map": {"AutoModelForCausalLM": "modeling_sparse.SparseLlamaForCausalLM"},
    "model_type": "llama",
}


@pytest.mark.parametrize(
    ("config", "brings"),
    [
        (PHI_35, False),
        (DEEPSEEK_V3, False),
        (CHATGLM3, True),
        (CHANGED_LLAMA, True),
        ({"architectures": ["LlamaForCausalLM"], "model_type": "llama"}, False),
        ({"architectures": ["NewForCausalLM"], "model_type": "new"}, False),
        ({"auto_map": {"AutoConfig": "mine.MyConfig"}, "model_type": "mine"}, True),
    ],
    ids=["Phi-3.5", "DeepSeek-V3", "ChatGLM3", "another Llama", "Llama", "no code", "no class"],
)
def test_code_is_brought_where_transformers_lacks_the_class(
    config: dict[str, Any], tmp_path: Path, *, brings: bool
) -> None:
    assert model_brings_code(folder_of(tmp_path / "model", config=config)) == brings


KIMI_K2 = {
    "auto_map": {"AutoTokenizer": ["tokenization_kimi.TikTokenTokenizer", None]},
    "tokenizer_class": "TikTokenTokenizer",
}


def test_a_tokenizers_code_counts_as_well(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model", config=DEEPSEEK_V3, tokenizer=KIMI_K2)
    assert tokenizer_brings_code(folder)
    assert brings_code(folder)
    with pytest.raises(ModelError, match=r"tokenizer_config\.json: the model brings"):
        refuse_code(folder, trust=UNTRUSTED)
    refuse_code(folder, trust=Trust(remote_code=True))
    (folder / "tokenizer.json").write_text("{}", "utf-8")
    assert not tokenizer_brings_code(folder)


def test_a_known_tokenizer_class_needs_no_code(tmp_path: Path) -> None:
    known = {"auto_map": {"AutoTokenizer": ["x.Y", None]}, "tokenizer_class": "LlamaTokenizer"}
    folder = folder_of(tmp_path / "model", config=DEEPSEEK_V3, tokenizer=known)
    assert not brings_code(folder)


def test_trust_does_not_run_an_old_copy(tmp_path: Path) -> None:
    """The file that auto_map names would stop the interpreter."""
    from babelbits.engines.base import EngineSettings
    from babelbits.engines.transformers import load
    from babelbits.recipes.base_loading import load_model
    from tiny_models import make_tiny

    folder = make_tiny("llama", tmp_path / "model", layers=1)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    old = {"AutoConfig": "old.LlamaConfig", "AutoModelForCausalLM": "old.LlamaForCausalLM"}
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": old}), "utf-8")
    (folder / "old.py").write_text("raise SystemExit('ran')\n", "utf-8")
    for trusted in (False, True):
        load(folder, settings=EngineSettings(device="cpu", trust_remote_code=trusted)).close()
        model = load_model(folder, trust=Trust(remote_code=trusted))
        assert type(model).__module__.startswith("transformers.")


def test_what_cannot_be_read_brings_nothing(tmp_path: Path) -> None:
    assert not brings_code(tmp_path)
    (tmp_path / "config.json").write_text("[", "utf-8")
    assert not brings_code(tmp_path)
