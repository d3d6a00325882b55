"""Whatever a server does, a request ends with an answer or a typed failure, at the right cost."""

import gzip
import json
import resource
import time
from collections.abc import Callable
from typing import Any

import pytest

from babelbits.engines.chat import ChatFailure, ChatReply, ChatRequest, Message
from babelbits.engines.endpoint import EndpointSettings, Price, connect
from fake_endpoint import OUTPUT_TOKENS, PROMPT_TOKENS, Answer, Decide, refuses, says, serving

PRICE = Price(input=2.0, output=5.0)
ONE = (PROMPT_TOKENS * 2.0 + OUTPUT_TOKENS * 5.0) / 1e6
"""Cost of one completion of the fake server, by hand: 0.00025."""


def request(text: str = "hello", **more: Any) -> ChatRequest:
    return ChatRequest(
        messages=(Message(role="user", content=text),), **({"max_new_tokens": 20} | more)
    )


def settings(url: str, **more: Any) -> EndpointSettings:
    usual: dict[str, Any] = {"first_wait": 0.01, "longest_wait": 0.05, "timeout": 5.0}
    return EndpointSettings(**({"url": url, "model": "tiny"} | usual | more))


def first(answer: Answer, then: Answer | None = None, *, times: int = 1) -> Decide:
    """Give `answer` so many times, and `then` from there on."""
    return lambda _request, asked: answer if asked < times else then or says("fine")


def ask_one(decide: Decide, **more: Any) -> tuple[Any, int, Any]:
    """The answer to one request, the attempts that reached the server, and the spending."""
    with serving(decide) as server:
        model = connect(settings(server.url, **more))
        try:
            (answer,) = model.ask([request()])
            return answer, len(server.requests), model.spending
        finally:
            model.close()


WHOLE = says("fine").body
HTML = b"<!DOCTYPE html><html><head><title>Bad gateway</title></head></html>"

PASSING: dict[str, Answer] = {
    "429": refuses(429),
    "429 with Retry-After": refuses(429, Retry_After="0.02"),
    "500": refuses(500),
    "502 with a page": Answer(body=HTML, status=502),
    "503": refuses(503, "Loading model"),
    "529": refuses(529),
    "half JSON": Answer(body=WHOLE[: len(WHOLE) // 2]),
    "early end": Answer(body=WHOLE[:40], declared=len(WHOLE)),
    "a page": Answer(body=HTML),
    "reset": Answer(reset=True),
    "timeout": Answer(body=WHOLE, delay=1.0),
    "drip": Answer(body=WHOLE, drip=0.02),
    "no choices": says("", choices=[]),
    "null": Answer(body=b"null"),
    "empty": Answer(body=b""),
    "deep": Answer(body=b"[" * 100_000),
    "error with status 200": Answer(body=b'{"error": {"message": "upstream", "code": 502}}'),
    "error as text": says('{"error": {"message": "overloaded", "code": 529}}'),
    "error finish": says("half an ans", finish="error"),
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_is_tried_again(fault: str) -> None:
    answer, attempts, _ = ask_one(first(PASSING[fault]), timeout=0.4)
    assert isinstance(answer, ChatReply), answer
    assert (answer.text, attempts) == ("fine", 2)


LASTING: dict[str, tuple[Answer, str]] = {
    "429": (refuses(429), "rate_limited"),
    "500": (refuses(500), "server_error"),
    "half JSON": (PASSING["half JSON"], "malformed"),
    "a page": (PASSING["a page"], "malformed"),
    "reset": (PASSING["reset"], "server_error"),
    "timeout": (PASSING["timeout"], "timeout"),
    "drip": (PASSING["drip"], "timeout"),
    "no choices": (PASSING["no choices"], "malformed"),
}


@pytest.mark.parametrize("fault", LASTING)
def test_a_fault_that_lasts_is_a_typed_failure(fault: str) -> None:
    decided, kind = LASTING[fault]
    answer, attempts, _ = ask_one(first(decided, times=99), attempts=3, timeout=0.4)
    assert isinstance(answer, ChatFailure)
    assert (answer.kind, answer.attempts, attempts) == (kind, 3, 3)


FINAL: dict[str, tuple[Answer, str, str]] = {
    "400": (refuses(400, "bad role"), "rejected", "bad role"),
    "401": (refuses(401, "who are you"), "rejected", "API key"),
    "404": (refuses(404, "no such model"), "rejected", "URL"),
    "max_completion_tokens": (
        refuses(400, "use 'max_completion_tokens' instead"),
        "rejected",
        "token_parameter",
    ),
    "temperature": (refuses(400, "'temperature' is not supported"), "rejected", "omit"),
    "no money": (
        Answer(
            status=429,
            body=b'{"error": {"code": "insufficient_quota", "message": "pay first"}}',
        ),
        "rejected",
        "pay first",
    ),
    "redirect": (
        Answer(status=307, headers={"Location": "http://192.0.2.1/v1"}),
        "rejected",
        "192.0.2.1",
    ),
    "filter": (says("", finish="content_filter"), "filtered", "held"),
    "Azure's filter": (
        Answer(status=400, body=b'{"error": {"code": "content_filter", "message": "jailbreak"}}'),
        "filtered",
        "jailbreak",
    ),
    "wrong model": (says("hi", model="other"), "malformed", "answers_as"),
    "Retry-After of a day": (refuses(429, Retry_After="86400"), "rate_limited", "429"),
}


@pytest.mark.parametrize("fault", FINAL)
def test_a_refusal_is_not_tried_again(fault: str) -> None:
    decided, kind, words = FINAL[fault]
    answer, attempts, _ = ask_one(first(decided, times=99))
    assert isinstance(answer, ChatFailure)
    assert (answer.kind, attempts) == (kind, 1)
    assert words in answer.message


def test_a_model_may_answer_under_the_name_that_the_user_gave() -> None:
    answer, _, _ = ask_one(first(says("hi", model="other"), times=9), answers_as="other")
    assert answer.text == "hi"


@pytest.mark.parametrize(
    ("message", "finish", "text"),
    [
        ({"content": "yes"}, "eos_token", "yes"),
        ({"content": None, "refusal": "I can't."}, "stop", "I can't."),
        ({"content": None, "reasoning_content": "hm"}, "length", ""),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "stop", "ab"),
        ({"content": ""}, "stop", ""),
        ({"content": "half a pair: \ud83d"}, "stop", "half a pair: \N{REPLACEMENT CHARACTER}"),
        ({"content": '{"error": "of the user"}'}, "stop", '{"error": "of the user"}'),
    ],
)
def test_unusual_but_right_answers_are_taken(message: Any, finish: str, text: str) -> None:
    answer, _, _ = ask_one(
        first(says("", choices=[{"message": message, "finish_reason": finish}]), times=9)
    )
    assert answer.text == text


# --- cost ----------------------------------------------------------------------------------------


def test_a_reply_costs_its_counted_tokens() -> None:
    answer, _, spending = ask_one(first(says("fine")), price=PRICE)
    assert answer.cost == pytest.approx(ONE)
    assert (spending.known, spending.possible) == (pytest.approx(ONE), 0)


def test_failed_attempts_that_were_charged_are_in_the_cost() -> None:
    answer, _, spending = ask_one(first(PASSING["no choices"], times=2), price=PRICE)
    assert answer.cost == pytest.approx(3 * ONE)
    assert spending.known == pytest.approx(3 * ONE)
    held_back, _, _ = ask_one(first(says("", finish="content_filter")), price=PRICE)
    assert held_back.cost == pytest.approx(ONE)


def test_refused_attempts_cost_nothing() -> None:
    answer, _, spending = ask_one(first(refuses(500), times=2), price=PRICE)
    assert answer.cost == pytest.approx(ONE)
    assert spending.possible == 0


@pytest.mark.parametrize("fault", ["timeout", "reset", "half JSON"])
def test_attempts_that_may_have_been_charged_count_towards_the_limit_at_the_most(
    fault: str,
) -> None:
    answer, _, spending = ask_one(first(PASSING[fault]), price=PRICE, timeout=0.4)
    assert answer.cost == pytest.approx(ONE)
    most_prompt = len("hello") + 64 + 256  # bytes, a message, a template
    assert spending.possible == pytest.approx((most_prompt * 2.0 + 20 * 5.0) / 1e6)


def test_without_a_price_no_cost_is_claimed() -> None:
    answer, _, _ = ask_one(first(says("fine")))
    assert answer.cost is None
    uncounted, _, spending = ask_one(first(says("fine", usage=None)), price=PRICE)
    assert uncounted.cost is None
    assert spending.possible > 0


# --- one endpoint that fails for all -------------------------------------------------------------


def many(n: int) -> list[ChatRequest]:
    return [request(f"number {i}") for i in range(n)]


def ask_many(decide: Decide, n: int, **more: Any) -> tuple[list[Any], int]:
    with serving(decide) as server:
        model = connect(settings(server.url, **more))
        answers = model.ask(many(n))
        model.close()
        return answers, len(server.requests)


def test_a_wrong_key_is_tried_by_no_more_requests_than_are_under_way() -> None:
    answers, attempts = ask_many(first(refuses(401), times=9), 100, concurrency=4)
    assert {answer.kind for answer in answers} == {"rejected"}
    assert attempts <= 8
    assert "not asked" in answers[-1].message


def test_a_dead_server_is_left_alone_after_some_requests_in_a_row() -> None:
    model = connect(settings("http://127.0.0.1:9/v1", attempts=2, concurrency=2, price=PRICE))
    answers = model.ask(many(50))
    assert all(isinstance(answer, ChatFailure) for answer in answers)
    assert sum(answer.attempts for answer in answers) <= 2 * 10
    assert "127.0.0.1:9" in answers[0].message
    assert "in a row" in answers[-1].message
    assert model.spending.most == 0, "nothing was sent"
    model.close()


def test_other_requests_go_on_while_one_fails() -> None:
    def decide(asked: dict[str, Any], _times: int) -> Answer:
        text = asked["messages"][-1]["content"]
        return refuses(400) if text == "number 3" else says(text.upper())

    answers, _ = ask_many(decide, 10)
    assert [answer.text for answer in answers if isinstance(answer, ChatReply)] == [
        f"NUMBER {i}" for i in range(10) if i != 3
    ]
    assert isinstance(answers[3], ChatFailure)


def test_half_a_surrogate_pair_is_rejected_and_not_sent() -> None:
    with serving() as server:
        model = connect(settings(server.url))
        bad, good = model.ask([request("a\ud83d"), request("abc")])
        model.close()
    assert isinstance(bad, ChatFailure)
    assert good.text == "cba"
    assert len(server.requests) == 1


def bomb(n_bytes: int) -> bytes:
    """So many spaces, compressed a thousandfold."""
    return gzip.compress(b" " * n_bytes)


GZIP = {"Content-Encoding": "gzip"}
HOSTILE: dict[str, tuple[Answer, str]] = {
    "dripped headers": (Answer(head_drip=0.05), "timeout"),
    "dripped headers of an error": (Answer(status=500, head_drip=0.05), "timeout"),
    "endless reply": (Answer(body=b" " * 65536, endless=True), "malformed"),
    "endless error": (Answer(status=500, body=b"x" * 65536, endless=True), "server_error"),
    "endless refusal": (Answer(status=400, body=b"x" * 65536, endless=True), "rejected"),
    "bomb": (Answer(body=bomb(2**30), headers=GZIP), "malformed"),
    "bomb in an error": (Answer(status=400, body=bomb(2**30), headers=GZIP), "rejected"),
    "dripped error": (Answer(status=503, body=b"x" * 10_000, drip=0.05), "server_error"),
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_no_reply_takes_more_time_or_memory_than_it_may(attack: str) -> None:
    decided, kind = HOSTILE[attack]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.monotonic()
    answer, _, _ = ask_one(first(decided, times=99), attempts=1, timeout=2)
    assert isinstance(answer, ChatFailure)
    assert answer.kind == kind
    assert time.monotonic() - begun < 10  # the deadline is 2 s; without one this never ends
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 400_000  # kB; the bombs alone are 1 GiB


@pytest.mark.parametrize("key", ["test", "EMPTY", "1"])
def test_a_key_that_is_a_word_changes_no_answer(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", key)
    text = f"Dette er en {key}, og {key}er igjen"
    with serving(lambda _asked, _times: says(text)) as server:
        model = connect(settings(server.url, key_variable="MY_KEY"))
        (answer,) = model.ask(many(1))
        model.close()
    assert not isinstance(answer, ChatFailure)
    assert answer.text == text


def test_the_key_is_sent_and_written_nowhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-very-secret-0123")
    decide: Callable[..., Answer] = lambda asked, _times: (  # noqa: E731
        refuses(401, "the key sk-very-secret-0123 is wrong")
        if asked["messages"][0]["content"] == "number 1"
        else says("you sent sk-very-secret-0123")
    )
    with serving(decide) as server:
        chosen = settings(
            server.url, key_variable="MY_KEY", cache=tmp_path / "answers", concurrency=1
        )
        model = connect(chosen)
        answers = model.ask(many(2))
        described = json.dumps(dict(model.identity)) + repr(chosen) + repr(answers[1])
        model.close()
        assert server.keys[0] == "Bearer sk-very-secret-0123"
    assert "[key]" in answers[1].message
    assert "very-secret" not in described
    assert answers[0].text == "you sent [key]"
    assert b"very-secret" not in (tmp_path / "answers").read_bytes()
