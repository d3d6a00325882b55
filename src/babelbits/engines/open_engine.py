"""Which engine runs a variant: llama.cpp where its recipe's family is 'gguf', else transformers.

Nothing heavy is imported before an engine is loaded.
"""

from pathlib import Path

from babelbits.engines import llama_cpp, transformers
from babelbits.engines.base import Engine, EngineIdentity, EngineSettings

GGUF = "gguf"
"""Family of the recipes, and format of the variants, that llama.cpp runs."""


def load(folder: Path, *, family: str, settings: EngineSettings) -> Engine:
    """Load the variant in `folder`.

    Raises
    ------
    ModelError, MissingExtraError, EngineError
        If the engine cannot be had here or cannot load the files.
    """
    if family == GGUF:
        return llama_cpp.load(folder, settings=settings)
    return transformers.load(folder, settings=settings)


def identity(family: str, settings: EngineSettings) -> EngineIdentity:
    """What the engine will say it is, before it is loaded.

    Parameters
    ----------
    settings : EngineSettings
        Its device is not 'auto', nor is its batch where numbers depend on that.
    """
    device_kind = settings.device.partition(":")[0]
    dtype = settings.dtype
    if dtype == "auto":
        dtype = "float32" if device_kind == "cpu" else "bfloat16"
    name, version = "transformers", transformers.engine_version()
    if family == GGUF:
        name, version = llama_cpp.NAME, llama_cpp.engine_version()
        dtype = llama_cpp.cache_dtype(dtype, device_kind=device_kind)
    return EngineIdentity(
        name=name,
        version=version,
        device_kind=device_kind,
        dtype=dtype,
        long_prompts=settings.long_prompts,
        batch="single" if settings.batch == "single" and family != GGUF else "many",
    )
