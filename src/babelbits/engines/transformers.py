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

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from babelbits.engines.base import EngineIdentity, EngineKind, EngineSettings
from babelbits.engines.hf import version
from babelbits.formats.logit_scale import is_left_out
from babelbits.formats.quantization_methods import METHODS
from babelbits.formats.unpacked import UNPACKED
from babelbits.records import JSON

if TYPE_CHECKING:
    from babelbits.engines.hf.engine import TransformersEngine


def load(folder: Path, *, settings: EngineSettings) -> "TransformersEngine":
    """Load the checkpoint in `folder`: plain, or quantized by one of `METHODS`.

    Raises
    ------
    ModelError
        If the folder holds no causal language model, if its weights are pickle files or it brings
        its own code and the settings do not allow that, or if the device is not there.
    """
    from babelbits.engines.hf.engine import TransformersEngine
    from babelbits.engines.hf.loading import load_model

    return TransformersEngine(load_model(folder, settings=settings), settings=settings)


class Transformers(EngineKind):
    """Checkpoints in PyTorch."""

    name = version.NAME
    formats = ("hf", *METHODS)
    libraries = version.LIBRARIES
    revision = version.REVISION
    runs_alone = True
    emulated = ("compressed-tensors", *UNPACKED)

    def identity(self, settings: EngineSettings, *, config: JSON | None = None) -> EngineIdentity:
        """What the loaded engine will say it is."""
        found = super().identity(settings)
        return replace(found, version=version.make_engine_version(scaled=is_left_out(config or {})))

    def lacks(self) -> tuple[str, ...]:
        """Nothing beyond what every run needs."""
        return ()

    def load(self, folder: Path, *, settings: EngineSettings) -> "TransformersEngine":
        """Load a checkpoint; see `load`."""
        return load(folder, settings=settings)


ENGINE = Transformers()
