"""Whether a model has a row of embeddings for every token that its tokenizer makes of text.

A row that is not there is an index error in the middle of a cell, in the languages whose words the
added tokens are. Special tokens that no text brings forth (an image's place, padding) may lie
beyond the rows, and do in published models. Reads JSON; no torch.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from babelbits.errors import ModelError
from babelbits.formats.outside_text import is_outside_text
from babelbits.formats.own_code import read_object
from babelbits.formats.text_model import find_text_config
from babelbits.records import TensorRecord

_EMBEDDINGS = re.compile(
    r"(^|\.)(embed_tokens|wte|word_embeddings|embed_in|tok_embeddings|embeddings)\.weight$"
)
_IN_TEXT = ("bos_token", "eos_token", "unk_token")
"""Special tokens that stand in what the model reads."""


def check_tokens(
    folder: Path, config: Mapping[str, Any], tensors: Iterable[TensorRecord] | None
) -> None:
    """Raise if text can become a token that the model has no row for.

    Parameters
    ----------
    config : mapping
        Its `config.json`.
    tensors : iterable of TensorRecord, optional
        Its weights, where they are safetensors.

    Raises
    ------
    ModelError
        Names such a token, its number, and the number of rows.
    """
    rows = count_embedding_rows(config, tensors or ())
    if rows is None:
        return
    beyond = {text: i for text, i in list_text_tokens(folder).items() if i >= rows}
    if not beyond:
        return
    text, number = max(beyond.items(), key=lambda item: item[1])
    raise ModelError(
        f"the tokenizer has {len(beyond)} token{'s' * (len(beyond) > 1)} more than the model has "
        f"rows ({rows:,}), e.g. {text!r} is number {number}",
        where=str(folder),
        hint="the tokenizer belongs to another model, or tokens were added to it without "
        "model.resize_token_embeddings(len(tokenizer)): take the tokenizer that the model was "
        "trained with",
    )


def count_embedding_rows(config: Mapping[str, Any], tensors: Iterable[TensorRecord]) -> int | None:
    """Rows of the text model's embeddings: of the weights, else as the config says, else None."""
    found = [
        tensor.shape[0]
        for tensor in tensors
        if _EMBEDDINGS.search(tensor.name)
        and len(tensor.shape) == 2
        and not is_outside_text(tensor.name)
    ]
    if found:
        return max(found)
    said = find_text_config(config).get("vocab_size", config.get("vocab_size"))
    return said if isinstance(said, int) else None


def list_text_tokens(folder: Path) -> dict[str, int]:
    """Tokens and their numbers, but for special ones that no text or template holds.

    Nothing where there is no `tokenizer.json`.
    """
    parsed = read_object(folder / "tokenizer.json")
    model = parsed.get("model")
    tokens = _vocabulary(model.get("vocab") if isinstance(model, Mapping) else None)
    settings = read_object(folder / "tokenizer_config.json")
    added = [entry for entry in parsed.get("added_tokens") or () if isinstance(entry, Mapping)]
    for number, entry in (settings.get("added_tokens_decoder") or {}).items():
        added.append({**entry, "id": int(number)})
    spoken = _spoken(folder, settings)
    for entry in added:
        text = str(entry.get("content"))
        if entry.get("special") and text not in spoken:
            tokens.pop(text, None)
        elif isinstance(entry.get("id"), int):
            tokens[text] = entry["id"]
    return tokens


def _vocabulary(found: Any) -> dict[str, int]:
    """Token to number, of any of the four kinds of model: a table, or a list of (token, score)."""
    if isinstance(found, Mapping):
        return {str(text): number for text, number in found.items() if isinstance(number, int)}
    if isinstance(found, list):
        return {str(entry[0]): number for number, entry in enumerate(found)}
    return {}


class _Spoken:
    """Texts that reach the model besides the user's: a template, and three special tokens."""

    def __init__(self, template: str, names: Iterable[str]) -> None:
        self._template = template
        self._names = set(names)

    def __contains__(self, token: str) -> bool:
        return token in self._names or token in self._template


def _spoken(folder: Path, settings: Mapping[str, Any]) -> _Spoken:
    named = (settings.get(name) for name in _IN_TEXT)
    names = [str(one.get("content") if isinstance(one, Mapping) else one) for one in named if one]
    template = json.dumps(settings.get("chat_template") or "", ensure_ascii=False)
    file = folder / "chat_template.jinja"
    if file.is_file():
        template += file.read_text(encoding="utf-8", errors="replace")
    return _Spoken(template, names)
