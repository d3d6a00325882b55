"""Number formats of compressed-tensors' recipes: what llm-compressor is told of weights and inputs.

Each is written out here, and equals the library's preset of that name where it has one. Torch and
compressed-tensors are imported inside the functions.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from babelbits.recipes import module_bits
from babelbits.recipes.info import RecipeInfo, Value
from babelbits.recipes.scope import make_layer_pattern

BLOCK = 128
"""Rows and columns of an FP8 block, and inputs of an FP8 group."""


def make_groups(
    info: RecipeInfo, parameters: Mapping[str, Value], layers: Sequence[str]
) -> dict[str, Any]:
    """The schemes of a recipe by group: of all layers, and of those with bits of their own.

    Parameters
    ----------
    info : RecipeInfo
        The recipe.
    parameters : mapping
        All of its.
    layers : sequence of str
        Names of those that it quantizes.
    """
    common = make_scheme(info, parameters)
    given = module_bits.parse(str(parameters.get(module_bits.PARAMETER, "")))
    own: dict[int, list[str]] = {}
    for name in layers if given else ():
        bits = module_bits.find_bits(name, given)
        if bits is not None and bits != common.weights.num_bits:
            own.setdefault(bits, []).append(name)
    groups = {"group_0": common} if sum(map(len, own.values())) < len(layers) else {}
    for number, (bits, names) in enumerate(sorted(own.items()), start=1):
        weights = common.weights.model_copy(update={"num_bits": bits})
        targets = [f"re:{make_layer_pattern(name)}" for name in names]
        group = common.model_copy(update={"weights": weights, "targets": targets})
        groups[f"group_{number}"] = group
    return groups


def make_scheme(info: RecipeInfo, parameters: Mapping[str, Value]) -> Any:
    """The quantization scheme of all linear layers of a recipe."""
    from compressed_tensors.quantization import QuantizationScheme

    make = _MADE.get(info.name)
    weights, inputs = _integers(info, parameters) if make is None else make()
    return QuantizationScheme(targets=["Linear"], weights=weights, input_activations=inputs)


def _integers(info: RecipeInfo, parameters: Mapping[str, Value]) -> tuple[Any, Any]:
    """A scale an output channel or group of inputs; inputs, if at all, a scale a token."""
    from compressed_tensors.quantization import QuantizationArgs

    kind = "float" if info.name == "fp8" else "int"
    group = parameters.get("group_size")
    weights = QuantizationArgs(
        num_bits=int(info.weight_bits),
        type=kind,
        symmetric=parameters.get("symmetric", True),
        strategy="channel" if group is None else "group",
        group_size=group,
    )
    if info.activation_bits is None:
        return weights, None
    inputs = QuantizationArgs(
        num_bits=info.activation_bits, type=kind, symmetric=True, strategy="token", dynamic=True
    )
    return weights, inputs


def _static() -> tuple[Any, Any]:
    """int8, and one scale for all inputs of a layer, fixed by the calibration text."""
    from compressed_tensors.quantization import QuantizationArgs

    weights = QuantizationArgs(num_bits=8, type="int", symmetric=True, strategy="channel")
    inputs = QuantizationArgs(
        num_bits=8, type="int", symmetric=True, strategy="tensor", dynamic=False
    )
    return weights, inputs


def _fp8_block() -> tuple[Any, Any]:
    """E4M3, a scale a block of 128 by 128 weights and a group of 128 inputs."""
    from compressed_tensors.quantization import QuantizationArgs

    weights = QuantizationArgs(
        num_bits=8,
        type="float",
        symmetric=True,
        strategy="block",
        block_structure=[BLOCK, BLOCK],
    )
    inputs = QuantizationArgs(
        num_bits=8, type="float", symmetric=True, strategy="group", dynamic=True, group_size=BLOCK
    )
    return weights, inputs


def _mx(bits: int) -> tuple[Any, Any]:
    """A power of two for 32 numbers, weights and inputs alike."""
    import torch
    from compressed_tensors.quantization import QuantizationArgs

    common = {
        "num_bits": bits,
        "type": "float",
        "symmetric": True,
        "strategy": "group",
        "group_size": 32,
        "scale_dtype": torch.uint8,
        "zp_dtype": torch.uint8,
    }
    return QuantizationArgs(**common, dynamic=False), QuantizationArgs(**common, dynamic=True)


def _nvfp4(*, inputs: bool) -> tuple[Any, Any]:
    """An E4M3 scale for 16 numbers over one float for the tensor."""
    import torch
    from compressed_tensors.quantization import QuantizationArgs

    common = {
        "num_bits": 4,
        "type": "float",
        "symmetric": True,
        "strategy": "tensor_group",
        "group_size": 16,
        "scale_dtype": torch.float8_e4m3fn,
        "zp_dtype": torch.float8_e4m3fn,
    }
    weights = QuantizationArgs(**common, dynamic=False)
    if not inputs:
        return weights, None
    return weights, QuantizationArgs(**common, dynamic="local", observer="static_minmax")


_MADE: Mapping[str, Callable[[], tuple[Any, Any]]] = {
    "w8a8-static": _static,
    "fp8-block": _fp8_block,
    "mxfp8": lambda: _mx(8),
    "mxfp4": lambda: _mx(4),
    "nvfp4a16": lambda: _nvfp4(inputs=False),
    "nvfp4": lambda: _nvfp4(inputs=True),
}
