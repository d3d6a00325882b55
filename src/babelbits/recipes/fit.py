"""Whether a recipe fits a model, said before anything expensive. Pure, no torch.

The input sizes of the linear layers come from the base model's `config.json` (`check`, for plans)
or from the shapes of its stored weights (`check_shapes`, exact, for any architecture).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from babelbits.errors import RecipeError
from babelbits.formats.quantized import find_method
from babelbits.formats.text_model import find_text_config
from babelbits.recipes import gguf_base, module_bits
from babelbits.recipes.catalogue import find, settle
from babelbits.recipes.family import find_family
from babelbits.recipes.linear_weights import SMALL_SHARE, check_group_size, find_unfit, is_linear
from babelbits.records import TensorRecord


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
    method = find_method(base_config)
    if method is not None:
        raise RecipeError(
            f"the base model is already quantized ({method}), so '{info.name}' would measure two "
            "quantizations at once",
            hint="name the unquantized checkpoint as the study's model",
        )
    family = find_family(info.name)
    if gguf_base.GGUF in base_config and gguf_base.GGUF not in family.reads:
        raise gguf_base.make_file_error(info.name)
    family.check(base_config, info, settled)
    if "group_size" in settled:
        check_group_size(int(settled["group_size"]), _sizes_of_config(base_config))


def check_shapes(
    tensors: Iterable[TensorRecord],
    recipe: str,
    settled: Mapping[str, Any],
    *,
    most_left: float = SMALL_SHARE,
) -> None:
    """The same for the stored weights of a base model: names the very layer.

    `most_left` is as in `find_unfit`.

    Raises
    ------
    RecipeError
        If the group size does not divide the inputs of layers that matter.
    """
    if find(recipe).method == "none":
        return
    stored = list(tensors)
    bits = module_bits.parse(str(settled.get(module_bits.PARAMETER, "")))
    if bits:
        names = [one.name.removesuffix(".weight") for one in stored if len(one.shape) > 1]
        tied = () if any("lm_head" in name for name in names) else ("lm_head",)
        module_bits.check_names(bits, (*names, *tied))
    if "group_size" in settled:
        size = int(settled["group_size"])
        shapes = {
            one.name: _as_linear(one.shape, size)
            for one in filter(is_linear, stored)
            if module_bits.find_bits(one.name.removesuffix(".weight"), bits) != module_bits.LEFT
        }
        find_unfit(size, shapes, most_left=most_left)


def _as_linear(shape: tuple[int, ...], group_size: int) -> tuple[int, ...]:
    """A weight's shape, its inputs last: fused experts have them last or last but one.

    The file does not say which, so that experts fit if either does; making knows.
    """
    swapped = (*shape[:-2], shape[-1], shape[-2])
    return swapped if len(shape) == 3 and shape[-1] % group_size else shape


def _sizes_of_config(config: Mapping[str, Any]) -> dict[str, int]:
    """Input sizes of a decoder block's linear layers, as far as the config tells them."""
    text = find_text_config(config)
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
