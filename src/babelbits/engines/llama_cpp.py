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

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from babelbits.engines.base import EngineKind, EngineSettings
from babelbits.engines.llama import version
from babelbits.errors import EngineError, MissingExtraError
from babelbits.llamacpp import library

if TYPE_CHECKING:
    from babelbits.engines.llama.engine import LlamaEngine


def has_gpu() -> bool:
    """Whether the library that is installed was built for a GPU; False if none runs here."""
    try:
        return bool(library.load().llama_supports_gpu_offload())
    except (MissingExtraError, EngineError):
        return False


def load(folder: Path, *, settings: EngineSettings) -> "LlamaEngine":
    """Load the GGUF file in `folder`.

    `settings.dtype` is about the cache (`engines.llama.version`): the file says what its weights
    are.

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


class LlamaCpp(EngineKind):
    """GGUF files in llama.cpp."""

    name = version.NAME
    formats = ("gguf",)
    libraries = (library.DISTRIBUTION,)
    revision = version.REVISION
    kv_caches = version.KV_CACHES

    def version(self) -> str:
        """Version of the engine with that of its library; loads nothing."""
        return version.make_engine_version()

    def device(self, resolved: str, *, asked: str) -> str:
        """'auto' is the CPU where the library was built without a GPU."""
        if asked == "auto" and resolved != "cpu":
            return resolved if has_gpu() else "cpu"
        return resolved

    def dtype(self, asked: str, *, device_kind: str) -> str:
        """The type of the cache: the file says what its weights are."""
        return version.choose_cache_dtype(asked, device_kind=device_kind)

    def lacks(self) -> tuple[str, ...]:
        """The library, in the version that is known here."""
        problem = library.find_lack()
        return () if problem is None else (problem,)

    def prepare(self, *, tell: Callable[[str], None]) -> None:
        """Load the library."""
        library.load()

    def load(self, folder: Path, *, settings: EngineSettings) -> "LlamaEngine":
        """Load a GGUF file; see `load`."""
        return load(folder, settings=settings)


ENGINE = LlamaCpp()
