"""LLM.int8 looks for outlier columns in all rows of a batch: alone, a row is what it is anywhere.

Expected values: transformers on the same checkpoint, one sequence a forward pass.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from babelbits.engines.base import EngineSettings
from babelbits.engines.transformers import load
from babelbits.records import GenerateRequest, ScoreRequest, TextRequest

pytestmark = pytest.mark.slow

SCORES = [
    ScoreRequest(context=f"{'der schnelle Fuchs ' * 4}{i} {item}", continuation=choice)
    for i, item in enumerate(["狐狸跳", "der Hund", "лиса" * 6])
    for choice in (" A", " lazy dog")
]
PROMPTS = [GenerateRequest(prompt=r.context, max_new_tokens=6) for r in SCORES[::2]]
TEXTS = [TextRequest(text=text) for text in ("fox", "лиса " * 9, "der Hund bellt")]


@pytest.fixture(scope="module")
def int8(tiny_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A threshold that some, not all, columns of a tiny model's activations are beyond."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    base, folder = tiny_model("llama"), tmp_path_factory.mktemp("int8")
    config = BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=1.5)
    AutoModelForCausalLM.from_pretrained(
        base, quantization_config=config, device_map="cpu", dtype=torch.float32
    ).save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


def open_engine(folder: Path, **settings: Any) -> Any:
    return load(folder, settings=EngineSettings(device="cpu", **settings))


def numbers(engine: Any, *, start: int = 0) -> list[Any]:
    """Replies to everything, or to what is left from an item on, in one call each."""
    return [
        engine.score(SCORES[start:]),
        engine.score_text(TEXTS[start:]),
        engine.generate(PROMPTS[start:]),
    ]


def test_alone_is_the_default_and_what_one_sequence_a_pass_gives(int8: Path) -> None:
    import torch

    engine = open_engine(int8)
    assert engine.identity.batch == "single"
    model, tokenizer = engine.loaded.model, engine.loaded.tokenizer
    for request, reply in zip(SCORES, engine.score(SCORES), strict=True):
        before = tokenizer(request.context)["input_ids"]
        ids = tokenizer(request.context + request.continuation)["input_ids"]
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([ids[:-1]])).logits[0]
        rows = torch.log_softmax(logits, dim=-1)[len(before) - 1 :]
        expected = sum(float(r[t]) for r, t in zip(rows, ids[len(before) :], strict=True))
        assert reply.logprob == pytest.approx(expected, abs=1e-5)
    for prompt, generated in zip(PROMPTS, engine.generate(PROMPTS), strict=True):
        ids = tokenizer(prompt.prompt, return_tensors="pt")["input_ids"]
        made = model.generate(ids, do_sample=False, max_new_tokens=prompt.max_new_tokens)
        text = tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
        assert generated.texts[0] == text


def test_what_else_is_asked_and_the_budget_change_no_bit(int8: Path) -> None:
    """A resumed run asks for the rest in a new process; --limit and chunks ask for parts."""
    whole = numbers(open_engine(int8))
    rest = numbers(open_engine(int8, token_budget=100), start=1)
    assert rest == [replies[1:] for replies in whole]


def test_together_neighbours_count(int8: Path) -> None:
    """The tests above could fail: in shared batches numbers do change."""
    engine = open_engine(int8, batch="many")
    assert engine.identity.batch == "many"
    first = engine.score(SCORES)[0].logprob
    assert abs(engine.score(SCORES[:1])[0].logprob - first) > 1e-4


def test_products_of_int8_are_silent_on_a_cpu_and_other_warnings_are_not(
    int8: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Bitsandbytes says at every product that it casts: thousands of lines a cell."""
    import logging

    logger = logging.getLogger("bitsandbytes.autograd._functions")
    before = list(logger.filters)  # those of engines that other tests left open
    first, second = open_engine(int8), open_engine(int8)
    first.close()  # each engine has its own silence
    second.score(SCORES[:1])
    assert not [line for line in caplog.messages if "inputs will be cast" in line]
    logger.warning("something else")
    assert "something else" in caplog.messages
    second.close()
    assert logger.filters == before
