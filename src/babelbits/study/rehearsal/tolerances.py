"""How far what is the same may be apart, check by check; why some kernels are given more.

Tolerances are for float32, and wider where activations are quantized or the engine computes in 16
bits: a part that is wrong changes logits by a third, not by a hundredth.
"""

from collections.abc import Mapping
from typing import Any

EXACT = {"float32": 1e-4, "bfloat16": 0.1, "float16": 0.03}
"""Largest relative difference of logits from the dequantized weights', by the engine's dtype."""
ROUGH = {"llm.int8": 0.15, "nf4": 0.06, "k-quant": 0.15}
"""The same where a kernel rounds more than its format says."""
ROUGH_LAYER = {"llm.int8": 0.03, "nf4": 0.03}
"""The same of one layer on its own inputs, which are rounded to 8 bits or bfloat16."""
SAME_NATS, SAME_GELU, SAME_ROUGHLY = 2e-4, 2e-3, 0.05
"""Mean difference of log-probabilities a token between engines in float32, with GELU that llama.cpp
computes otherwise, and in 16 bits."""
EAGER = {"float32": 1e-4, "bfloat16": 0.1, "float16": 0.03}
SHARED_NATS, SHARED_LLAMA, SHARED_ROUGHLY = 1e-3, 1e-2, 0.5
"""Largest difference of a score between the shared and the plain path, nats: in transformers and
float32; in llama.cpp, whose products depend on the number of rows; and where inputs are rounded."""
REACTIONS, REACTIONS_OF_SCORE = 4, 20
"""How many times a model's own reaction to 8-bit inputs may be seen where kernels round."""


def choose_tolerance(table: Mapping[str, float], engine: Any) -> float:
    """That of the dtype in which an engine of transformers computes."""
    return table[str(engine.loaded.dtype).removeprefix("torch.")]
