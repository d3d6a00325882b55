"""The number format of the QAT lab, and torchao's three steps in it: prepare, convert, and read.

int8 activations, asymmetric, a scale and zero point a token, found as they come; int4 weights,
symmetric, a scale a group of 32 inputs. `prepare` puts torchao's fake quantization into the linear
layers that recipes quantize: embeddings, norms and the output layer stay as they are. `convert`
gives the integer codes: of a prepared model as of a plain one, by the same step, so that QAT and
PTQ differ in how the weights were trained and in nothing else.

Never trains, and writes no file. Torch and torchao are imported inside the functions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from babelbits.errors import RecipeError
from babelbits.libraries import need
from babelbits.quiet import quiet
from babelbits.recipes.scope import plan_scope

GROUP_SIZE = 32
"""Inputs that share a scale."""
WEIGHT_BITS = 4
ACTIVATION_BITS = 8
_AS_RECIPE = "w4a8"
"""The recipe whose scope this format has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedWeight:
    """One linear layer's weights as torchao stores them."""

    codes: Any
    """Tensor of int8, shape (outputs, inputs), each in -8 to 7."""
    scales: Any
    """Tensor of float, shape (outputs, inputs / 32): weight = code * scale."""


def need_torchao() -> None:
    """Raise unless torchao is installed.

    Raises
    ------
    MissingExtraError
        With the command that installs it.
    """
    need(["torchao"], what="quantization-aware training")


def prepare(model: Any) -> tuple[str, ...]:
    """Put fake quantization into a plain model, in place: the first step of torchao's QAT.

    Gradients pass the rounding as they are (straight-through estimator, Bengio et al. 2013), and
    scales are found anew in every forward pass.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Unquantized; float32, or what it is trained in.

    Returns
    -------
    tuple of str
        The layers that are quantized.

    Raises
    ------
    MissingExtraError
        If torchao is not installed.
    RecipeError
        If the group size does not fit the layers.
    """
    need_torchao()
    names = list_quantized_layers(model)
    with quiet():
        from torchao.quantization import quantize_
        from torchao.quantization.qat import QATConfig

        quantize_(
            model,
            QATConfig(_base_config(), step="prepare"),
            filter_fn=lambda _, name: name in names,
        )
    return names


def convert(model: Any) -> dict[str, QuantizedWeight]:
    """Quantize a model in place, and give the codes of its layers: PTQ, and the end of QAT.

    A prepared model is freed of its fake quantization and quantized by torchao's convert step; a
    plain one by the configuration that this step applies.

    Raises
    ------
    MissingExtraError
        If torchao is not installed.
    RecipeError
        If the group size does not fit the layers, or a layer was not quantized.
    """
    need_torchao()
    with quiet():
        from torchao.quantization import quantize_
        from torchao.quantization.qat import QATConfig

        prepared = is_prepared(model)
        names = list_quantized_layers(model)
        if prepared:
            quantize_(model, QATConfig(_base_config(), step="convert"))
        else:
            quantize_(model, _base_config(), filter_fn=lambda _, name: name in names)
    return {name: _read(model.get_submodule(name), name) for name in names}


def list_quantized_layers(model: Any) -> tuple[str, ...]:
    """Names of the linear layers that the format means, in the model's order.

    Raises
    ------
    RecipeError
        If the group size does not fit the layers, or torchao does not know one of them.
    """
    from torch import nn

    names = plan_scope(model, recipe=_AS_RECIPE, settled={"group_size": GROUP_SIZE}).quantized
    plain = {name for name, one in model.named_modules() if isinstance(one, nn.Linear)}
    if unknown := [name for name in names if name not in plain]:
        raise RecipeError(
            f"torchao quantizes plain linear layers only, and '{unknown[0]}' is none",
            hint="name a model without fused experts or Conv1D layers, e.g. of the Llama family",
        )
    return names


def is_prepared(model: Any) -> bool:
    """Whether a model holds fake quantization."""
    return any(type(one).__name__ == "FakeQuantizedLinear" for one in model.modules())


def dequantize_codes(weight: QuantizedWeight) -> Any:
    """The weights that the codes stand for: a tensor of float32, shape (outputs, inputs)."""
    codes = weight.codes.float()
    groups = codes.view(codes.shape[0], -1, GROUP_SIZE)
    return (groups * weight.scales.float()[:, :, None]).view_as(codes)


def describe() -> Mapping[str, Any]:
    """The format in words and numbers, for plans and manifests."""
    return {
        "weights": f"int{WEIGHT_BITS}, symmetric, a scale a group of {GROUP_SIZE} inputs",
        "activations": f"int{ACTIVATION_BITS}, asymmetric, a scale and zero point a token",
        "library": "torchao Int8DynamicActivationIntxWeightConfig",
    }


def _base_config() -> Any:
    import torch
    from torchao.quantization import Int8DynamicActivationIntxWeightConfig, PerGroup

    return Int8DynamicActivationIntxWeightConfig(
        weight_dtype=getattr(torch, f"int{WEIGHT_BITS}"), weight_granularity=PerGroup(GROUP_SIZE)
    )


def _read(module: Any, name: str) -> QuantizedWeight:
    weight = module.weight
    if not hasattr(weight, "qdata"):
        raise RecipeError(
            f"torchao did not quantize '{name}'", hint="pip install 'torchao>=0.18,<0.19'"
        )
    if bool((weight.zero_point != 0).any()):
        raise RecipeError(f"torchao gave '{name}' a zero point, and the format has none")
    return QuantizedWeight(
        codes=weight.qdata.detach().clone(), scales=weight.scale.detach().clone()
    )
