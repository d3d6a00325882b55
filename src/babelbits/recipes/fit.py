"""Whether a recipe fits a model, said before anything expensive. Pure, no torch.

The input sizes of the linear layers come from the base model's `config.json` (`check`, for plans)
or from the shapes of its stored weights (`check_shapes`, exact, for any architecture).
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from babelbits.errors import RecipeError
from babelbits.formats.outside_text import is_outside_text
from babelbits.formats.quantized import method_of
from babelbits.formats.text_model import text_config
from babelbits.recipes import gguf_base, smoothing
from babelbits.recipes.catalogue import RecipeInfo, find, settle
from babelbits.recipes.gguf_quantize import tensor_types
from babelbits.records import TensorRecord

_POWERS = tuple(2**power for power in range(3, 13))
"""Group sizes that are proposed."""
_NOT_QUANTIZED = ("embed", "lm_head", "norm", "wte", "wpe", "rotary")
_LEFT = re.compile(
    r"(^|\.)(\w*router(\.\w+)?|gate|shared_expert_gate|dt_proj|ffn_gate_inp)\.weight$"
)
"""Routers of experts, and the time step of a state-space layer."""
_EXPERTS = re.compile(
    r"(experts\.(gate_up|up|down)_proj|(input|output)_linear\.weight|_exps\.weight)$"
)
SMALL_SHARE = 0.01
"""Layers that a group size does not fit are left where they hold no more of the weights."""
_NOT_LINEAR_IN_GGUF = ("token_embd.weight", "output.weight")


def check(base_config: Mapping[str, Any], recipe: str, parameters: Mapping[str, Any]) -> None:
    """Raise if a recipe with these parameters cannot be made from a model with this config.

    Parameters
    ----------
    base_config : mapping
        The base model's `config.json`, or what `gguf_base.read_config` says in its place.
    recipe : str
        Name or alias.
    parameters : mapping
        Those given; the others have their defaults.

    Raises
    ------
    UnknownNameError, StudyError
        If the recipe or a parameter is unknown or out of range.
    RecipeError
        If the model is quantized already, the group size does not divide a layer's input, or the
        recipe cannot be made from a GGUF file.
    """
    settled = settle(recipe, parameters)
    info = find(recipe)
    if info.method == "none":
        return
    method = method_of(base_config)
    if method is not None:
        raise RecipeError(
            f"the base model is already quantized ({method}), so '{info.name}' would measure two "
            "quantizations at once",
            hint="name the unquantized checkpoint as the study's model",
        )
    if gguf_base.GGUF in base_config:
        gguf_base.check(base_config, info, settled)
    _check_smoothing(base_config, info)
    tensor_types(str(settled.get("tensor_types", "")))
    if "group_size" in settled:
        check_group_size(int(settled["group_size"]), _sizes_of_config(base_config))


def _check_smoothing(config: Mapping[str, Any], info: RecipeInfo) -> None:
    kind = str(text_config(config).get("model_type", ""))
    reason = smoothing.refusal(kind, info.method)
    if reason is not None:
        other = "'w4-g' or 'w4-g-rtn'" if info.method == "awq" else "'w8a8' or 'fp8'"
        raise RecipeError(
            f"'{info.name}' cannot be made from this model: {reason}",
            hint=f"use a recipe without smoothing, e.g. {other}",
        )


def check_shapes(tensors: Iterable[TensorRecord], recipe: str, settled: Mapping[str, Any]) -> None:
    """The same for the stored weights of a base model: names the very layer.

    Raises
    ------
    RecipeError
        If the group size does not divide the inputs of layers that matter.
    """
    if find(recipe).method != "none" and "group_size" in settled:
        size = int(settled["group_size"])
        unfit(size, {one.name: _as_linear(one.shape, size) for one in filter(is_linear, tensors)})


def _as_linear(shape: tuple[int, ...], group_size: int) -> tuple[int, ...]:
    """A weight's shape, its inputs last: fused experts have them last or last but one.

    The file does not say which, so that experts fit if either does; making knows.
    """
    swapped = (*shape[:-2], shape[-1], shape[-2])
    return swapped if len(shape) == 3 and shape[-1] % group_size else shape


def is_linear(tensor: TensorRecord) -> bool:
    """Whether a stored weight belongs to linear layers that recipes quantize, by its name.

    The experts of a mixture may be stored as one weight of three axes.
    """
    if tensor.name in _NOT_LINEAR_IN_GGUF or is_outside_text(tensor.name):
        return False
    if len(tensor.shape) == 3:
        return _EXPERTS.search(tensor.name) is not None
    if len(tensor.shape) != 2 or not tensor.name.endswith(".weight"):
        return False
    return not any(word in tensor.name for word in _NOT_QUANTIZED) and not _LEFT.search(tensor.name)


def unfit(group_size: int, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """The layers whose inputs a group size does not divide, where leaving them changes little.

    Parameters
    ----------
    group_size : int
        Columns that share a scale.
    shapes : mapping
        (outputs, inputs) of the layers that would be quantized, by name; experts may come first.

    Raises
    ------
    RecipeError
        If they hold more than `SMALL_SHARE` of the weights; names the first, and sizes that fit.
    """
    if _share(group_size, shapes) <= SMALL_SHARE:
        return [name for name, shape in shapes.items() if shape[-1] % group_size]
    sizes = {name.removesuffix(".weight"): shape[-1] for name, shape in shapes.items()}
    fitting = [size for size in _POWERS if _share(size, shapes) <= SMALL_SHARE]
    raise _unfitting(group_size, sizes, fitting)


def _share(group_size: int, shapes: Mapping[str, tuple[int, ...]]) -> float:
    """Share of the weights that lie in layers whose inputs a group size does not divide."""
    total = sum(map(math.prod, shapes.values()))
    wrong = sum(math.prod(shape) for shape in shapes.values() if shape[-1] % group_size)
    return wrong / total if total else 0.0


def check_group_size(group_size: int, input_sizes: Mapping[str, int]) -> None:
    """Raise unless `group_size` divides every layer's number of inputs.

    Raises
    ------
    RecipeError
        Names the first layer that does not fit, the sizes, and the group sizes that would.
    """
    if any(size % group_size for size in input_sizes.values()):
        fitting = [
            power for power in _POWERS if all(size % power == 0 for size in input_sizes.values())
        ]
        raise _unfitting(group_size, input_sizes, fitting)


def _unfitting(
    group_size: int, input_sizes: Mapping[str, int], fitting: Sequence[int]
) -> RecipeError:
    name, size = next((n, size) for n, size in input_sizes.items() if size % group_size)
    sizes = sorted(set(input_sizes.values()))
    words = ", ".join(map(str, fitting))
    return RecipeError(
        f"group size {group_size} does not divide the {size} inputs of '{name}'",
        hint=f"the layers' input sizes are {', '.join(map(str, sizes))}; "
        + (f"these group sizes fit: {words}" if fitting else "no power of two fits"),
    )


def _sizes_of_config(config: Mapping[str, Any]) -> dict[str, int]:
    """Input sizes of a decoder block's linear layers, as far as the config tells them."""
    text = text_config(config)
    hidden, heads = text.get("hidden_size"), text.get("num_attention_heads")
    if not isinstance(hidden, int):
        return {}
    sizes = {"self_attn.q_proj": hidden}
    if isinstance(heads, int) and heads:
        head_dim = text.get("head_dim")
        sizes["self_attn.o_proj"] = heads * (head_dim if head_dim is not None else hidden // heads)
    if isinstance(text.get("intermediate_size"), int):
        sizes["mlp.down_proj"] = text["intermediate_size"]
    return sizes
