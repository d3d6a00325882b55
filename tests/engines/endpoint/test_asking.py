"""Caching, limits, kills and Ctrl-C of the endpoint client, against a real server."""

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from babelbits.engines.chat import ChatFailure, ChatReply, ChatRequest, Message
from babelbits.engines.chat_cache import AnswerFile
from babelbits.engines.endpoint import EndpointModel, EndpointSettings, Price, connect
from babelbits.errors import StoreError, StudyError
from fake_endpoint import OUTPUT_TOKENS, PROMPT_TOKENS, Answer, echo, refuses, says, serving

PRICE = Price(input=2.0, output=5.0)
ONE = (PROMPT_TOKENS * 2.0 + OUTPUT_TOKENS * 5.0) / 1e6
CLIENT = Path(__file__).with_name("killed_client.py")


def ask(text: str, **more: Any) -> ChatRequest:
    turns = (Message(role="user", content=text),)
    return ChatRequest(**({"messages": turns, "max_new_tokens": 20} | more))


def model_at(url: str, **more: Any) -> EndpointModel:
    usual: dict[str, Any] = {"first_wait": 0.01, "longest_wait": 0.05, "timeout": 10.0}
    return connect(EndpointSettings(**({"url": url, "model": "tiny"} | usual | more)))


# --- the cache -----------------------------------------------------------------------------------


def test_the_same_question_is_paid_once_over_runs(tmp_path: Path) -> None:
    with serving() as server:
        for run in range(3):
            model = model_at(server.url, cache=tmp_path / "a.sqlite", price=PRICE)
            answers = model.ask([ask("abc"), ask("def"), ask("abc")])
            model.close()
            assert [answer.text for answer in answers] == ["cba", "fed", "cba"]
            assert [answer.cached for answer in answers] == [run > 0, run > 0, True]
            costs = [ONE, ONE, 0.0] if run == 0 else [0.0, 0.0, 0.0]
            assert [answer.cost for answer in answers] == pytest.approx(costs)
        assert len(server.requests) == 2


CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    # what changes: (of the settings, of the request, whether it is another question)
    "nothing": ({}, {}, False),
    "concurrency": ({"concurrency": 1}, {}, False),
    "timeout": ({"timeout": 99.0}, {}, False),
    "price": ({"price": PRICE}, {}, False),
    "slash": ({"slash": True}, {}, False),
    "model": ({"model": "tiny-2"}, {}, True),
    "label": ({"label": "q4_k_m"}, {}, True),
    "extra": ({"extra": {"top_k": 1}}, {}, True),
    "omitted parameter": ({"omit": ("seed",)}, {}, True),
    "temperature": ({}, {"temperature": 0.3}, True),
    "top_p": ({}, {"top_p": 0.9}, True),
    "seed": ({}, {"seed": 1}, True),
    "length": ({}, {"max_new_tokens": 21}, True),
    "stop": ({}, {"stop": ("\n",)}, True),
    "text": ({}, {"messages": (Message(role="user", content="abd"),)}, True),
    "role": ({}, {"messages": (Message(role="system", content="abc"),)}, True),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_makes_another_question(change: str, tmp_path: Path) -> None:
    of_settings, of_request, differs = CHANGES[change]
    options = dict(of_settings)
    with serving() as server:
        url = server.url + "/" * options.pop("slash", False)
        for more, request in (({}, ask("abc")), (options, ask("abc", **of_request))):
            model = model_at(url if more is options else server.url, cache=tmp_path / "a", **more)
            model.ask([request])
            model.close()
        assert len(server.requests) == 1 + differs


def test_failures_are_never_kept(tmp_path: Path) -> None:
    def fails_first(_request: dict[str, Any], times: int) -> Answer:
        return refuses(400) if times == 0 else says("now")

    with serving(fails_first) as server:
        model = model_at(server.url, cache=tmp_path / "a")
        assert isinstance(model.ask([ask("x")])[0], ChatFailure)
        assert model.ask([ask("x")])[0].text == "now"
        model.close()


def test_raw_replies_are_kept(tmp_path: Path) -> None:
    with serving() as server:
        model = model_at(server.url, cache=tmp_path / "a.sqlite")
        model.ask([ask("abc")])
        model.close()
    with sqlite3.connect(tmp_path / "a.sqlite") as file:
        ((raw, request),) = file.execute("SELECT raw, request FROM answers")
    assert '"object": "chat.completion"' in raw
    assert "abc" in request


@pytest.mark.parametrize("content", [b"not a database, but long enough to be one" * 50, None])
def test_a_file_that_is_something_else_is_an_error(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "a"
    if content is None:
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE mine (x)")
    else:
        path.write_bytes(content)
    with pytest.raises(StoreError, match="answers"):
        AnswerFile(path)


# --- limits --------------------------------------------------------------------------------------


def test_the_spend_limit_is_never_passed_and_nearly_reached(tmp_path: Path) -> None:
    """By hand: a request may cost at most (7 + 64 + 256) * 2 + 20 * 5 millionths, and costs ONE."""
    limit, worst = 10 * ONE, ((7 + 64 + 256) * 2.0 + 20 * 5.0) / 1e6
    requests = [ask(f"text {i:02}") for i in range(40)]
    with serving() as server:
        for run in range(2):  # the second run adds nothing: the limit is of the file
            model = model_at(
                server.url, cache=tmp_path / "a", price=PRICE, max_cost=limit, concurrency=4
            )
            answers = model.ask(requests)
            assert model.spending.most <= limit
            assert limit - model.spending.most < worst
            model.close()
            refused = [answer for answer in answers if isinstance(answer, ChatFailure)]
            assert {answer.kind for answer in refused} == {"over_budget"}
            assert {answer.attempts for answer in refused} == {0}
            assert len(server.requests) == 40 - len(refused), run
            assert sum(1 for answer in answers if isinstance(answer, ChatReply)) > 5


def test_a_limit_below_one_request_sends_nothing() -> None:
    with serving() as server:
        model = model_at(server.url, price=PRICE, max_cost=1e-6)
        (answer,) = model.ask([ask("x")])
        model.close()
        assert answer.kind == "over_budget"
        assert not server.requests


def test_retries_that_may_be_charged_count_towards_the_limit() -> None:
    worst = ((1 + 64 + 256) * 2.0 + 20 * 5.0) / 1e6
    with serving(lambda _request, _times: Answer(reset=True)) as server:
        model = model_at(server.url, price=PRICE, max_cost=2.5 * worst, attempts=9)
        (answer,) = model.ask([ask("x")])
        assert (answer.kind, answer.attempts) == ("over_budget", 2)
        assert len(server.requests) == 2
        assert model.spending.possible == pytest.approx(2 * worst)
        model.close()


def test_a_limit_without_a_price_is_an_error() -> None:
    with pytest.raises(StudyError, match="price"):
        EndpointSettings(url="http://127.0.0.1/v1", model="m", max_cost=1.0)


def test_no_more_requests_are_under_way_than_allowed() -> None:
    def slow(request: dict[str, Any], times: int) -> Answer:
        time.sleep(0.02)
        return echo(request, times)

    with serving(slow) as server:
        model = model_at(server.url, concurrency=3)
        model.ask([ask(str(i)) for i in range(30)])
        model.close()
        assert server.most_at_once == 3


def test_a_retry_after_holds_everybody() -> None:
    wait = 0.5

    def decide(request: dict[str, Any], times: int) -> Answer:
        busy = request["messages"][0]["content"] == "busy" and times == 0
        return refuses(429, Retry_After=str(wait)) if busy else says("ok")

    with serving(decide) as server:
        model = model_at(server.url, concurrency=1)
        model.ask([ask("busy"), ask("other")])
        model.close()
        assert server.times[1] - server.times[0] >= wait


# --- interruptions -------------------------------------------------------------------------------


def client(url: str, cache: Path, *, n: int, kill_after: int) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(CLIENT), url, str(cache), str(n), str(kill_after)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.slow
def test_after_sigkill_nothing_that_was_told_is_asked_again(tmp_path: Path) -> None:
    cache = tmp_path / "answers.sqlite"
    told: list[str] = []
    with serving() as server:
        for _ in range(4):
            code, out = client(server.url, cache, n=20, kill_after=4)
            assert code == -signal.SIGKILL
            told += out.split("\n")[:-1]
            assert len(set(told)) == len(told), "an answer was told, thus paid, twice"
        code, out = client(server.url, cache, n=20, kill_after=0)
        assert code == 0
        assert out.endswith("all 20\n")
        # What was under way at a kill may be asked again: at most `concurrency` (3) a kill.
        assert len(server.requests) <= 20 + 4 * 3
    file = AnswerFile(cache)
    assert file.spending().known == pytest.approx(20 * ONE), "one known cost an answer"
    file.close()


@pytest.mark.slow
def test_two_processes_share_a_file(tmp_path: Path) -> None:
    cache = tmp_path / "answers.sqlite"
    with serving() as server:
        command = [sys.executable, str(CLIENT), server.url, str(cache), "60", "0"]
        children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        outputs = [child.communicate()[0] for child in children]
        assert all(output.endswith("all 60\n") for output in outputs)
    with sqlite3.connect(cache) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert file.execute("SELECT count(*) FROM answers").fetchone() == (60,)


def test_ctrl_c_awaits_and_keeps_what_is_under_way(tmp_path: Path) -> None:
    """A KeyboardInterrupt in the calling thread, as Ctrl-C raises it."""
    under_way = threading.Event()

    def slow(request: dict[str, Any], times: int) -> Answer:
        if request["messages"][0]["content"] != "0":
            under_way.set()
            time.sleep(0.2)
        return echo(request, times)

    told: list[str] = []

    def interrupt(_place: int, _answer: Any) -> None:
        under_way.wait(5)
        raise KeyboardInterrupt

    with serving(slow) as server:
        model = connect(
            EndpointSettings(url=server.url, model="tiny", cache=tmp_path / "a", concurrency=2),
            on_interrupt=lambda: told.append("stopping"),
        )
        requests = [ask(str(i)) for i in range(50)]
        with pytest.raises(KeyboardInterrupt):
            model.ask(requests, on_answer=interrupt)
        n = len(server.requests)
        assert told == ["stopping"]
        assert n <= 4
        assert sum(model.is_known(request) for request in requests) == n
        model.close()


# --- where it may go -----------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["http://192.0.2.7/v1", "https://localhost.example.com/v1"])
def test_offline_means_no_other_machine(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    settings = EndpointSettings(url=url, model="m")
    with pytest.raises(StudyError, match="offline") as caught:
        connect(settings)
    assert caught.value.where == url
    connect(settings, allow_network=True).close()
    monkeypatch.delenv("HF_HUB_OFFLINE")
    connect(settings).close()


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost:1", "[::1]:1", "127.8.8.8"])
def test_offline_allows_this_machine(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    connect(EndpointSettings(url=f"http://{host}/v1", model="m")).close()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"url": "127.0.0.1:8080/v1"}, "http"),
        ({"url": "https://me:secret@host/v1"}, "password"),
        ({"url": "https://host/v1?key=secret"}, "environment"),
        ({"url": "http://host:port/v1"}, "not valid"),
        ({"url": "http://host/v1/chat/completions"}, "base URL"),
        ({"model": " "}, "no name"),
        ({"concurrency": 0}, "at least 1"),
        ({"requests_per_minute": 0}, "at least 1"),
        ({"timeout": 0}, "above 0"),
        ({"price": Price(input=-1, output=0)}, "0 or more"),
        ({"price": PRICE, "max_cost": float("nan")}, "0 or more"),
        ({"omit": ("messages",)}, "cannot be left out"),
        ({"extra": {"temperature": 1}}, "itself"),
        ({"extra": {"api_key": "x"}}, "secret"),
        ({"extra": {"x": object()}}, "JSON"),
    ],
)
def test_impossible_settings_are_errors(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(StudyError) as caught:
        EndpointSettings(**({"url": "http://host/v1", "model": "m"} | wrong))
    assert words in str(caught.value)
    assert "secret@" not in str(caught.value)


@pytest.mark.parametrize("value", [None, "", "has space", "ключ"])
def test_a_named_key_must_be_there(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(StudyError, match="MY_KEY"):
        connect(EndpointSettings(url="http://127.0.0.1/v1", model="m", key_variable="MY_KEY"))
