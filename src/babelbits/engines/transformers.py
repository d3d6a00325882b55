"""The engine that runs a variant with Hugging Face transformers; `load` is all that callers need.

Importing this module costs nothing: torch and transformers are imported by `load`.
The work is in `engines.hf`, one idea a module:

    loading      a folder becomes a model and a tokenizer, or a `ModelError`
    trunk        the KV cache of the path from the root of the forest to where we are
    forward      forward passes over pieces of the forest
    plain        the padded path without sharing: the oracle of the tests
    attention    which implementation of attention is right, and what attention is given
    lengths      where numbers depend on how long a sequence is
    precision    how near two right computations are
    exactness    which paths are exact on a model, tried on a few tokens
    scoring      queries to log-probabilities
    rows         decoding many sequences at once
    cascade      attention to a shared trunk and to each row's own tokens
    choosing     the next token of many rows
    generation   prompts to continuations
    engine       the `Engine` itself

What it shares with the llama.cpp engine is beside this module, without torch:

    encoding     text to tokens, exactly as lm-evaluation-harness does it
    forest       which tokens need computing at all, and in which forward passes
    sampling     seeded draws of tokens
    stopping     when a continuation ends, and what its text is
    replies      log-probabilities and continuations to replies
    local        requests in, replies out: what is left is the engine's
"""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from babelbits.engines.base import EngineSettings

if TYPE_CHECKING:
    from babelbits.engines.hf.engine import TransformersEngine

_LIBRARIES = ("transformers", "torch")

REVISION = 2
"""Counts changes of this engine that may change its numbers."""


def engine_version() -> str:
    """Version of the engine with those of its libraries; imports none of them."""
    return f"{REVISION} ({' '.join(f'{name} {_installed(name)}' for name in _LIBRARIES)})"


def _installed(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "none"


def load(folder: Path, *, settings: EngineSettings) -> "TransformersEngine":
    """Load the checkpoint in `folder`: plain, compressed-tensors or bitsandbytes.

    Raises
    ------
    ModelError
        If the folder holds no causal language model, if its weights are pickle files or it brings
        its own code and the settings do not allow that, or if the device is not there.
    """
    from babelbits.engines.hf.engine import TransformersEngine
    from babelbits.engines.hf.loading import load_model

    return TransformersEngine(load_model(folder, settings=settings), settings=settings)
