"""The shared path, the plain path and lm-evaluation-harness's HF model give the same numbers.

Expected values come from lm-eval 0.4.13 on the same checkpoint, float32; tolerance 1e-4 nats.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from babelbits.records import ScoreRequest, TextRequest, TextScore
from tiny_models import ARCHITECTURES

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
        for tail in ("", "  ", " \n")
        for choice in choices
    ]
    lone = [("", "hello"), ("", " hello"), ("", "<|bos|>x"), ("<|bos|>x", " y"), ("x" * 600, " y")]
    return requests + [ScoreRequest(context=c, continuation=t) for c, t in lone]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_scores_equal_those_of_lm_eval(
    architecture: str,
    engine: Callable[..., Any],
    harness: Callable[..., Any],
    instances: Callable[..., list[Any]],
) -> None:
    requests = few_shot_requests()
    made = instances("loglikelihood", [(r.context, r.continuation) for r in requests])
    expected = harness(architecture).loglikelihood(made, disable_tqdm=True)
    shared = engine(architecture)
    assert shared.sharing_limit == shared.context_length
    small = engine(architecture, token_budget=64)  # trunks in many pieces, small packs
    for subject in (shared, small, engine(architecture, sharing=False)):
        replies = subject.score(requests)
        assert [r.logprob for r in replies] == pytest.approx(
            [logprob for logprob, _greedy in expected], abs=TOLERANCE
        )
        assert [r.is_greedy for r in replies] == [greedy for _logprob, greedy in expected]


words = st.sampled_from(["fox ", "der Hund", "лиса", " 狐狸", " ", "  \n", "कु", "<|bos|>", "A", ""])
texts = st.lists(words, max_size=12).map("".join)


@given(
    prefixes=st.lists(texts, min_size=1, max_size=2),
    items=st.lists(texts, min_size=1, max_size=4),
    choices=st.lists(texts.filter(bool), min_size=1, max_size=4),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_nested_prefixes_score_like_lm_eval(
    engine: Callable[..., Any],
    harness: Callable[..., Any],
    instances: Callable[..., list[Any]],
    prefixes: list[str],
    items: list[str],
    choices: list[str],
) -> None:
    requests = [
        ScoreRequest(context=p + i, continuation=c)
        for p in prefixes
        for i in items
        for c in choices
    ]
    # lm-eval stops at a context of nothing but spaces, at an empty continuation, and so on.
    subjects = [engine(), engine(token_budget=16), engine(sharing=False)]
    replies = [subject.score(requests) for subject in subjects]
    scored = [i for i, reply in enumerate(replies[0]) if hasattr(reply, "logprob")]
    assert all(
        [i for i, reply in enumerate(other) if hasattr(reply, "logprob")] == scored
        for other in replies
    )
    usable = [i for i in scored if requests[i].context.strip() or not requests[i].context]
    pairs = [(requests[i].context, requests[i].continuation) for i in usable]
    expected = harness().loglikelihood(instances("loglikelihood", pairs), disable_tqdm=True)
    for replied in replies:
        assert [replied[i].logprob for i in usable] == pytest.approx(
            [logprob for logprob, _greedy in expected], abs=TOLERANCE
        )


@pytest.mark.parametrize("architecture", ("llama", "cohere"))
def test_texts_score_like_lm_evals_rolling_windows(
    architecture: str,
    engine: Callable[..., Any],
    harness: Callable[..., Any],
    instances: Callable[..., list[Any]],
) -> None:
    """Among them one of several windows, one of exactly one, and one that starts with BOS."""
    samples = ["fox", "лиса " * 200, "<|bos|>狐狸", "A" * 300, "A" * 256, "A" * 257, "कुत्ते"]
    made = instances("loglikelihood_rolling", [(s,) for s in samples])
    expected = harness(architecture).loglikelihood_rolling(made, disable_tqdm=True)
    for subject in (engine(architecture), engine(architecture, sharing=False)):
        replies = subject.score_text([TextRequest(text=s) for s in samples])
        assert [sum(r.logprobs) for r in replies] == pytest.approx(expected, abs=20 * TOLERANCE)
        assert [r.n_bytes for r in replies] == [len(s.encode()) for s in samples]
        assert [len(r.logprobs) for r in replies] == [subject.count_tokens(s) for s in samples]
        assert all(isinstance(r, TextScore) for r in replies)


def test_truncation_is_counted_and_may_be_refused(engine: Callable[..., Any]) -> None:
    """256 positions predict 257 tokens, as in lm-eval: 300 + 1 tokens lose 44."""
    request = ScoreRequest(context="7" * 300, continuation=" A")
    kept = engine().score([request])[0]
    n = engine().count_tokens("7" * 300 + " A")
    assert kept.truncated_tokens == n - 257 > 0
    assert kept.prompt_tokens + kept.continuation_tokens == 257
    refused = engine(long_prompts="fail").score(
        [request, ScoreRequest(context="7", continuation="8")]
    )
    assert refused[0].kind == "prompt_too_long"
    assert refused[1].logprob < 0


def test_scores_do_not_depend_on_what_was_asked_before(engine: Callable[..., Any]) -> None:
    """Bit for bit: a resumed run must repeat what an uninterrupted one would have recorded."""
    subject = engine(token_budget=32)
    prefix = SHOTS * 2
    chunks = [
        [
            ScoreRequest(context=f"{prefix}{i}{'fox ' * i}?", continuation=f" {c}")
            for i in range(start, start + 4)
            for c in "AB"
        ]
        for start in (0, 4, 8)
    ]
    in_order = [subject.score(chunk) for chunk in chunks]
    subject.score([ScoreRequest(context="something else entirely", continuation=" x")])
    assert subject.score(chunks[2]) == in_order[2]
    assert subject.score(chunks[1]) == in_order[1]
    assert subject.score(chunks[2]) == in_order[2]


def forwarded_tokens(subject: Any, requests: list[ScoreRequest]) -> int:
    """Tokens that go through the model while it scores."""
    counted: list[int] = []
    forward = subject.loaded.model.forward

    def count(*args: Any, **kwargs: Any) -> Any:
        counted.append(kwargs["input_ids"].numel())
        return forward(*args, **kwargs)

    subject.loaded.model.forward = count
    try:
        subject.score(requests)
    finally:
        subject.loaded.model.forward = forward
    return sum(counted)


def test_a_shared_prefix_is_not_computed_again_in_the_next_call(
    engine: Callable[..., Any],
) -> None:
    subject = engine(token_budget=32)
    requests = [
        ScoreRequest(context=f"{SHOTS * 2}{i}{'fox ' * 9}?", continuation=" A") for i in range(4)
    ]
    subject.score([ScoreRequest(context="something else entirely", continuation=" x")])
    first, second = (forwarded_tokens(subject, requests) for _ in range(2))
    assert first - second == subject.count_tokens(SHOTS * 2) // 32 * 32


def test_of_several_prefixes_the_last_one_asked_is_kept(engine: Callable[..., Any]) -> None:
    """A chunk that ends within a group of items is followed by one that goes on with it."""
    subject = engine(token_budget=32)

    def items(language: str, numbers: range) -> list[ScoreRequest]:
        prefix = f"{language}: {SHOTS * 2}"
        return [
            ScoreRequest(context=f"{prefix}{i}{'fox ' * 9}?", continuation=" A") for i in numbers
        ]

    for first, second in (("de", "ru"), ("ru", "de")):
        subject.score([ScoreRequest(context="something else entirely", continuation=" x")])
        fresh = forwarded_tokens(subject, items(second, range(4)))
        subject.score(items(first, range(4)) + items(second, range(2)))
        continued = forwarded_tokens(subject, items(second, range(4)))
        assert fresh - continued == subject.count_tokens(f"{second}: {SHOTS * 2}") // 32 * 32
