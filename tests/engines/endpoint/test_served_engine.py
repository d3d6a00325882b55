"""A served checkpoint gives the numbers of the same checkpoint in the transformers engine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from babelbits.bundled import find_bundled_model
from babelbits.engines import served, transformers
from babelbits.engines.base import EngineSettings
from babelbits.engines.endpoint.abilities import find_abilities
from babelbits.engines.endpoint.likeness import meet
from babelbits.engines.endpoint.served_engine import ServedEngine
from babelbits.engines.endpoint.server import Server
from babelbits.engines.endpoint.settings import EndpointSettings, ServedBy
from babelbits.errors import EngineError
from babelbits.records import (
    Failure,
    GenerateRequest,
    Generation,
    Score,
    ScoreRequest,
    TextRequest,
    TextScore,
)
from fake_endpoint import Answer, FakeEndpoint, refuses, serving
from model_server import NAME, ModelServer, looks_like

CHOICES = [
    ScoreRequest(context="The river rose in the", continuation=end)
    for end in (" night", " morning, and it rained", "\nnight")
] + [ScoreRequest(context="मुझे पानी", continuation=" चाहिए")]
PROMPTS = [
    GenerateRequest(prompt="Three plus four is", max_new_tokens=12, stop=("\n",)),
    GenerateRequest(prompt="भारत की", max_new_tokens=8),
    GenerateRequest(prompt="The people", max_new_tokens=12, stop=(" the",)),
]
TEXTS = [TextRequest(text="The people of the village."), TextRequest(text="Три сестры жили.")]


@pytest.fixture(scope="module")
def model() -> ModelServer:
    return ModelServer(find_bundled_model())


@pytest.fixture(scope="module")
def local() -> Iterator[Any]:
    engine = transformers.load(find_bundled_model(), settings=EngineSettings(device="cpu"))
    yield engine
    engine.close()


@pytest.fixture
def endpoint(model: ModelServer) -> Iterator[FakeEndpoint]:
    with serving(model.decide, look=looks_like("vllm")) as running:
        yield running
    model.kind, model.fault = "vllm", None


def open_served(endpoint: FakeEndpoint, folder: Path, **more: Any) -> ServedEngine:
    """The engine of a server that is met now."""
    usual = {"attempts": 2, "first_wait": 0.01, "longest_wait": 0.02, "timeout": 20.0}
    settings = EndpointSettings(url=endpoint.url, model=NAME, **(usual | more))
    server = Server(settings)
    encode = served.make_encoder(served.load_tokenizer(find_bundled_model()))
    record = meet(
        server.ask, says=server.says(), abilities=find_abilities(server.ask, encode=encode)
    )
    server.close()
    (folder / "id").mkdir(exist_ok=True)
    (folder / "id" / served.RECORD).write_bytes(record.as_bytes())
    by = ServedBy(endpoint=settings, tokenizer=find_bundled_model(), context=1024)
    return served.ENGINE.load(folder / "id", settings=EngineSettings(served=by))


def test_token_ids_give_the_numbers_of_the_same_model_here(
    endpoint: FakeEndpoint, local: Any, tmp_path: Path
) -> None:
    engine = open_served(endpoint, tmp_path)
    for mine, theirs in zip(engine.score(CHOICES), local.score(CHOICES), strict=True):
        assert isinstance(mine, Score)
        assert mine.logprob == pytest.approx(theirs.logprob, abs=1e-3)
        assert (mine.is_greedy, mine.continuation_tokens, mine.prompt_tokens) == (
            theirs.is_greedy,
            theirs.continuation_tokens,
            theirs.prompt_tokens,
        )
    for mine, theirs in zip(engine.score_text(TEXTS), local.score_text(TEXTS), strict=True):
        assert isinstance(mine, TextScore)
        assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-3)
    for mine, theirs in zip(engine.generate(PROMPTS), local.generate(PROMPTS), strict=True):
        assert isinstance(mine, Generation)
        assert (mine.texts, mine.finish_reasons) == (theirs.texts, theirs.finish_reasons)
        assert mine.prompt_tokens == theirs.prompt_tokens
    engine.close()


def test_text_gives_the_same_choices(
    endpoint: FakeEndpoint, model: ModelServer, local: Any, tmp_path: Path
) -> None:
    """A server that splits text itself, and starts it with the model's first token."""
    model.kind = "echo"
    engine = open_served(endpoint, tmp_path)
    for mine, theirs in zip(engine.score(CHOICES), local.score(CHOICES), strict=True):
        assert isinstance(mine, Score)
        assert mine.continuation_tokens == theirs.continuation_tokens
        assert mine.logprob == pytest.approx(theirs.logprob, abs=1e-3)
    bare = ScoreRequest(context="", continuation="The people of the village.")
    (mine,), (theirs,) = engine.score([bare]), local.score([bare])
    assert isinstance(mine, Score)
    assert mine.logprob == pytest.approx(theirs.logprob, abs=1e-3)
    for mine, theirs in zip(engine.score_text(TEXTS), local.score_text(TEXTS), strict=True):
        assert isinstance(mine, TextScore)
        assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-3)
    engine.close()


def test_a_server_without_log_likelihoods_never_scores(
    endpoint: FakeEndpoint, model: ModelServer, tmp_path: Path
) -> None:
    model.kind = "llama-server"
    engine = open_served(endpoint, tmp_path)
    with pytest.raises(EngineError, match="gives no log-likelihoods"):
        engine.score(CHOICES)
    assert all(isinstance(one, Generation) for one in engine.generate(PROMPTS))
    engine.close()


def test_chats_alone_are_given_the_turns_of_the_prompt(
    endpoint: FakeEndpoint, model: ModelServer, tmp_path: Path
) -> None:
    model.kind = "chat"
    engine = open_served(endpoint, tmp_path)
    asked = GenerateRequest(
        prompt="<user>Hello<end>", max_new_tokens=4, messages=(("user", "Hello"),)
    )
    engine.generate([asked])
    assert endpoint.requests[-1]["messages"] == [{"role": "user", "content": "Hello"}]
    engine.close()


def test_samples_have_seeds_of_their_own(endpoint: FakeEndpoint, tmp_path: Path) -> None:
    engine = open_served(endpoint, tmp_path)
    request = GenerateRequest(prompt="The", max_new_tokens=8, temperature=1.0, samples=3, seed=5)
    engine.begin("first")
    (first,) = engine.generate([request])
    engine.begin("second")
    (again,) = engine.generate([request])
    assert isinstance(first, Generation)
    assert len(set(first.texts)) > 1
    assert first == again
    engine.close()


def test_thinking_is_taken_out_and_stop_strings_wait_for_the_answer() -> None:
    from babelbits.engines.chat import ChatReply

    said = '{"text": "a\\n\\nb</think>\\n\\nfour.\\nfive", "thinking": null, "ending": null, '
    said += '"tokens": [], "logprobs": [], "fingerprint": null}'
    reply = ChatReply(text=said, finish_reason="stop", prompt_tokens=1, output_tokens=9, cost=None)
    engine = object.__new__(ServedEngine)
    engine._encoder = None  # type: ignore[assignment]  # no model here
    engine._abilities = _Able()  # type: ignore[assignment]
    request = GenerateRequest(
        prompt="<think>", max_new_tokens=20, stop=("\n",), thinking=(("<think>", "</think>"),)
    )
    text, reason, thought = engine._read(request, reply)
    assert (text, reason) == ("four.", "stop")
    assert thought is not None
    assert thought.text == "a\n\nb"


class _Able:
    class completions:  # noqa: N801  a field's name
        able = True


# --- faults --------------------------------------------------------------------------------------


def test_a_fault_of_one_item_is_its_failure(
    endpoint: FakeEndpoint, model: ModelServer, tmp_path: Path
) -> None:
    engine = open_served(endpoint, tmp_path)
    usual = model.decide

    def decide(request: dict[str, Any], times: int) -> Answer:
        if request["max_tokens"] == 8:
            return refuses(500, "this prompt breaks me")
        return usual(request, times)

    with serving(decide, look=looks_like("vllm")) as broken:
        there = open_served(broken, tmp_path)
        first, second, third = there.generate(PROMPTS)
        there.close()
    assert isinstance(first, Generation)
    assert isinstance(third, Generation)
    assert isinstance(second, Failure)
    assert "breaks me" in second.message
    engine.close()


def test_a_long_prompt_is_told_as_such(
    endpoint: FakeEndpoint, model: ModelServer, tmp_path: Path
) -> None:
    model.kind = "echo"
    engine = open_served(endpoint, tmp_path)
    (reply,) = engine.generate([GenerateRequest(prompt="a b " * 4000, max_new_tokens=4)])
    assert isinstance(reply, Failure)
    assert reply.kind == "prompt_too_long"
    engine.close()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (refuses(429, "slow down"), "slow down"),
        (refuses(503, "overloaded"), "nor does the server answer anything else"),
        (refuses(401, "who are you"), "API key"),
        (Answer(body=b"<!DOCTYPE html><title>Login</title>"), "HTML page"),
        (Answer(body=b"x" * 65536, endless=True), "longer than"),
    ],
    ids=["rate limit", "overloaded", "key", "html", "endless"],
)
def test_a_lost_server_ends_the_cell_and_what_it_said_is_kept(
    endpoint: FakeEndpoint, model: ModelServer, tmp_path: Path, fault: Answer, words: str
) -> None:
    engine = open_served(endpoint, tmp_path)
    engine.begin("cell")
    done = engine.generate(PROMPTS[:2])
    model.fault = fault
    with pytest.raises(EngineError, match=words):
        engine.generate(PROMPTS)
    model.fault = None
    sent = len(endpoint.requests)
    again = engine.generate(PROMPTS)
    assert again[:2] == done
    assert len(endpoint.requests) == sent + 1
    engine.close()
