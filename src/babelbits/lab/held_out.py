"""Bits per byte of lines that no training saw. Loads torch. Lower is better; bytes are UTF-8."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch


@torch.no_grad()
def measure_line_bits(
    model: Any, encode: Callable[[str], Sequence[int]], lines: Sequence[str], *, start: int = 0
) -> list[float]:
    """Bits that each whole line costs a model, after the token that begins every text.

    Parameters
    ----------
    model : callable
        A causal model of transformers.
    encode : callable
        A line to its token ids, without special tokens, no longer than the context less one.
    start : int
        Id of the token before each line.
    """
    bits = []
    for line in lines:
        ids = torch.tensor([[start, *encode(line)]])
        logits = model(input_ids=ids).logits[0, :-1]
        loss = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum")
        bits.append(float(loss) / math.log(2))
    return bits


def measure_bits_per_byte(bits: Sequence[float], lines: Sequence[str]) -> float:
    """Bits of all lines over their bytes: long lines count more."""
    return sum(bits) / sum(len(line.encode()) for line in lines)
