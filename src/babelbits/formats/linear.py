"""The linear layers of a model as plain `torch.nn.Linear`, so that quantizers and hooks find them.

transformers holds some of them otherwise, and no quantizer of linear layers sees these:

- the experts of a mixture, as parameters of three axes (expert, output, input);
- GPT-2's `Conv1D`, a linear layer whose weight is transposed;
- Falcon's `FalconLinear`, a linear layer under another class.

`unfuse` and `make_plain` put modules in their place that hold the same numbers and compute the same
function, on any device, the meta device included: an expert becomes '<experts>.<number>.gate_proj',
'up_proj' and 'down_proj'. `linear_loading` makes transformers build a quantized checkpoint in the
form it was saved in. Names in files follow the published checkpoints where these hold experts one
by one ('w1', 'w3', 'w2' in Mixtral), so that other programs read them too.

Torch and transformers are imported inside the functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from babelbits.quiet import replaced

_GATED = ("gate_proj", "up_proj")
_ONE_BY_ONE = re.compile(r"\.experts\.\d+\.\w+\.(weight_packed|weight_scale|SCB|weight\.absmax)$")
"""Names that only a quantized linear layer of one expert has in a file."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a module holds the weights of its experts."""

    experts: int
    gated: bool
    """Gate and up projection share one parameter."""
    transposed: bool
    """The axes are (expert, input, output)."""
    interleaved: bool
    """Gate and up take turns along the output axis."""
    sorted: bool
    """The module is given all tokens once for each expert, not the router's choice."""


def find_layout(module: Any) -> Layout | None:
    """How `module` holds experts as parameters of three axes; None if it does not."""
    parameters = dict(module.named_parameters(recurse=False))
    down = parameters.get("down_proj")
    first = parameters.get("gate_up_proj", parameters.get("up_proj"))
    if down is None or first is None or down.dim() != 3:
        return None
    kin = {base.__name__ for base in type(module).__mro__}
    alone = "Llama4TextExperts" in kin  # whose class is not marked as transformers marks the others
    if not alone and not hasattr(module, "is_transposed"):
        return None
    return Layout(
        experts=int(down.shape[0]),
        gated="gate_up_proj" in parameters,
        transposed=alone or bool(module.is_transposed),
        interleaved=not alone and not module.is_concatenated,
        sorted=alone,
    )


def find_fused(model: Any) -> dict[str, Layout]:
    """The modules of a model that hold experts as parameters of three axes, by name."""
    found = ((name, find_layout(module)) for name, module in model.named_modules())
    return {name: layout for name, layout in found if layout is not None}


def list_linear_layers(model: Any) -> dict[str, tuple[int, int]]:
    """(outputs, inputs) of every linear layer that `unfuse` would make, by name."""
    names = {}
    for name, layout in find_fused(model).items():
        module = model.get_submodule(name)
        for number in range(layout.experts):
            for part, shape in _shapes(module, layout).items():
                names[f"{name}.{number}.{part}"] = shape
    return names


def unfuse(model: Any) -> int:
    """Put linear layers in the place of all fused experts; the number of modules replaced."""
    import torch

    names = find_fused(model)
    with torch.no_grad():
        for name, layout in names.items():
            model.set_submodule(name, _linear(model.get_submodule(name), layout))
    conversions = getattr(model, "_weight_conversions", None)
    if names and conversions is not None:
        model._weight_conversions = split_conversions(conversions)
    return len(names)


def make_plain(model: Any, *, conv1d: bool) -> None:
    """Make `FalconLinear`, and `Conv1D` if asked for, the `torch.nn.Linear` that they amount to."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    for name, module in list(model.named_modules()):
        if type(module).__name__ == "FalconLinear" and isinstance(module, nn.Linear):
            module.__class__ = nn.Linear
        elif conv1d and isinstance(module, Conv1D):
            model.set_submodule(name, _of_conv1d(module))


def _of_conv1d(module: Any) -> Any:
    from torch import nn

    inputs, outputs = module.weight.shape
    layer = nn.Linear(inputs, outputs, bias=module.bias is not None, device="meta")
    weight = module.weight.detach().transpose(0, 1).contiguous()
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = module.bias
    return layer.train(module.training)


# --- the module --------------------------------------------------------------------------------


@cache
def _classes() -> tuple[Any, Any]:
    """The classes of one expert and of all, made late because they need torch."""
    import torch
    from torch import nn

    class LinearExpert(nn.Module):
        """One expert: `down(activation(gate, up))`."""

        up_proj: nn.Module
        gate_proj: nn.Module
        down_proj: nn.Module

        def __init__(self, parts: Mapping[str, Any], join: Callable[..., Any]) -> None:
            super().__init__()
            for name, part in parts.items():
                self.add_module(name, part)
            self.join = join

        def forward(self, states: Any) -> Any:
            up = self.up_proj(states)
            gate = self.gate_proj(states) if hasattr(self, "gate_proj") else None
            return self.down_proj(self.join(gate, up))

    class LinearExperts(nn.Module):
        """All experts of a layer; called as the fused module was."""

        def __init__(self, fused_module: Any, layout: Layout) -> None:
            super().__init__()
            held = {"training", *(name for name in vars(fused_module) if name.startswith("_"))}
            for name, value in vars(fused_module).items():
                if name not in held:
                    setattr(self, name, value)
            for name, child in fused_module.named_children():
                self.add_module(name, child)
            self.layout = layout
            self.every_token = False
            """Whether each expert is given all tokens, so that a calibration sees them."""

        def expert(self, number: int) -> Any:
            return getattr(self, str(number))

        def forward(self, hidden_states: Any, *routed: Any, **named: Any) -> Any:
            if self.layout.sorted:
                shares = hidden_states.view(self.layout.experts, -1, hidden_states.shape[-1])
                return torch.cat([self.expert(n)(share) for n, share in enumerate(shares)])
            index, weights = (*routed, *named.values())
            result = torch.zeros_like(hidden_states)
            for number in range(self.layout.experts):
                token, place = torch.where(index == number)
                if self.every_token:
                    output = self.expert(number)(hidden_states)[token]
                elif len(token):
                    output = self.expert(number)(hidden_states[token])
                else:
                    continue
                weighted = output * weights[token, place, None]
                result.index_add_(0, token, weighted.to(result.dtype))
            return result

    return LinearExpert, LinearExperts


def is_linear_experts(module: Any) -> bool:
    """Whether a module is one that `unfuse` made."""
    return type(module).__name__ == "LinearExperts" and hasattr(module, "every_token")


def _shapes(module: Any, layout: Layout) -> dict[str, tuple[int, int]]:
    """(outputs, inputs) of the linear layers of one expert."""
    down = tuple(module.down_proj.shape[1:])
    first = tuple((module.gate_up_proj if layout.gated else module.up_proj).shape[1:])
    if layout.transposed:
        down, first = down[::-1], first[::-1]
    if not layout.gated:
        return {"up_proj": first, "down_proj": down}
    half = (first[0] // 2, first[1])
    return {"gate_proj": half, "up_proj": half, "down_proj": down}


def _linear(module: Any, layout: Layout) -> Any:
    expert_class, experts_class = _classes()
    made = experts_class(module, layout)
    join = partial(_join, made, type(module), layout)
    for number in range(layout.experts):
        parts = {name: _layer(module, layout, number, name) for name in _shapes(module, layout)}
        made.add_module(str(number), expert_class(parts, join))
    return made.train(module.training)


def _join(owner: Any, kind: type, layout: Layout, gate: Any, up: Any) -> Any:
    """What the fused module does between its two products."""
    import torch

    if gate is None:
        return owner.act_fn(up)
    if layout.sorted:
        return up * owner.act_fn(gate)
    if layout.interleaved:
        both = torch.stack((gate, up), dim=-1).flatten(-2)
    else:
        both = torch.cat((gate, up), dim=-1)
    apply: Any = kind._apply_gate  # type: ignore[attr-defined]  # set by transformers' decorator
    return apply(owner, both)


def _layer(module: Any, layout: Layout, number: int, name: str) -> Any:
    """A linear layer with one projection of one expert."""
    from torch import nn

    weight = _part(module, layout, name, "")[number]
    if layout.transposed:
        weight = weight.transpose(0, 1)
    weight = _half(weight, layout, name)
    outputs, inputs = weight.shape
    bias = _part(module, layout, name, "_bias")
    layer = nn.Linear(inputs, outputs, bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(weight.contiguous().clone(), requires_grad=False)
    if bias is not None:
        half = _half(bias[number], layout, name)
        layer.bias = nn.Parameter(half.contiguous().clone(), requires_grad=False)
    return layer


def _part(module: Any, layout: Layout, name: str, ending: str) -> Any:
    owner = "gate_up_proj" if layout.gated and name in _GATED else name
    return getattr(module, f"{owner}{ending}", None)


def _half(tensor: Any, layout: Layout, name: str) -> Any:
    """Of a tensor whose first axis holds gate and up, the one that is asked for."""
    if not layout.gated or name not in _GATED:
        return tensor
    second = _GATED.index(name)
    if layout.interleaved:
        return tensor[second::2]
    return tensor.chunk(2, dim=0)[second]


# --- names in files ----------------------------------------------------------------------------


def split_conversions(conversions: Sequence[Any]) -> list[Any]:
    """Conversions of a checkpoint by transformers, for a model whose experts are linear layers."""
    made: list[Any] = []
    for conversion in conversions:
        targets = getattr(conversion, "_original_target_patterns", conversion.target_patterns)
        target = re.search(r"experts\W*\.(gate_up_proj|up_proj|down_proj)\W*$", str(targets[0]))
        made += [conversion] if target is None else _renamings(conversion, target[1])
    return made


def _renamings(conversion: Any, target: str) -> list[Any]:
    """A conversion that merges experts, as renamings of each expert's layers.

    There are none where the files hold the experts fused: ours name the layers themselves then.
    """
    from transformers.core_model_loading import WeightRenaming

    wanted = _GATED if target == "gate_up_proj" else (target,)
    sources = [str(source) for source in conversion.source_patterns]
    names = [re.search(r"experts\W+\.(\w+)\.weight\W*$", source) for source in sources]
    given = [name[1] for name in names if name is not None]
    made = []
    for source, name in zip(given, wanted, strict=False):
        if source != name:
            renaming = WeightRenaming(
                source_patterns=rf"\.experts\.(\d+)\.{source}\.",
                target_patterns=rf".experts.\1.{name}.",
            )
            renaming.scope_prefix = conversion.scope_prefix
            renaming.base_model_prefix = conversion.base_model_prefix
            made.append(renaming)
    return made


def _holds_linear_experts(files: Sequence[str]) -> bool:
    """Whether a quantized checkpoint of these safetensors files holds its experts one by one."""
    from safetensors import safe_open

    for file in files:
        with safe_open(file, framework="pt") as tensors:
            if any(_ONE_BY_ONE.search(name) for name in tensors.keys()):  # noqa: SIM118  no mapping
                return True
    return False


@contextmanager
def linear_loading() -> Iterator[None]:
    """While it lasts, transformers builds quantized checkpoints with plain linear layers.

    Experts are loaded one by one where the files hold them so. Other checkpoints load as always.
    """
    from transformers.quantizers.base import HfQuantizer

    original = HfQuantizer.preprocess_model

    def preprocess(self: Any, model: Any, **options: Any) -> None:
        make_plain(model, conv1d=_method(self) == "compressed-tensors")
        files = options.get("checkpoint_files") or ()
        if self.pre_quantized and find_fused(model) and _holds_linear_experts(files):
            unfuse(model)
            update = self.update_weight_conversions
            self.update_weight_conversions = lambda given: update(split_conversions(given))
        original(self, model, **options)
        _need_no_start(model)

    with replaced(HfQuantizer, "preprocess_model", preprocess):
        yield


def _need_no_start(model: Any) -> None:
    """Mark packed layers, and modules of nothing but layers, as initialized.

    Some architectures (GPT-2) draw a weight that a packed layer does not have.
    """
    packed = {name for name, one in model.named_modules() if hasattr(one, "quantization_scheme")}
    for name in packed:
        owner = model.get_submodule(name.rpartition(".")[0])
        own = (*owner.parameters(recurse=False), *owner.buffers(recurse=False))
        for module in (model.get_submodule(name), *(() if own else (owner,))):
            module._is_hf_initialized = True


def _method(quantizer: Any) -> str:
    return _word(quantizer.quantization_config.quant_method)


def _word(choice: Any) -> str:
    """What an enumeration's member, or a text in its place, says."""
    return str(getattr(choice, "value", choice))
