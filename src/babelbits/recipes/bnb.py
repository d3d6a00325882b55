"""Variants in bitsandbytes' formats: LLM.int8 and NF4, quantized while the model is loaded.

The experts of a mixture become linear layers first: bitsandbytes knows no others. The model is then
whole in memory, and its layers are quantized one after the other by the same operations.

The model must be saved before its first forward pass: on a CPU with AVX512-BF16 that pass repacks
4-bit weights in place, and a checkpoint saved afterwards is silently wrong. Nothing here runs it.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from babelbits.formats import linear
from babelbits.formats.trust import Trust
from babelbits.recipes.base_loading import load_model
from babelbits.recipes.info import RecipeInfo, Value
from babelbits.recipes.scope import Scope, build_skeleton, make_patterns, plan_scope
from babelbits.records import JSON

_DTYPES = {"float32", "float16", "bfloat16"}


def save_bitsandbytes(
    base: Path,
    folder: Path,
    *,
    info: RecipeInfo,
    parameters: Mapping[str, Value],
    config: JSON,
    device: str,
    trust: Trust,
) -> Scope:
    """Quantize the model in `base` and save it to `folder`.

    Returns
    -------
    Scope
        What the recipe means on this model.
    """
    empty = build_skeleton(base, trust=trust)
    scope = plan_scope(empty, recipe=info.name, settled=parameters)
    skip = [pattern.removeprefix("re:") for pattern in make_patterns(scope)]
    settings = _settings(info.method, parameters, config, skip)
    has_experts = bool(linear.find_fused(empty))
    with linear.linear_loading():
        model = load_model(
            base,
            quantization=None if has_experts else settings,
            device="cpu" if has_experts else device,
            trust=trust,
        )
    if has_experts:
        linear.unfuse(model)
        _quantize(model, scope.quantized, settings, device=device)
    model.save_pretrained(folder)
    return scope


def _quantize(model: Any, names: Iterable[str], settings: Any, *, device: str) -> None:
    """Quantize layers of a model in memory, as transformers does while it loads one."""
    import torch
    from torch import nn
    from transformers.integrations.bitsandbytes import replace_with_bnb_linear
    from transformers.quantizers.auto import AutoHfQuantizer

    quantizer = AutoHfQuantizer.from_config(settings, pre_quantized=False)
    quantizer.validate_environment(device_map={"": device})
    quantize = quantizer.get_quantize_ops()
    layers = {name: model.get_submodule(name) for name in names}
    replace_with_bnb_linear(
        model,
        modules_to_not_convert=settings.llm_int8_skip_modules,
        quantization_config=settings,
    )
    with torch.no_grad():
        for name, layer in layers.items():
            made = model.get_submodule(name)
            weight = {f"{name}.weight": layer.weight.data.to(device)}
            made.weight = quantize.convert(weight, model=model)[f"{name}.weight"]
            if layer.bias is not None:
                made.bias = nn.Parameter(layer.bias.data.to(device), requires_grad=False)
            layer.to("meta")
    model.to(device)
    model.hf_quantizer = quantizer
    model.quantization_method = settings.quant_method
    quantizer.postprocess_model(model)


def make_note(method: str, parameters: Mapping[str, Value]) -> str | None:
    """What a user of the variant should know; None where nothing is special."""
    if method != "llm.int8" or not parameters.get("threshold"):
        return None
    return (
        "LLM.int8 looks for outlier columns in all sequences of a batch: what a sequence gets "
        "depends on its neighbours, unless it is alone"
    )


def _settings(
    method: str, parameters: Mapping[str, Value], config: JSON, skip: Sequence[str]
) -> Any:
    import torch
    from transformers import BitsAndBytesConfig

    if method == "llm.int8":
        return BitsAndBytesConfig(
            load_in_8bit=True,
            llm_int8_threshold=float(parameters["threshold"]),
            llm_int8_skip_modules=list(skip),
        )
    stored = str(config.get("dtype", config.get("torch_dtype")))
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=bool(parameters["double_quantization"]),
        bnb_4bit_compute_dtype=getattr(torch, stored if stored in _DTYPES else "float32"),
        llm_int8_skip_modules=list(skip),
    )
