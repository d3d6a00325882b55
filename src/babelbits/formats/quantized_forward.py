"""How the layers of a loaded quantized model are called, where its library gets a call wrong.

Weights stay as they are. What is mended, each in the versions that the package is tested with:

- compressed-tensors 0.19 scales activations a token at a time only where the input has three axes.
  With two, as experts are given, or four, as latent attention gives, it takes one scale for many
  tokens, so that a token's result depends on its neighbours.
- bitsandbytes 0.50, 4 bits on a CPU: an input that is not contiguous (a transposed view, as in
  Mamba) gives a wrong result; layers whose outputs are no multiple of 32 fail; layers whose inputs
  are none of 64 fail or are dequantized with the scales of other blocks.
- compressed-tensors 0.19 unpacks 4-bit floats into bfloat16, in which a product of an NVFP4 code
  and its scales does not fit, whatever the model computes in.
- LLM.int8 fails on a CPU where the input has four axes.
- torchao 0.18 keeps weights in the type that they had before they were quantized, and some refuse
  inputs of another. Where inputs stay as computed, weights are written out in the model's type.

Torch is imported inside the functions.
"""

from functools import partial, wraps
from inspect import signature
from types import MethodType
from typing import Any

from babelbits.quiet import replaced

_OUTPUTS = 32
"""Outputs that bitsandbytes' packed CPU kernel for 4 bits takes at once."""


def prepare_forward(model: Any) -> None:
    """Make every quantized layer of a loaded model compute what its format says."""
    _unpack_floats_whole(model)
    for module in model.modules():
        kinds = {base.__name__ for base in type(module).__mro__}
        if "Linear4bit" in kinds:
            _mend_four_bits(module)
        scheme = getattr(module, "quantization_scheme", None)
        if scheme is not None or kinds & {"Linear4bit", "Linear8bitLt"}:
            _give_three_axes(module)


def widen_torchao(model: Any, dtype: Any) -> None:
    """Write torchao's weights out in `dtype`, but those of layers that quantize their inputs.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        As it was loaded.
    dtype : torch.dtype
        What the model computes in.
    """
    import torch

    for module in model.modules():
        weight: Any = getattr(module, "weight", None)
        if not type(weight).__module__.startswith("torchao."):
            continue
        if getattr(weight, "act_quant_kwargs", None) is None:
            with torch.no_grad():
                knows = "output_dtype" in signature(weight.dequantize).parameters
                plain = (
                    weight.dequantize(output_dtype=dtype)
                    if knows
                    else weight.to(dtype).dequantize()
                )
            module.weight = torch.nn.Parameter(plain, requires_grad=False)


def _unpack_floats_whole(model: Any) -> None:
    """Have the library unpack 4-bit floats in float32, and cast them to the model's own type.

    It unpacks all layers before the first forward pass, by a hook on the model.
    """
    hook = getattr(model, "ct_decompress_hook", None)
    if hook is None:
        return
    import torch
    from compressed_tensors.compressors.nvfp4 import base

    inner = hook.hooks_dict_ref()[hook.id]
    dtype = model.dtype

    def unpack(given: Any, arguments: Any) -> None:
        whole = partial(base.unpack_fp4_from_uint8, dtype=torch.float32)
        with replaced(base, "unpack_fp4_from_uint8", whole):
            inner(given, arguments)
        for module in given.modules():
            weight = getattr(module, "weight", None)
            if getattr(module, "quantization_scheme", None) is not None and weight is not None:
                weight.data = weight.data.to(dtype)

    hook.hooks_dict_ref()[hook.id] = unpack


def _give_three_axes(module: Any) -> None:
    """Let a linear layer see every input as (row, token, input), and contiguous."""
    place = _place_of_forward(module)
    inner = getattr(module, place).__func__

    @wraps(inner)
    def forward(self: Any, states: Any) -> Any:
        if states.dim() == 3:
            return inner(self, states.contiguous())
        output = inner(self, states.contiguous().view(1, -1, states.shape[-1]))
        return output.view(*states.shape[:-1], output.shape[-1])

    setattr(module, place, MethodType(forward, module))  # the libraries take it apart again


def _place_of_forward(module: Any) -> str:
    """Where a module's own forward pass is: accelerate's hook, of a split model, stands before."""
    return "_old_forward" if hasattr(module, "_hf_hook") else "forward"


def _mend_four_bits(module: Any) -> None:
    state = getattr(module.weight, "quant_state", None)
    if state is None:
        return
    if module.out_features % _OUTPUTS:
        module.support_avx512bf16_for_cpu = False
    if module.in_features % state.blocksize:
        module.support_avx512bf16_for_cpu = False
        place = _place_of_forward(module)
        inner = getattr(module, place).__func__

        @wraps(inner)
        def forward(self: Any, states: Any) -> Any:
            on_cpu = states.device.type == "cpu"
            return _through_floats(self, states) if on_cpu else inner(self, states)

        setattr(module, place, MethodType(forward, module))


def _through_floats(module: Any, states: Any) -> Any:
    """The output of a 4-bit layer whose weights are dequantized first, in its compute type."""
    from torch.nn.functional import linear

    dtype = module.compute_dtype or states.dtype
    weight = dequantize(module.weight.data, module.weight.quant_state).to(dtype)
    bias = None if module.bias is None else module.bias.to(dtype)
    return linear(states.to(dtype), weight, bias).to(states.dtype)


def dequantize(packed: Any, state: Any) -> Any:
    """4-bit weights of bitsandbytes as float32: blocks run on across the ends of rows.

    Parameters
    ----------
    packed : torch.Tensor
        Two codes a byte, the first in the upper half.
    state : bitsandbytes.functional.QuantState
        Codebook, scales and shape.
    """
    import torch

    scales = state.absmax.float()
    if state.nested:
        from bitsandbytes.functional import dequantize_blockwise

        scales = (dequantize_blockwise(state.absmax, state.state2) + state.offset).float()
    octets = packed.reshape(-1).view(torch.uint8)
    codes = torch.stack((octets >> 4, octets & 15), dim=-1).reshape(-1).long()
    values = state.code.float().to(codes.device)[codes]
    each = scales.repeat_interleave(state.blocksize)[: values.numel()]
    return (values * each)[: state.shape.numel()].reshape(state.shape)
