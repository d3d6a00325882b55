"""What a recipe means on a model: which linear layers it quantizes, and why it leaves others.

`plan_scope` says it from the modules alone, so that a model on the meta device will do;
`find_quantized_modules` says what a reloaded variant really holds. A recipe keeps its promise where
the two agree: every layer that is meant has quantized weights, and where the recipe has
`activation_bits`, quantized inputs too; no other has either. Names are those of modules in the
model as transformers builds it ('model.layers.0.mlp.down_proj'); experts that are held fused are
named one by one ('...experts.3.down_proj'), as `formats.linear.unfuse` makes them.

llama.cpp's types are not described here: they name their tensors themselves.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelbits.errors import RecipeError
from babelbits.formats.linear import list_linear_layers
from babelbits.formats.outside_text import IGNORE, is_outside_text
from babelbits.formats.own_code import model_brings_code
from babelbits.formats.text_model import find_auto_class
from babelbits.formats.trust import Trust
from babelbits.recipes import module_bits
from babelbits.recipes.base_loading import make_loading_error
from babelbits.recipes.catalogue import Value, find
from babelbits.recipes.linear_weights import SMALL_SHARE, find_unfit
from babelbits.recipes.tensors import count
from babelbits.records import TensorRecord
from babelbits.words import agreeing, plural

PROMISE = 0.99
"""Least share of the weights that a recipe means which a variant must hold quantized."""
HEAD = "the output layer stays as it is"
ROUTER = "it decides by which layers a token goes"
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
    uncalled: tuple[str, ...] = ()
    """Names of those that were to be fitted to text and that no text calls."""
    untuned: tuple[str, ...] = ()
    """Names of those that were to be learned block by block and that lie in no block."""

    @property
    def n_quantized(self) -> int:
        """Number of weights in the layers that the recipe means."""
        return sum(self.n_weights(name) for name in self.quantized)

    def n_weights(self, name: str) -> int:
        """Number of weights of a layer, without its bias."""
        outputs, inputs = self.shapes[name]
        return outputs * inputs


def plan_scope(
    model: Any, *, recipe: str, settled: Mapping[str, Value], most_left: float = SMALL_SHARE
) -> Scope:
    """What a recipe quantizes in a model, and what it leaves.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Unquantized; it may be on the meta device, with its experts fused or not.
    recipe : str
        Name or alias; not one of llama.cpp's types.
    settled : mapping
        All parameters of the recipe (`catalogue.settle`).
    most_left : float
        Share of the weights that may lie in layers that the group size does not fit.

    Raises
    ------
    UnknownNameError
        If there is no such recipe.
    RecipeError
        If the group size does not fit layers that hold more.
    """
    info = find(recipe)
    shapes = list_linear_shapes(model)
    left = {name: reason for name in shapes if (reason := _reason(model, name)) is not None}
    bits = module_bits.parse(str(settled.get(module_bits.PARAMETER, "")))
    if bits:
        module_bits.check_names(bits, (*shapes, *_embeddings(model)))
        left = _as_study_says(model, left, {n: module_bits.find_bits(n, bits) for n in shapes})
    if info.method == "none":
        return Scope(
            quantized=(), left=dict.fromkeys(shapes, "nothing is quantized"), shapes=shapes
        )
    meant = [name for name in shapes if name not in left]
    if "group_size" in settled:
        size = int(settled["group_size"])
        odd = find_unfit(size, {name: shapes[name] for name in meant}, most_left=most_left)
        left |= dict.fromkeys(odd, GROUP)
    meant = [name for name in meant if name not in left]
    return Scope(quantized=tuple(meant), left=left, shapes=shapes)


def build_skeleton(base: Path, *, trust: Trust) -> Any:
    """The model in a folder without its weights, on the meta device.

    Raises
    ------
    ModelError
        If there is no causal language model, or it needs code that is not trusted.
    """
    import torch
    from transformers import AutoConfig

    own_code = trust.remote_code and model_brings_code(base)
    try:
        config = AutoConfig.from_pretrained(base, trust_remote_code=own_code)
        with torch.device("meta"):
            return find_auto_class(config).from_config(config, trust_remote_code=own_code)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise make_loading_error(base, "causal language model", error) from error


def list_linear_shapes(model: Any) -> dict[str, tuple[int, int]]:
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
    return shapes | list_linear_layers(model)


def _reason(model: Any, name: str) -> str | None:
    """Why no recipe quantizes a linear layer; None if they do."""
    if is_outside_text(name):
        return OUTSIDE
    if name.rpartition(".")[2] == "lm_head" or model.get_output_embeddings() is _at(model, name):
        return HEAD
    if _ROUTER.search(name):
        return ROUTER
    return STATE if _STATE.search(name) else None


def _embeddings(model: Any) -> Iterator[str]:
    from torch import nn

    return (name for name, one in model.named_modules() if isinstance(one, nn.Embedding))


def _as_study_says(
    model: Any, left: Mapping[str, str], bits: Mapping[str, int | None]
) -> dict[str, str]:
    """What is left, once a study has given modules bits of their own."""
    found = dict(left)
    for name, given in bits.items():
        if given == module_bits.LEFT:
            found.setdefault(name, module_bits.REASON)
        elif given is not None and found.get(name) == HEAD:
            if model.config.get_text_config().tie_word_embeddings:
                raise RecipeError(
                    f"'{name}' cannot be quantized: it is the same matrix as the embeddings, which "
                    "stay as they are",
                    hint=f"leave it out of `{module_bits.PARAMETER}`",
                )
            del found[name]
    return found


def _at(model: Any, name: str) -> Any:
    """The module of a name; a fused expert's layer has none yet."""
    try:
        return model.get_submodule(name)
    except AttributeError:
        return object()


def make_patterns(scope: Scope) -> tuple[str, ...]:
    """The layers that a recipe leaves, as compressed-tensors reads them under `ignore`.

    Prefixes are left open, because transformers renames them on load, and so is the layer's number
    where no layer of that name is quantized.
    """
    found: dict[str, None] = {}
    for name, reason in scope.left.items():
        if reason == OUTSIDE or name == "lm_head":
            continue
        wide = _pattern(name, r"\d+")
        clash = any(re.match(wide, other) for other in scope.quantized)
        found[_pattern(name, None) if clash else wide] = None
    outside = IGNORE if OUTSIDE in scope.left.values() else ()
    heads = ("lm_head",) if "lm_head" not in scope.quantized else ()
    return (*heads, *(f"re:{pattern}" for pattern in found), *outside)


def make_layer_pattern(name: str) -> str:
    """A regular expression for one layer, whatever transformers puts before its name on load."""
    return _pattern(name, None)


def _pattern(name: str, number: str | None) -> str:
    """A regular expression for a name, from its first number on, or for its last part."""
    parts = name.split(".")
    start = next((at for at, part in enumerate(parts) if part.isdigit()), len(parts)) - 1
    body = (number if number and part.isdigit() else re.escape(part) for part in parts[start:])
    return r"(.*\.)?" + r"\.".join(body) + "$"


def make_notes(scope: Scope) -> Iterator[str]:
    """What a recipe leaves beside the output layer, and what no text calls, in sentences."""
    total = sum(map(scope.n_weights, scope.shapes))
    for reason in dict.fromkeys(scope.left.values()):
        names = [name for name, other in scope.left.items() if other == reason]
        share = sum(map(scope.n_weights, names)) / total
        if reason not in (HEAD, OUTSIDE):
            layers = f"{plural(len(names), 'layer')} {agreeing(len(names), 'is', 'are')}"
            yield (
                f"{layers} not quantized ({share:.2%} of the weights of linear layers; "
                f"'{names[0]}' first): {reason}"
            )
    if scope.uncalled:
        layers = plural(len(scope.uncalled), "layer")
        yield (
            f"no text calls {layers} ('{scope.uncalled[0]}' first): rounded to nearest, since "
            "there is nothing to fit to and no result depends on it"
        )
    if scope.untuned:
        layers = plural(len(scope.untuned), "layer")
        lie = agreeing(len(scope.untuned), "lies", "lie")
        yield (
            f"{layers} {lie} in no block ('{scope.untuned[0]}' first): rounded to nearest, "
            "since codes are learned block by block"
        )


def check_promise(scope: Scope, quantized: Iterable[TensorRecord], *, recipe: str) -> None:
    """Raise if the quantized weights of a checkpoint are not those that the recipe means.

    They are compared by their number: names in files can differ from those of modules.

    Raises
    ------
    RecipeError
        If less than `PROMISE` of the weights are quantized, or others are.
    """
    counts = count(quantized)
    share = counts / scope.n_quantized if scope.n_quantized else 0.0
    if PROMISE <= share <= 2 - PROMISE:
        return
    raise RecipeError(
        f"'{recipe}' means {scope.n_quantized:,} weights of this model, and {counts:,} were "
        f"quantized ({share:.1%})",
        hint="the library does not know some layers of this architecture: use a recipe of another "
        "library, e.g. 'q8_0' or 'q4_k_m' (llama.cpp)",
    )


# --- a variant ---------------------------------------------------------------------------------


def find_quantized_modules(model: Any) -> tuple[frozenset[str], frozenset[str]]:
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
