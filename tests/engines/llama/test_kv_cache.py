"""The type of the KV cache: fewer bits move the numbers further, and the default moves nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from babelbits.engines.base import EngineSettings
from babelbits.engines.llama_cpp import ENGINE, load
from babelbits.engines.transformers import ENGINE as TRANSFORMERS
from babelbits.errors import EngineError
from babelbits.records import GenerateRequest, TextRequest

TEXTS = [
    TextRequest(text="My grandmother bakes bread every Saturday morning. The whole house smells."),
    TextRequest(text="Bestemoren min baker brød hver lørdag morgen, og hele huset lukter varmt."),
]


def distance(subject: Callable[..., Any], cache: str | None) -> float:
    """Mean |difference| of log-probabilities to a cache of the engine's own (float32)."""
    ours = subject("bundled", "f32", kv_cache=cache).score_text(TEXTS)
    base = subject("bundled", "f32").score_text(TEXTS)
    gaps = [
        np.abs(np.subtract(one.logprobs, other.logprobs)).mean()
        for one, other in zip(ours, base, strict=True)
    ]
    return float(np.mean(gaps))


def test_fewer_bits_move_numbers_further(subject: Callable[..., Any]) -> None:
    """8.5 bits a value against 4.5 (ggml's blocks of 32): q8_0 is nearer to float32 than q4_0."""
    assert distance(subject, "f32") == 0
    far, near, nearest = (distance(subject, one) for one in ("q4_0", "q8_0", "f16"))
    assert 0 < nearest < near < far < 0.5


def test_the_engine_says_which_and_only_where_it_is_named(subject: Callable[..., Any]) -> None:
    assert subject("bundled", "f32", kv_cache="q8_0").identity.kv_cache == "q8_0"
    assert subject("bundled", "f32").identity.kv_cache is None
    settings = EngineSettings(device="cpu", kv_cache="q8_0")
    assert ENGINE.identity(settings) == subject("bundled", "f32", kv_cache="q8_0").identity


@pytest.mark.parametrize("cache", ["f16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"])
def test_every_type_that_is_offered_writes(subject: Callable[..., Any], cache: str) -> None:
    (found,) = subject("bundled", "f32", kv_cache=cache).generate(
        [GenerateRequest(prompt="My grandmother bakes", max_new_tokens=8, ignore_end=True)]
    )
    assert found.output_tokens == (8,)


def test_heads_that_are_no_whole_blocks_are_an_error(gguf: Callable[..., Path]) -> None:
    """The tiny model's heads have 16 values, and a block of q8_0 has 32."""
    with pytest.raises(EngineError, match="cannot make a context"):
        load(gguf("tiny"), settings=EngineSettings(device="cpu", kv_cache="q8_0"))


def test_engines_say_what_they_do_not_have() -> None:
    assert ENGINE.kv_cache_problem("q8_0") is None
    assert TRANSFORMERS.kv_cache_problem(None) is None
    assert (
        ENGINE.kv_cache_problem("q9") == "the engine 'llama.cpp' has no KV cache of the type 'q9'"
    )
    assert TRANSFORMERS.kv_cache_problem("q8_0") == (
        "the engine 'transformers' has no choice of types for its KV cache"
    )
