"""The weights that recipes quantize, by name and shape, and which group sizes divide them.

Pure, no torch; knows no recipe.
"""

import math
import re
from collections.abc import Mapping, Sequence

from babelbits.errors import RecipeError
from babelbits.formats.outside_text import is_outside_text
from babelbits.records import TensorRecord
from babelbits.words import plural

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


def find_unfit(
    group_size: int, shapes: Mapping[str, tuple[int, ...]], *, most_left: float = SMALL_SHARE
) -> list[str]:
    """The layers whose inputs a group size does not divide, where leaving them changes little.

    Parameters
    ----------
    group_size : int
        Columns that share a scale.
    shapes : mapping
        (outputs, inputs) of the layers that would be quantized, by name; experts may come first.
    most_left : float
        Share of the weights that may lie in such layers. Under 1: some layer must fit.

    Raises
    ------
    RecipeError
        If they hold more than `most_left` of the weights; names the first, and sizes that fit.
    """
    if _share(group_size, shapes) <= most_left:
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
        f"group size {group_size} does not divide the {plural(size, 'input')} of '{name}'",
        hint=f"the layers' input sizes are {', '.join(map(str, sizes))}; "
        + (f"these group sizes fit: {words}" if fitting else "no power of two fits"),
    )
