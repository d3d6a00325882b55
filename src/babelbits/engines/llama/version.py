"""What the llama.cpp engine is: its name, and what numbers depend on. Loads no library."""

from babelbits.llamacpp import library

NAME = "llama.cpp"
KV_CACHES = ("f32", "f16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
"""What `-ctk` and `-ctv` of llama.cpp's own tools take, but for bf16: the binding names none."""
REVISION = 2
"""Counts changes of this engine that may change its numbers."""


def make_engine_version() -> str:
    """Version of the engine with that of its library; loads nothing."""
    return f"{REVISION} ({library.DISTRIBUTION} {library.find_version() or 'none'})"


def choose_cache_dtype(dtype: str, *, device_kind: str) -> str:
    """Type of cached keys and values for a study's `dtype`; weights have the type of the file.

    'float32' (the default on a CPU, as for the transformers engine) keeps damage by the cache apart
    from damage by the weights; any 16-bit type means float16, llama.cpp's default.
    """
    if dtype == "float32" or (dtype == "auto" and device_kind == "cpu"):
        return "float32"
    return "float16"
