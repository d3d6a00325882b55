"""Whether those weights of a variant are quantized that its recipe means, and no others."""

from collections.abc import Sequence
from pathlib import Path

from babelbits.llamacpp import gguf_file
from babelbits.recipes.scope import Scope
from babelbits.study.rehearsal.outcomes import Failed
from babelbits.words import agreeing, plural

_LEAST_GGUF = 0.99
"""Share of the blocks' weights that must have a block type."""


def check_modules(meant: Scope, names: frozenset[str], what: str) -> None:
    """Raise unless exactly the layers that are meant are quantized."""
    missing = [name for name in meant.quantized if name not in names]
    if missing:
        total = sum(map(meant.n_weights, meant.quantized))
        share = sum(map(meant.n_weights, missing)) / total
        raise Failed(
            f"the {what} of {len(missing)} of {len(meant.quantized)} layers ({share:.0%} of the "
            f"recipe's weights) are not quantized, '{missing[0]}' first"
        )
    extra = sorted(names - set(meant.quantized))
    if extra:
        reason = meant.left.get(extra[0])
        raise Failed(
            f"the {what} of {plural(len(extra), 'layer')} {agreeing(len(extra), 'is', 'are')} "
            f"quantized that the recipe leaves, '{extra[0]}' first"
            + (f" ({reason})" if reason else "")
        )


def check_blocks(file: Path) -> None:
    """Of the blocks' matrices all but small ones have one of llama.cpp's block types."""
    tensors = [t for t in gguf_file.read_tensors(file) if _is_matrix(t.name, t.shape)]
    total = sum(_count(t.shape) for t in tensors)
    plain = [t for t in tensors if not gguf_file.is_quantized(t)]
    left = sum(_count(t.shape) for t in plain)
    if total == 0 or left / total > 1 - _LEAST_GGUF:
        share = left / total if total else 1.0
        first = plain[0].name if plain else "none"
        raise Failed(f"{share:.0%} of the blocks' weights are not quantized, '{first}' first")


def _is_matrix(name: str, shape: Sequence[int]) -> bool:
    small = any(word in name for word in ("norm", "conv", "_a.", "ssm_a", "ssm_d", "gate_inp"))
    return name.startswith("blk.") and len(shape) >= 2 and not small


def _count(shape: Sequence[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total
