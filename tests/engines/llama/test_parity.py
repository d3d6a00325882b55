"""The llama.cpp engine gives the numbers of the transformers engine on the same weights.

The transformers engine in float32 is held against lm-eval 0.4.13 by its own tests. With a float32
file and a float32 cache both are float32 implementations of one model: tolerance 1e-4 nats.
"""

from collections.abc import Callable
from typing import Any

import pytest

from babelbits.records import GenerateRequest, ScoreRequest, TextRequest

TOLERANCE = 1e-4
SHOTS = "Frage: der schnelle braune Fuchs?\nAntwort: B\n\nВопрос: лиса?\nAnswer: A\n\n" * 2


def few_shot_requests() -> list[ScoreRequest]:
    """Two few-shot prefixes, items, one-token and longer choices, repeats, odd whitespace."""
    choices = (" A", " B", " lazy dog", " lazy dogs", " सुस्त", "\n")
    items = ("狐狸跳过了懒狗", "الثعلب البني السريع", "der Hund", "der Hund bellt", "лиса " * 9)
    requests = [
        ScoreRequest(context=f"{start}Question: {item}?\nAnswer:{tail}", continuation=choice)
        for start in (SHOTS, "en:\n" + SHOTS, "")
        for item in items
        for tail in ("", "  ")
        for choice in choices
    ]
    lone = [("", "hello"), ("", " hello"), ("", "<|bos|>x"), ("<|bos|>x", " y"), ("x" * 600, " y")]
    return requests + [ScoreRequest(context=c, continuation=t) for c, t in lone]


def prompts() -> list[GenerateRequest]:
    """Shared prefixes, a prompt inside another, repeats, an over-long one; stops and samples."""
    items = ["狐狸", "der Hund", "der Hund bellt?", "лиса " * 9, "A", "कुत्ते"]
    shared = [f"{start}Question: {item}" for start in (SHOTS, "en: " + SHOTS) for item in items]
    texts = [*shared, SHOTS, "x", "x", "7" * 300, "<|bos|>der"]
    stops = [("a",), ("er", "ы"), ("fox jumps", "\n"), ()]
    greedy = [
        GenerateRequest(prompt=text, max_new_tokens=16, stop=stops[i % 4])
        for i, text in enumerate(texts)
    ]
    drawn = GenerateRequest(
        prompt=SHOTS + "der", max_new_tokens=16, temperature=1.0, top_p=0.95, samples=3, seed=5
    )
    return [*greedy, drawn]


VARIATIONS: list[dict[str, Any]] = [
    {},
    {"token_budget": 64},  # trunks in many pieces, small packs
    {"token_budget": 1},  # no less than one pass needs
    {"sharing": False},
]


@pytest.mark.parametrize("settings", VARIATIONS, ids=str)
def test_scores_equal_those_of_the_transformers_engine(
    settings: dict[str, Any], subject: Callable[..., Any], oracle: Callable[..., Any]
) -> None:
    requests = few_shot_requests()
    expected = oracle().score(requests)
    for _again in range(2):  # the second time on the trunk of the first
        replies = subject(**settings).score(requests)
        assert [r.logprob for r in replies] == pytest.approx(
            [r.logprob for r in expected], abs=TOLERANCE
        )
        for reply, other in zip(replies, expected, strict=True):
            assert reply.is_greedy == other.is_greedy
            assert reply.prompt_tokens == other.prompt_tokens
            assert reply.truncated_tokens == other.truncated_tokens


@pytest.mark.parametrize("settings", VARIATIONS, ids=str)
def test_texts_longer_than_the_context_are_scored_in_the_same_windows(
    settings: dict[str, Any], subject: Callable[..., Any], oracle: Callable[..., Any]
) -> None:
    requests = [TextRequest(text=text) for text in (SHOTS * 9, "x", SHOTS, "лиса")]
    expected = oracle().score_text(requests)
    replies = subject(**settings).score_text(requests)
    for reply, other in zip(replies, expected, strict=True):
        assert reply.logprobs == pytest.approx(other.logprobs, abs=TOLERANCE)


@pytest.mark.parametrize("settings", VARIATIONS, ids=str)
def test_texts_equal_those_of_the_transformers_engine(
    settings: dict[str, Any], subject: Callable[..., Any], oracle: Callable[..., Any]
) -> None:
    """Greedy and drawn ones, with their finish reasons and counts."""
    assert subject(**settings).generate(prompts()) == oracle().generate(prompts())


def test_more_continuations_than_sequences_run_in_rounds(
    subject: Callable[..., Any], oracle: Callable[..., Any]
) -> None:
    """The prompts share a trunk that must survive the rounds' own tokens."""
    request = GenerateRequest(prompt="x", max_new_tokens=4, temperature=1.0, samples=5)
    asked = [
        GenerateRequest(prompt=f"{SHOTS}{i}", max_new_tokens=1 + i % 7, samples=1)
        for i in range(150)
    ]
    assert subject().generate(asked) == oracle().generate(asked)
    assert subject().generate([*asked, request]) == oracle().generate([*asked, request])


def test_prompts_leave_room_and_long_ones_fail_on_request(
    subject: Callable[..., Any], oracle: Callable[..., Any]
) -> None:
    long = [
        GenerateRequest(prompt="7" * 400, max_new_tokens=100),
        GenerateRequest(prompt="x", max_new_tokens=5000),
    ]
    assert subject().generate(long) == oracle().generate(long)
    strict = subject(long_prompts="fail")
    assert strict.generate(long[:1])[0].kind == "prompt_too_long"
    assert strict.score([ScoreRequest(context="7" * 400, continuation=" y")])[0].kind == (
        "prompt_too_long"
    )


def test_it_counts_tokens_as_the_baseline_does(
    subject: Callable[..., Any], oracle: Callable[..., Any]
) -> None:
    for text in (SHOTS, "", "<|bos|>x", "कुत्ते"):
        assert subject().count_tokens(text) == oracle().count_tokens(text)
    assert subject().context_length == oracle().context_length
