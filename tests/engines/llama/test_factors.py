"""Models with two sets of rotary factors (LongRoPE): by the text's length, whatever the memory."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from babelbits.engines import llama_cpp
from babelbits.engines.base import EngineSettings
from babelbits.recipes.gguf_checked import convert
from babelbits.records import GenerateRequest, ScoreRequest, TextRequest
from zoo.oracle import Oracle

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("llama_cpp")]

SWITCH = 512
"""`original_max_position_embeddings` of the tiny Phi-4-mini."""
SHORT = "Once upon a time there was a little house at the edge of the forest. "


@pytest.fixture(scope="module")
def base(zoo: Callable[[str], Path]) -> Path:
    folder = zoo("phi4-mini")
    config = json.loads((folder / "config.json").read_text())
    assert config["original_max_position_embeddings"] == SWITCH
    assert config["rope_scaling"]["type"] == "longrope"
    return folder


@pytest.fixture(scope="module")
def variant(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shutil.copytree(
        base, tmp_path_factory.mktemp("longrope") / "f32", ignore=shutil.ignore_patterns("*.safe*")
    )
    convert(base, folder / "model.gguf", kind="f32")
    return folder


@pytest.fixture(scope="module")
def oracle(base: Path) -> Oracle:
    return Oracle(base)


@pytest.fixture(params=[256, 2048], ids=["short session", "long session"])
def engine(request: pytest.FixtureRequest, variant: Path) -> Iterator[Any]:
    settings = EngineSettings(device="cpu", token_budget=request.param)
    loaded = llama_cpp.load(variant, settings=settings)
    yield loaded
    loaded.close()


def count(oracle: Oracle, text: str) -> int:
    return len(oracle.tokenizer(text, add_special_tokens=False)["input_ids"])


def cut(oracle: Oracle, tokens: int) -> str:
    """A text of at most so many tokens."""
    words = (SHORT * 100).split(" ")
    low, high = 1, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        if count(oracle, " ".join(words[:middle])) <= tokens:
            low = middle
        else:
            high = middle - 1
    return " ".join(words[:low])


def test_scores_are_those_of_a_forward_pass_of_each_texts_own_length(
    engine: Any, oracle: Oracle
) -> None:
    """Short and long texts in one call; lengths on both sides of the change."""
    texts = [SHORT.strip(), cut(oracle, SWITCH - 2), cut(oracle, SWITCH + 40), cut(oracle, 700)]
    found = engine.score_text([TextRequest(text=text) for text in texts])
    for text, reply in zip(texts, found, strict=True):
        np.testing.assert_allclose(reply.logprobs, oracle.text_log_p(text), atol=1e-4)
    questions = [(text, " and then") for text in texts]
    scored = engine.score(
        [ScoreRequest(context=text, continuation=more) for text, more in questions]
    )
    for (text, more), reply in zip(questions, scored, strict=True):
        assert reply.logprob == pytest.approx(oracle.score(text, more), abs=1e-3)


def test_a_continuation_that_outgrows_the_short_factors_goes_on_with_the_long_ones(
    engine: Any, oracle: Oracle
) -> None:
    """Greedy text of a forward pass over the whole sequence at every token."""
    prompts = [SHORT.strip(), cut(oracle, SWITCH - 4), cut(oracle, SWITCH + 30)]
    replies = engine.generate(
        [GenerateRequest(prompt=prompt, max_new_tokens=10) for prompt in prompts]
    )
    for prompt, reply in zip(prompts, replies, strict=True):
        assert reply.texts[0] == oracle.text(oracle.greedy(prompt, 10))
