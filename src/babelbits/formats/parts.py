"""What a variant holds of a checkpoint that is more than a text model, and what it leaves out.

Parts for images, sound and further predictions are stored with many published models. A recipe
leaves them as they are, or the variant is of the text model alone, as transformers and llama.cpp
load it. Judged by names of weights and `config.json`; no torch.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from babelbits.formats.outside_text import is_outside_text
from babelbits.formats.text_model import find_text_config, is_multimodal
from babelbits.records import TensorRecord

TEXT_ONLY = ("llama4", "qwen3_5", "qwen3_5_moe", "qwen4_exp")
"""Multimodal types of which transformers' `AutoModelForCausalLM` loads and saves the text model."""
_LAYER = re.compile(r"(?:^|\.)(?:layers|blk|h)\.(\d+)\.")
_PREDICTION = ("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_layers")
"""How configs say how many layers guess further tokens."""
_MOST_NAMES = 3


def is_run(name: str, config: Mapping[str, Any]) -> bool:
    """Whether a stored weight takes part when the model reads and writes text.

    Parameters
    ----------
    config : mapping
        The checkpoint's `config.json`.
    """
    return not is_outside_text(name) and not _is_prediction(name, find_text_config(config))


def is_kept(name: str, config: Mapping[str, Any], *, text_model_only: bool) -> bool:
    """Whether a variant holds a stored weight at all.

    Parameters
    ----------
    name : str
        In the base model's files.
    config : mapping
        The base model's `config.json`.
    text_model_only : bool
        Whether the variant's format holds nothing else.
    """
    if is_run(name, config):
        return True
    gone = text_model_only or config.get("model_type") in TEXT_ONLY
    return not gone and is_outside_text(name) and not _is_further(name)


def list_notes(
    base: Iterable[TensorRecord], variant: Iterable[TensorRecord], config: Mapping[str, Any]
) -> tuple[str, ...]:
    """What a variant leaves as it is, and what it leaves out, each in a sentence with its weights.

    Parameters
    ----------
    config : mapping
        The base model's `config.json`.
    """
    before = _sizes(tensor for tensor in base if not is_run(tensor.name, config))
    after = _sizes(tensor for tensor in variant if not is_run(tensor.name, config))
    sentences = []
    if after:
        sentences.append(
            f"stored unquantized, as no text runs through it: {_names(after)} "
            f"({after.total():,} weights)"
        )
    if before and not after:
        what = "the text model only" if is_multimodal(config) else "the language model only"
        sentences.append(
            f"the variant holds {what}; the base model's {_names(before)} "
            f"({before.total():,} weights) is left out"
        )
    return tuple(sentences)


def _is_prediction(name: str, text: Mapping[str, Any]) -> bool:
    """Whether a weight belongs to layers behind the last one, which guess further tokens."""
    layers = text.get("num_hidden_layers")
    found = _LAYER.search(name)
    further = any(text.get(key) for key in _PREDICTION)
    return bool(further and found and isinstance(layers, int) and int(found[1]) >= layers)


def _is_further(name: str) -> bool:
    """Whether a part is a head that guesses further tokens: transformers never loads those."""
    return any(part.startswith(("mtp", "nextn", "eh_proj", "medusa")) for part in name.split("."))


def _sizes(tensors: Iterable[TensorRecord]) -> Counter[str]:
    """Weights of each part, by the first component of the name that says what it is."""
    sizes: Counter[str] = Counter()
    for tensor in tensors:
        sizes[_part(tensor.name)] += math.prod(tensor.shape)
    return sizes


def _part(name: str) -> str:
    for component in name.split("."):
        if is_outside_text(component):
            return component
    return "layers for further tokens"


def _names(sizes: Counter[str]) -> str:
    names = [name for name, _ in sizes.most_common(_MOST_NAMES)]
    more = len(sizes) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
