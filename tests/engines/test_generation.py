"""Continuations equal those of lm-eval's HF model; draws do not depend on the batch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from babelbits.engines.sampling import Sampler
from babelbits.records import GenerateRequest
from tiny_models import ARCHITECTURES

SHOTS = "Frage: der schnelle braune Fuchs?\nAntwort: B\n\nВопрос: лиса?\nAnswer: A\n\n" * 2


def prompts() -> list[str]:
    """Shared few-shot prefixes, a prompt inside another, a repeated and an over-long one."""
    items = ["狐狸", "der Hund", "der Hund bellt?", "лиса " * 9, "A", "कुत्ते"]
    shared = [f"{start}Question: {item}" for start in (SHOTS, "en: " + SHOTS) for item in items]
    return [*shared, SHOTS, "x", "x", "7" * 300, "<|bos|>der"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_greedy_texts_equal_those_of_lm_eval(
    architecture: str,
    engine: Callable[..., Any],
    harness: Callable[..., Any],
    instances: Callable[..., list[Any]],
) -> None:
    """Stop strings of one letter, of several tokens, of another script, and none."""
    stops = [("a",), ("er", "ы"), ("fox jumps", "\n"), ()]
    asked = [(p, stops[(i + shift) % 4]) for shift in (0, 2) for i, p in enumerate(prompts())]
    made = [(p, {"until": list(stop), "max_gen_toks": 16}) for p, stop in asked]
    expected = harness(architecture).generate_until(instances("generate_until", made), True)
    requests = [GenerateRequest(prompt=p, max_new_tokens=16, stop=s) for p, s in asked]
    small = engine(architecture, token_budget=700)  # few rows at a time
    for subject in (engine(architecture), small, engine(architecture, sharing=False)):
        assert [reply.texts[0] for reply in subject.generate(requests)] == expected


def test_cascade_decoding_is_in_use_and_equals_decoding_with_copies(
    engine: Callable[..., Any],
) -> None:
    from dataclasses import replace

    subject = engine(token_budget=1024)
    assert subject._shortcuts.cascade
    requests = [GenerateRequest(prompt=p, max_new_tokens=24) for p in prompts()]
    with_cascade = subject.generate(requests)
    before = subject._shortcuts
    subject._shortcuts = replace(before, cascade=False)
    try:
        assert subject.generate(requests) == with_cascade
    finally:
        subject._shortcuts = before


def test_rows_behind_several_prefixes_are_decoded_in_the_same_steps(
    engine: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight tokens a row are seven steps, however many prefixes; fewer rows fit a small budget.

    Rows of other lengths end in the middle: their trunks are given up, and texts stay the same.
    """
    from babelbits.engines.hf.decode_batches import TreeRows

    whole, small, plain = engine(), engine(token_budget=200), engine(sharing=False)
    rows: list[int] = []
    step = TreeRows.step

    def counted(self: TreeRows, tokens: list[int]) -> torch.Tensor:
        rows.append(len(tokens))
        return step(self, tokens)

    monkeypatch.setattr(TreeRows, "step", counted)
    begins = [SHOTS, "en: " + SHOTS, "nb: " + SHOTS]
    requests = [
        GenerateRequest(prompt=f"{begin}Question: {item}", max_new_tokens=n, ignore_end=True)
        for begin, n in zip(begins, (8, 3, 8), strict=True)
        for item in ("der Hund", "A", "лиса")
    ]
    together = whole.generate(requests)
    assert rows == [9, 9, *[6] * 5]
    rows.clear()
    assert small.generate(requests) == together
    assert len(rows) == 7 + 2 + 7
    assert plain.generate(requests) == together


def test_finish_reasons_and_counts(engine: Callable[..., Any]) -> None:
    """A stop string that the model is known to write, no stop, and the EOS token made likely."""
    subject = engine()
    free = subject.generate([GenerateRequest(prompt="x", max_new_tokens=12)])[0]
    assert free.finish_reasons == ("length",)
    assert free.output_tokens == (12,)
    stop = free.texts[0][3:5]
    stopped = subject.generate([GenerateRequest(prompt="x", max_new_tokens=12, stop=(stop,))])[0]
    assert stopped.finish_reasons == ("stop",)
    assert stopped.texts[0] == free.texts[0].split(stop)[0]
    assert stopped.output_tokens[0] < 12
    first = subject.loaded.tokenizer.encode(free.texts[0])[0]
    before = set(subject._stopping._eos)
    subject._stopping._eos.add(first)
    try:
        ended = subject.generate([GenerateRequest(prompt="x", max_new_tokens=12)])[0]
    finally:
        subject._stopping._eos = before
    assert (ended.finish_reasons, ended.output_tokens) == (("eos",), (1,))


def test_prompts_leave_room_for_what_is_generated(engine: Callable[..., Any]) -> None:
    request = GenerateRequest(prompt="7" * 400, max_new_tokens=100)
    cut = engine().generate([request])[0]
    assert cut.prompt_tokens == 156
    assert cut.truncated_tokens == engine().count_tokens("7" * 400) - 156 > 0
    assert engine(long_prompts="fail").generate([request])[0].kind == "prompt_too_long"
    huge = engine().generate([GenerateRequest(prompt="x", max_new_tokens=5000)])[0]
    assert huge.prompt_tokens + huge.output_tokens[0] <= 256


def test_samples_do_not_depend_on_the_batch(engine: Callable[..., Any]) -> None:
    request = GenerateRequest(
        prompt=SHOTS + "der", max_new_tokens=16, temperature=1.0, top_p=0.95, samples=3, seed=5
    )
    others = [
        GenerateRequest(prompt=p, max_new_tokens=20, temperature=0.7, samples=2) for p in prompts()
    ]
    alone = engine().generate([request])[0]
    assert engine().generate([*others, request])[-1] == alone
    assert engine(sharing=False).generate([request, *others])[0] == alone
    assert len(set(alone.texts)) == 3
    other_seed = GenerateRequest(
        prompt=SHOTS + "der", max_new_tokens=16, temperature=1.0, top_p=0.95, samples=3, seed=6
    )
    assert set(engine().generate([other_seed])[0].texts).isdisjoint(alone.texts)


def test_greedy_samples_are_one_text_repeated(engine: Callable[..., Any]) -> None:
    reply = engine().generate([GenerateRequest(prompt="x", max_new_tokens=5, samples=2)])[0]
    assert len(reply.texts) == 2
    assert len(set(reply.texts)) == 1


def test_draws_have_the_softmax_frequencies_within_the_nucleus() -> None:
    """Logits ln(5, 3, 1, 1): probabilities .5 .3 .1 .1; top_p 0.8 keeps the first two, 5:3."""
    logits = torch.tensor([5.0, 3.0, 1.0, 1.0]).log()
    request = GenerateRequest(prompt="x", max_new_tokens=1, temperature=1.0)
    nucleus = GenerateRequest(prompt="x", max_new_tokens=1, temperature=1.0, top_p=0.79)
    n = 4000
    all_draws = Sampler(request, 0)
    shares = np.bincount([all_draws.draw(logits) for _ in range(n)], minlength=4) / n
    assert shares == pytest.approx([0.5, 0.3, 0.1, 0.1], abs=0.03)
    few = Sampler(nucleus, 0)
    shares = np.bincount([few.draw(logits) for _ in range(n)], minlength=4) / n
    assert shares == pytest.approx([0.625, 0.375, 0, 0], abs=0.03)
