"""Variants in bitsandbytes' formats: LLM.int8 and NF4, quantized while the model is loaded.

The model must be saved before its first forward pass: on a CPU with AVX512-BF16 that pass repacks
4-bit weights in place, and a checkpoint saved afterwards is silently wrong. Nothing here runs it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from babelbits.recipes.catalogue import Method, Value
from babelbits.recipes.loading import load_model
from babelbits.records import JSON

_DTYPES = {"float32", "float16", "bfloat16"}


def save_bitsandbytes(
    base: Path,
    folder: Path,
    *,
    method: Method,
    parameters: Mapping[str, Value],
    config: JSON,
    device: str,
    trust_remote_code: bool,
    allow_pickle: bool,
) -> None:
    """Quantize the model in `base` and save it to `folder`; `lm_head` stays as it is."""
    model = load_model(
        base,
        quantization=_settings(method, parameters, config),
        device=device,
        trust_remote_code=trust_remote_code,
        allow_pickle=allow_pickle,
    )
    model.save_pretrained(folder)


def note(method: Method, parameters: Mapping[str, Value]) -> str | None:
    """What a user of the variant should know; None where nothing is special."""
    if method != "llm.int8" or not parameters.get("threshold"):
        return None
    return (
        "LLM.int8 looks for outlier columns in all sequences of a batch: what a sequence gets "
        "depends on its neighbours, unless it is alone"
    )


def _settings(method: Method, parameters: Mapping[str, Value], config: JSON) -> Any:
    import torch
    from transformers import BitsAndBytesConfig

    if method == "llm.int8":
        return BitsAndBytesConfig(
            load_in_8bit=True,
            llm_int8_threshold=float(parameters["threshold"]),
            llm_int8_skip_modules=["lm_head"],
        )
    stored = str(config.get("dtype", config.get("torch_dtype")))
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=bool(parameters["double_quantization"]),
        bnb_4bit_compute_dtype=getattr(torch, stored if stored in _DTYPES else "float32"),
        llm_int8_skip_modules=["lm_head"],
    )
