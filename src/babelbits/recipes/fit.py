"""Whether a recipe fits a model, said before anything expensive. Pure, no torch.

The input sizes of the linear layers come from the base model's `config.json` (`check`, for plans)
or from the shapes of its stored weights (`check_shapes`, exact, for any architecture).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from babelbits.errors import RecipeError
from babelbits.recipes import gguf_base
from babelbits.recipes.catalogue import find, settle
from babelbits.recipes.gguf_quantize import tensor_types
from babelbits.records import TensorRecord
from babelbits.words import plural

_FEWEST_IN_GROUP = 8
_NOT_QUANTIZED = ("embed", "lm_head", "norm", "wte", "wpe", "rotary")
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
    method = (base_config.get("quantization_config") or {}).get("quant_method")
    if method is not None:
        raise RecipeError(
            f"the base model is already quantized ({method}), so '{info.name}' would measure two "
            "quantizations at once",
            hint="name the unquantized checkpoint as the study's model",
        )
    if gguf_base.GGUF in base_config:
        gguf_base.check(base_config, info, settled)
    tensor_types(str(settled.get("tensor_types", "")))
    if "group_size" in settled:
        check_group_size(int(settled["group_size"]), _sizes_of_config(base_config))


def check_shapes(tensors: Iterable[TensorRecord], recipe: str, settled: Mapping[str, Any]) -> None:
    """The same for the stored weights of a base model: names the very layer.

    Raises
    ------
    RecipeError
        If the group size does not divide a layer's input.
    """
    if find(recipe).method != "none" and "group_size" in settled:
        linear = {
            tensor.name.removesuffix(".weight"): tensor.shape[1]
            for tensor in tensors
            if is_linear(tensor)
        }
        check_group_size(settled["group_size"], linear)


def is_linear(tensor: TensorRecord) -> bool:
    """Whether a stored weight belongs to a linear layer that recipes quantize, by its name."""
    if len(tensor.shape) != 2 or tensor.name in _NOT_LINEAR_IN_GGUF:
        return False
    return not any(word in tensor.name for word in _NOT_QUANTIZED)


def check_group_size(group_size: int, input_sizes: Mapping[str, int]) -> None:
    """Raise unless `group_size` divides every layer's number of inputs.

    Raises
    ------
    RecipeError
        Names the first layer that does not fit, the sizes, and the group sizes that would.
    """
    wrong = {name: size for name, size in input_sizes.items() if size % group_size}
    if not wrong:
        return
    name, size = next(iter(wrong.items()))
    sizes = sorted(set(input_sizes.values()))
    fitting = [
        str(2**power)
        for power in range(3, 13)
        if 2**power >= _FEWEST_IN_GROUP and all(size % 2**power == 0 for size in sizes)
    ]
    raise RecipeError(
        f"group size {group_size} does not divide the {plural(size, 'input')} of '{name}'",
        hint=f"the layers' input sizes are {', '.join(map(str, sizes))}; "
        + (f"these group sizes fit: {', '.join(fitting)}" if fitting else "no power of two fits"),
    )


def _sizes_of_config(config: Mapping[str, Any]) -> dict[str, int]:
    """Input sizes of a decoder block's linear layers, as far as the config tells them."""
    text: Mapping[str, Any] = config.get("text_config", config)
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
