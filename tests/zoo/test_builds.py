"""The tiny checkpoints are what they are meant to be: hub-like, whole, and far from uniform."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.build import ENTRIES, ZOO, chosen, names
from zoo.corpus import sentences

FEW = ("llama3", "gemma2", "qwen3.5-vl", "deepseek-v3")
SOME = [
    name if name in FEW else pytest.param(name, marks=pytest.mark.slow)
    for name in dict.fromkeys((*FEW, *chosen()))
]


def load(folder: Path, name: str) -> tuple[Any, dict[str, Any]]:
    """The model as transformers loads it, and its report on the files."""
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    whole = "multimodal" in ZOO[name].notes
    auto = AutoModelForImageTextToText if whole else AutoModelForCausalLM
    model, report = auto.from_pretrained(
        folder, output_loading_info=True, dtype="float32", attn_implementation="eager"
    )
    return model.eval(), report


def texts() -> list[str]:
    """One sentence of each of the languages, which differ in their scripts."""
    return list(sentences()[:: len(sentences()) // 16])


@pytest.mark.parametrize("name", SOME)
def test_a_checkpoint_loads_whole_and_predicts_something(
    name: str, zoo: Callable[..., Path]
) -> None:
    """Entropies lie between a certain and a uniform next token; every text comes back."""
    import torch
    from transformers import AutoTokenizer

    folder = zoo(name)
    model, report = load(folder, name)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = model.config.get_text_config().vocab_size
    assert len(tokenizer) <= rows
    for text in texts()[:2]:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            log_p = model(input_ids=ids).logits[0].log_softmax(-1)
        entropy = -(log_p.exp() * log_p).sum(-1).mean()
        assert 2.5 < entropy < 6.0
        # It does not simply repeat what it has read, as a tied random model may.
        assert (log_p.argmax(-1) == ids[0]).float().mean() < 0.5


@pytest.mark.parametrize("name", SOME)
def test_a_tokenizer_reads_every_language_and_knows_its_special_tokens(
    name: str, zoo: Callable[..., Path]
) -> None:
    """Ids of special tokens agree between the configuration and the tokenizer."""
    from transformers import AutoTokenizer

    folder = zoo(name)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    text = config.get("text_config", config)
    assert text["eos_token_id"] == tokenizer.eos_token_id
    assert text["bos_token_id"] == tokenizer.bos_token_id
    if name == "xglm":  # a unigram model of few characters
        return
    for sentence in texts():
        ids = tokenizer(sentence, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids).strip() == sentence


def test_every_name_is_that_of_one_entry() -> None:
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)
    assert {"gemma3-mm", "qwen3.5-vl"} <= set(names(having="multimodal"))
    assert "gemma3-text" not in names(having="multimodal")
