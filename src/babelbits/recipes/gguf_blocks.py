"""Which weights do not fit llama.cpp's blocks: their rows are no multiple of the block's length.

llama.cpp gives such a weight another type, of more bits a weight, without an error. That is told
twice: before a variant is made, by the shapes of the base model, and after, by the types in the
file. Pure: reads no file.
"""

import math
from collections import Counter
from collections.abc import Sequence

from babelbits.llamacpp.gguf_file import find_row_size
from babelbits.recipes.catalogue import RECIPES
from babelbits.recipes.linear_weights import is_linear
from babelbits.records import TensorRecord
from babelbits.words import agreeing, plural

_BLOCK, _SHORT_BLOCK = 256, 32
"""Weights in a block of the k-quants and codebooks, and of Q8_0."""


def find_block_length(recipe: str) -> int | None:
    """Weights in a block of a recipe's main type; None if it has no blocks of llama.cpp."""
    mixture = RECIPES[recipe].mixture
    if mixture is None:
        return None
    return _SHORT_BLOCK if mixture == "Q8_0" else _BLOCK


def describe_expected(tensors: Sequence[TensorRecord], recipe: str) -> str | None:
    """What to expect of a recipe on a base model of these weights; None if all rows fit.

    Parameters
    ----------
    recipe : str
        Canonical name.
    """
    length = find_block_length(recipe)
    linear = [tensor for tensor in tensors if is_linear(tensor)]
    wrong = [tensor for tensor in linear if length is not None and find_row_size(tensor) % length]
    if not wrong:
        return None
    return (
        f"{len(wrong)} of {plural(len(linear), 'linear layer')} "
        f"{agreeing(len(wrong), 'has', 'have')} rows that are no multiple of {length} "
        f"('{wrong[0].name}': {find_row_size(wrong[0])}): llama.cpp will store these in other "
        "types, with more bits a weight"
    )


def describe_found(tensors: Sequence[TensorRecord], recipe: str) -> str | None:
    """Which weights of a variant have other types for that reason; None if none has.

    Parameters
    ----------
    recipe : str
        Canonical name.
    """
    length = find_block_length(recipe)
    matrix = [one for one in tensors if len(one.shape) > 1 and one.dtype != "fp32"]
    wrong = [one for one in matrix if length is not None and find_row_size(one) % length]
    if not wrong:
        return None
    bits = 8 * sum(one.bytes for one in wrong) / sum(math.prod(one.shape) for one in wrong)
    types = ", ".join(
        f"{kind} ({count})" for kind, count in Counter(one.dtype for one in wrong).most_common()
    )
    return (
        f"{len(wrong)} of {plural(len(matrix), 'matrix', 'matrices')} "
        f"{agreeing(len(wrong), 'has', 'have')} rows that are no multiple of {length} "
        f"('{wrong[0].name}': {find_row_size(wrong[0])}), so llama.cpp stored them as {types}: "
        f"{bits:.2f} bits a weight"
    )
