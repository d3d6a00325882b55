"""A GGUF file as the base model of a study: what its header says, and which recipes it can serve.

Its variants are quantized from the file itself. Nothing is converted, and the tokenizer is the
file's own, for the calibration text as for the tasks. Only the header is read here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from babelbits.errors import ModelError, RecipeError
from babelbits.llamacpp.gguf_file import (
    is_quantized,
    main_type,
    open_gguf,
    read_metadata,
    read_tensors,
)
from babelbits.llamacpp.gguf_parts import list_part_names, list_parts
from babelbits.recipes.catalogue import RECIPES
from babelbits.recipes.info import RecipeInfo
from babelbits.records import JSON, TensorRecord
from babelbits.words import plural

SUFFIX = ".gguf"
GGUF = "gguf"
"""Key of `read_config` that no `config.json` has: the type of most weights."""
PARTS = "gguf_parts"
"""Another such key: how many files hold the model, where they are several."""
_NOT_CAUSAL = ("t5", "t5encoder", "clip")
"""Architectures of llama.cpp with an encoder, or without a language model."""


def is_gguf(base: Path) -> bool:
    """Whether a base model is a GGUF file and no folder."""
    return base.suffix == SUFFIX and not base.is_dir()


def read_config(file: Path) -> JSON:
    """What `config.json` says of a checkpoint, from the header of a GGUF file.

    Returns
    -------
    dict
        'model_type', 'max_position_embeddings' and, under 'gguf', the type of most weights.

    Raises
    ------
    ModelError
        If it is no whole GGUF file, a part is missing, or it holds no causal language model.
    MissingExtraError
        If the package `gguf` is not installed.
    """
    file = list_parts(file)[0]
    reader = open_gguf(file)
    kind = read_metadata(reader, "general.type") or "model"
    architecture = read_metadata(reader, "general.architecture")
    if kind != "model" or not architecture:
        raise ModelError(f"the GGUF file holds no model but: {kind}", where=str(file))
    if (read_metadata(reader, "split.count") or 1) > 1 and len(list_part_names(file.name)) == 1:
        raise ModelError(
            "the GGUF file is one part of several, and its name does not say which",
            where=str(file),
            hint="give the parts their names back (NAME-00001-of-00003.gguf), or put them "
            "together: llama-gguf-split --merge FIRST_PART WHOLE",
        )
    causal = read_metadata(reader, f"{architecture}.attention.causal")
    if architecture in _NOT_CAUSAL or causal is False:
        raise ModelError(
            f"{architecture} is no causal language model",
            where=str(file),
            hint="Babelbits measures decoder-only models",
        )
    if read_metadata(reader, "tokenizer.ggml.model") in (None, "none", "no_vocab"):
        raise ModelError("the GGUF file has no tokenizer", where=str(file), hint="get it again")
    return {
        "model_type": architecture,
        "max_position_embeddings": read_metadata(reader, f"{architecture}.context_length"),
        GGUF: main_type(read_tensors(file)),
        **({PARTS: n_parts} if (n_parts := len(list_part_names(file.name))) > 1 else {}),
    }


def make_note(config: Mapping[str, Any]) -> str | None:
    """What to know of a base model that is quantized already; None where there is nothing."""
    kind = config.get(GGUF)
    if kind is None or not is_quantized(TensorRecord(name="", shape=(), dtype=str(kind), bytes=0)):
        return None
    return (
        f"the baseline is a GGUF file in {kind}: differences from it are what is lost beyond "
        f"{kind}, not beyond the unquantized model"
    )


def make_file_error(recipe: str) -> RecipeError:
    """The error for a recipe whose family cannot read GGUF files."""
    types = ", ".join(name for name, one in RECIPES.items() if one.method == "k-quant")
    return RecipeError(
        f"the base model is a GGUF file, and '{recipe}' is made from a Hugging Face "
        "checkpoint, which transformers can load",
        hint=f"name the checkpoint in [model], or use llama.cpp's types: {types}",
    )


def check(config: Mapping[str, Any], info: RecipeInfo, settled: Mapping[str, Any]) -> None:
    """Raise if a recipe of llama.cpp cannot be made from a GGUF file.

    Raises
    ------
    RecipeError
        Says why, and what can.
    """
    if info.method == "convert":
        raise RecipeError(
            "the base model is a GGUF file already, so this would be the baseline again",
            hint="leave the variant out",
        )
    if config.get(PARTS, 1) > 1:
        raise RecipeError(
            f"the base model is a GGUF file in {plural(config[PARTS], 'part')}, and variants are "
            "made of one file",
            hint="put them together: llama-gguf-split --merge FIRST_PART WHOLE",
        )
    usual = info.parameters["source_type"].default
    if settled["source_type"] != usual:
        raise RecipeError(
            f"the base model is a GGUF file in {config[GGUF]}: nothing is converted to "
            f"{settled['source_type']}",
            hint="leave out `source_type`",
        )
