"""`build('gemma2', folder)` writes a tiny random checkpoint of an architecture, as its hub has it.

`config.json` stays in the hub's older style (`rope_theta`, `torch_dtype`); `generation_config.json`
names all tokens that end a generation; weights are float32 safetensors under the hub's names. The
tokenizer is trained on real texts (`vocabularies`). A checkpoint takes a second or less.
"""

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from babelbits.formats.logit_scale import scale_logits
from babelbits.quiet import quiet
from zoo import classics, gemmas, hybrids, llamas, mistrals, mixtures, qwens
from zoo.architecture import JSON, Architecture
from zoo.kinds import KINDS
from zoo.mtp import add_prediction_block
from zoo.vocabularies import Vocabulary, train
from zoo.weights import randomize

ENTRIES: tuple[Architecture, ...] = tuple(
    entry
    for family in (llamas, mistrals, gemmas, qwens, mixtures, hybrids, classics)
    for entry in family.ARCHITECTURES
)
ZOO: dict[str, Architecture] = {entry.name: entry for entry in ENTRIES}


def names(*, having: str = "") -> list[str]:
    """Names of all architectures, or of those with a note such as 'moe', in the table's order."""
    return sorted(name for name, entry in ZOO.items() if not having or having in entry.notes)


_REPRESENTATIVE = (
    *("llama3", "llama32-tied", "eurollm", "qwen2", "qwen3", "cohere2", "mistral-swa", "apertus"),
    *("gemma2", "gemma3-mm", "gemma3n-text", "gemma4-text", "mistral3-mm", "llama4-text"),
    *("mixtral", "qwen3-moe", "gpt-oss", "deepseek-v3", "granite4", "jamba", "lfm2"),
    *("qwen3.5-vl", "qwen3-next", "falcon-h1", "gpt2", "bloom", "falcon", "phi3", "xglm", "olmo2"),
)
"""At least one of each kind of attention, experts, state, position, tokenizer and linear layer."""


def chosen() -> list[str]:
    """Names for the long tests: one of each kind, or all with BABELBITS_ZOO=all."""
    if os.environ.get("BABELBITS_ZOO") == "all":
        return names()
    return [name for name in names() if name in _REPRESENTATIVE]


def build(
    name: str,
    folder: Path,
    *,
    seed: int = 0,
    n_layers: int | None = None,
    settings: Mapping[str, Any] = MappingProxyType({}),
    dtype: str = "float32",
) -> Path:
    """Write a checkpoint to `folder`, which is made, and return it.

    Parameters
    ----------
    name : str
        Key of `ZOO`.
    folder : Path
        Written over.
    seed : int
        Of the weights.
    n_layers : int, optional
        Instead of the entry's own number; `ZOO[name].published_layers` is one that llama.cpp knows.
    settings : mapping
        Of the text model, in place of the entry's own, e.g. `ZOO[name].published_settings`.
    dtype : str
        'float32', 'bfloat16' or 'float16'; `torch_dtype` says the same.
    """
    entry = ZOO[name]
    vocabulary = _vocabulary(entry.tokenizer)
    config = entry.config(n_layers or entry.n_layers, vocabulary)
    config.get("text_config", config).update(settings)
    _name_tokens(config, vocabulary, multiple=entry.multiple)
    config["torch_dtype"] = dtype
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary.save(folder)
    _write(folder / "config.json", config)
    model = _model(folder, entry)
    randomize(model, entry, seed=seed)
    _save(model, folder, dtype=dtype, renamed=entry.renamed)
    if "mtp" in entry.notes:
        add_prediction_block(folder)
    _write(folder / "config.json", config)
    _write(folder / "generation_config.json", _generation(vocabulary))
    return folder


@cache
def _vocabulary(kind: str) -> Vocabulary:
    return train(KINDS[kind])


def _write(path: Path, content: JSON) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _name_tokens(config: JSON, vocabulary: Vocabulary, *, multiple: int) -> None:
    """The number of rows and the ids of special tokens, also for a text model inside."""
    for place in (config, config.get("text_config")):
        if place is None:
            continue
        if place is not config or "text_config" not in config:
            place.setdefault("vocab_size", -(-len(vocabulary) // multiple) * multiple)
        for role in ("bos", "eos", "pad"):
            token = vocabulary.role(role)
            if token is not None or role != "pad":
                place[f"{role}_token_id"] = token


def _generation(vocabulary: Vocabulary) -> JSON:
    ends = list(vocabulary.ends)
    roles = {f"{role}_token_id": vocabulary.role(role) for role in ("bos", "pad")}
    given = {name: token for name, token in roles.items() if token is not None}
    return {**given, "eos_token_id": ends if len(ends) > 1 else ends[0]}


def _model(folder: Path, entry: Architecture) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    auto = AutoModelForImageTextToText if "multimodal" in entry.notes else AutoModelForCausalLM
    model = auto.from_config(config, dtype=torch.float32, attn_implementation="eager")
    scale_logits(model)
    return model


def _save(model: Any, folder: Path, *, dtype: str, renamed: tuple[tuple[str, str], ...]) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    with quiet():
        model.to(getattr(torch, dtype)).save_pretrained(folder)
    path = folder / "model.safetensors"
    weights = load_file(path)
    for saved, hub in renamed:
        weights = {
            name.replace(saved, hub, 1) if name.startswith(saved) else name: weight
            for name, weight in weights.items()
        }
    if renamed:
        save_file(weights, path, metadata={"format": "pt"})
