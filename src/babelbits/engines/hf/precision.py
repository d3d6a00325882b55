"""How near two right computations of one model are: what a path must agree within.

Float32 repeats to 1e-4 nats whatever the order of its sums. Half precision does not, nor do
quantized activations: noise in the last bit tips a rounding, which gives about 1e-3. A wrong mask
or position gives differences of the order of 1.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from babelbits.engines.hf.loading import LoadedModel

_MEAN = {torch.float32: 0.02, torch.bfloat16: 0.25, torch.float16: 0.1}
"""Largest mean difference, nats."""
_FINE, _FINE_ONE = 1e-4, 1e-3
"""Largest mean and single difference in float32 where at most weights are quantized, nats.

Over a whole vocabulary a right recurrent state was seen to differ by 1.5e-4 in one number, by
1e-5 on average.
"""
_ROUNDINGS = 8.0
"""A model that rounds more coarsely may differ by this many times what its batches differ by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """Within what differences of log-probabilities must be, nats."""

    mean: float
    largest: float
    """Infinite where single differences say nothing."""

    @classmethod
    def of(cls, loaded: LoadedModel, *, noise: float = 0.0) -> "Tolerance":
        """The tolerance for a model.

        Parameters
        ----------
        loaded : LoadedModel
            Type and quantization are looked at.
        noise : float
            Largest difference between rows in a batch and alone, nats.
        """
        kind = _computing_type(loaded)
        fine = kind == torch.float32 and not quantizes_activations(loaded.model.config)
        if not fine:
            return cls(mean=_MEAN[kind], largest=float("inf"))
        mean = min(_MEAN[kind], max(_FINE, _ROUNDINGS * noise))
        return cls(mean=mean, largest=max(_FINE_ONE, _ROUNDINGS * noise))

    def holds(self, differences: NDArray[np.float64]) -> bool:
        """Whether they are within it; NaN weights give NaN on every path, which is agreement."""
        return not (differences.mean() > self.mean or differences.max() > self.largest)


def read_quantization(config: Any) -> dict[str, Any]:
    """The checkpoint's own description of how it is quantized; empty where it is not."""
    found = getattr(config, "quantization_config", None) or {}
    return dict(found) if isinstance(found, dict) else dict(found.to_dict())


def chooses_by_batch(config: Any) -> bool:
    """Whether LLM.int8 picks its float columns over the whole batch.

    A threshold of 0 picks none.
    """
    found = read_quantization(config)
    return bool(found.get("load_in_8bit")) and found.get("llm_int8_threshold", 6.0) > 0


def quantizes_activations(config: Any) -> bool:
    """Whether layers round their inputs; True for methods that we do not know."""
    found = read_quantization(config)
    if not found:
        return False
    if found.get("quant_method") == "bitsandbytes":
        return bool(found.get("load_in_8bit"))
    groups = found.get("config_groups")
    if not isinstance(groups, dict):
        return True
    return any(bool(group.get("input_activations")) for group in groups.values())


def _computing_type(loaded: LoadedModel) -> torch.dtype:
    """The coarsest type that the model computes in."""
    name = str(read_quantization(loaded.model.config).get("bnb_4bit_compute_dtype", "float32"))
    inner = getattr(torch, name.removeprefix("torch."), torch.float32)
    return inner if inner in _MEAN and inner != torch.float32 else loaded.dtype
