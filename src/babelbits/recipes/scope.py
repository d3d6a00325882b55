"""What a recipe means on a model: which linear layers it quantizes, and why it leaves others.

`intended` says it from the modules alone, so that a model on the meta device will do;
`quantized_modules` says what a reloaded variant really holds. A recipe keeps its promise where the
two agree: every layer that is meant has quantized weights, and where the recipe has
`activation_bits`, quantized inputs too; no other has either. Names are those of modules in the
model as transformers builds it ('model.layers.0.mlp.down_proj'); experts that are held fused are
named one by one ('...experts.3.down_proj'), as `formats.linear.unfuse` makes them.

llama.cpp's types are not described here: they name their tensors themselves.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from babelbits.errors import RecipeError
from babelbits.formats.linear import linear_names
from babelbits.recipes.catalogue import Value, find

SMALL_SHARE = 0.01
"""Layers that a group size does not fit are left where they hold no more of the weights."""

HEAD = "the output layer stays as it is"
ROUTER = "it chooses the experts of a token"
STATE = "it sets the time step of a state-space layer"
OUTSIDE = "it is not part of the text model"
GROUP = "the group size does not divide its inputs"

_ROUTER = re.compile(r"(^|\.)(\w*router|gate|shared_expert_gate|\w*router\.\w+)$")
_STATE = re.compile(r"(^|\.)dt_proj$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The linear layers of a model, as a recipe sees them."""

    quantized: tuple[str, ...]
    """Names of the layers that the recipe means."""
    left: Mapping[str, str]
    """Names of the other linear layers, and why each is left as it is."""
    shapes: Mapping[str, tuple[int, int]]
    """(outputs, inputs) of all of them."""

    @property
    def n_quantized(self) -> int:
        """Number of weights in the layers that the recipe means."""
        return sum(self.n_weights(name) for name in self.quantized)

    def n_weights(self, name: str) -> int:
        """Number of weights of a layer, without its bias."""
        outputs, inputs = self.shapes[name]
        return outputs * inputs


def intended(model: Any, *, recipe: str, settled: Mapping[str, Value]) -> Scope:
    """What a recipe quantizes in a model, and what it leaves.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Unquantized; it may be on the meta device, with its experts fused or not.
    recipe : str
        Name or alias; not one of llama.cpp's types.
    settled : mapping
        All parameters of the recipe (`catalogue.settle`).

    Raises
    ------
    UnknownNameError
        If there is no such recipe.
    RecipeError
        If the group size does not fit layers that hold more than `SMALL_SHARE` of the weights.
    """
    info = find(recipe)
    shapes = linear_shapes(model)
    left = {name: reason for name in shapes if (reason := _reason(model, name)) is not None}
    if info.method == "none":
        return Scope(
            quantized=(), left=dict.fromkeys(shapes, "nothing is quantized"), shapes=shapes
        )
    meant = [name for name in shapes if name not in left]
    if "group_size" in settled:
        size = int(settled["group_size"])
        left |= dict.fromkeys(unfit(size, {name: shapes[name] for name in meant}), GROUP)
    meant = [name for name in meant if name not in left]
    return Scope(quantized=tuple(meant), left=left, shapes=shapes)


def unfit(group_size: int, shapes: Mapping[str, tuple[int, int]]) -> list[str]:
    """The layers whose inputs a group size does not divide, where leaving them changes little.

    Parameters
    ----------
    group_size : int
        Columns that share a scale.
    shapes : mapping
        (outputs, inputs) of the layers that would be quantized, by name.

    Raises
    ------
    RecipeError
        If they hold more than `SMALL_SHARE` of the weights; names the first, and sizes that fit.
    """
    wrong = [name for name, (_, inputs) in shapes.items() if inputs % group_size]
    weights = {name: outputs * inputs for name, (outputs, inputs) in shapes.items()}
    share = sum(weights[name] for name in wrong) / max(1, sum(weights.values()))
    if share <= SMALL_SHARE:
        return wrong
    sizes = sorted({inputs for _, inputs in shapes.values()})
    fitting = [
        str(2**power) for power in range(3, 13) if all(size % 2**power == 0 for size in sizes)
    ]
    raise RecipeError(
        f"group size {group_size} does not divide the {shapes[wrong[0]][1]} inputs of '{wrong[0]}'",
        hint=f"the layers' input sizes are {', '.join(map(str, sizes))}; "
        + (f"these group sizes fit: {', '.join(fitting)}" if fitting else "no power of two fits"),
    )


def linear_shapes(model: Any) -> dict[str, tuple[int, int]]:
    """(outputs, inputs) of every linear layer of a model, fused experts included, by name."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    shapes: dict[str, tuple[int, int]] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            shapes[name] = (module.out_features, module.in_features)
        elif isinstance(module, Conv1D):
            inputs, outputs = module.weight.shape
            shapes[name] = (outputs, inputs)
    return shapes | linear_names(model)


def _reason(model: Any, name: str) -> str | None:
    """Why no recipe quantizes a linear layer; None if they do."""
    if outside_text(name):
        return OUTSIDE
    if name.rpartition(".")[2] == "lm_head" or model.get_output_embeddings() is _at(model, name):
        return HEAD
    if _ROUTER.search(name):
        return ROUTER
    return STATE if _STATE.search(name) else None


def _at(model: Any, name: str) -> Any:
    """The module of a name; a fused expert's layer has none yet."""
    try:
        return model.get_submodule(name)
    except AttributeError:
        return object()


_OUTSIDE = re.compile(
    r"(^|\.)(vision_\w+|visual|image_\w+|audio_\w+|embed_vision|embed_audio|multi_modal_projector|mm_projector|connector)(\.|$)"
)


def outside_text(name: str) -> bool:
    """Whether a module of this name belongs to a tower, a projector or another part than text."""
    return _OUTSIDE.search(name) is not None


# --- a variant ---------------------------------------------------------------------------------


def quantized_modules(model: Any) -> tuple[frozenset[str], frozenset[str]]:
    """The layers of a loaded variant with quantized weights, and those with quantized inputs.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A variant made by compressed-tensors or bitsandbytes, loaded by transformers under
        `formats.linear.linear_loading`. One that was never loaded from files will do as well.
    """
    weights, inputs = set(), set()
    for name, module in model.named_modules():
        scheme = getattr(module, "quantization_scheme", None)
        kinds = {base.__name__ for base in type(module).__mro__}
        if scheme is not None and scheme.weights is not None:
            weights.add(name)
            if scheme.input_activations is not None and getattr(
                module, "quantization_enabled", True
            ):
                inputs.add(name)
        elif "Linear8bitLt" in kinds and str(module.weight.dtype) == "torch.int8":
            weights.add(name)
            inputs.add(name)
        elif "Linear4bit" in kinds and getattr(module.weight, "quant_state", None) is not None:
            weights.add(name)
    return frozenset(weights), frozenset(inputs)
