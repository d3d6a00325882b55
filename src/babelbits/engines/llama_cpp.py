"""The engine that runs a GGUF variant in llama.cpp, in this process; `load` is all callers need.

Importing this module costs nothing: the library is loaded by `load`. No server is started.
The work is in `engines.llama`, one idea a module:

    loading      a folder becomes a model and a tokenizer, or a `ModelError`
    encoding     text to tokens with the checkpoint's tokenizer, held against llama.cpp's
    session      a context: its memory of sequences, and the logits of what is decoded
    branches     which sequences each row of a step belongs to
    tree         the steps of a plan, run on a trunk that is decoded once
    scoring      queries to log-probabilities, and the plain path, the oracle of the tests
    generation   prompts to continuations, many sequences side by side
    engine       the `Engine` itself

What it shares with the transformers engine is listed there (`engines.transformers`).
"""

from pathlib import Path
from typing import TYPE_CHECKING

from babelbits.engines.base import EngineSettings
from babelbits.errors import EngineError, MissingExtraError
from babelbits.llamacpp import library

if TYPE_CHECKING:
    from babelbits.engines.llama.engine import LlamaEngine

NAME = "llama.cpp"

REVISION = 2
"""Counts changes of this engine that may change its numbers."""


def engine_version() -> str:
    """Version of the engine with that of its library; loads nothing."""
    return f"{REVISION} ({library.DISTRIBUTION} {library.version() or 'none'})"


def cache_dtype(dtype: str, *, device_kind: str) -> str:
    """Type of cached keys and values for a study's `dtype`; weights have the type of the file.

    'float32' (the default on a CPU, as for the transformers engine) keeps damage by the cache apart
    from damage by the weights; any 16-bit type means float16, llama.cpp's default.
    """
    if dtype == "float32" or (dtype == "auto" and device_kind == "cpu"):
        return "float32"
    return "float16"


def has_gpu() -> bool:
    """Whether the library that is installed was built for a GPU; False if none runs here."""
    try:
        return bool(library.load().llama_supports_gpu_offload())
    except (MissingExtraError, EngineError):
        return False


def load(folder: Path, *, settings: EngineSettings) -> "LlamaEngine":
    """Load the GGUF file in `folder`.

    `settings.dtype` is about the cache (`cache_dtype`): the file says what its weights are.

    Raises
    ------
    MissingExtraError
        If llama.cpp is not installed.
    ModelError
        If there is no such file, llama.cpp cannot load it, or the device is not there.
    EngineError
        If there is no memory for a context, or the library does not run here.
    """
    from babelbits.engines.llama.engine import LlamaEngine
    from babelbits.engines.llama.loading import load_model

    loaded = load_model(folder, settings=settings)
    try:
        return LlamaEngine(loaded, settings=settings)
    except BaseException:
        loaded.free()
        raise
