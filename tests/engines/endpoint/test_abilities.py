"""What a server can do is what its replies show, never what it lets one ask for."""

from collections.abc import Iterator
from typing import Any

import pytest

from babelbits.bundled import find_bundled_model
from babelbits.engines.endpoint.abilities import Abilities, find_abilities, find_more
from babelbits.engines.endpoint.server import Server
from babelbits.engines.endpoint.settings import EndpointSettings
from babelbits.engines.served import load_tokenizer, make_encoder
from fake_endpoint import Answer, Decide, serving
from model_server import NAME, Kind, ModelServer, looks_like


@pytest.fixture(scope="module")
def model() -> ModelServer:
    return ModelServer(find_bundled_model())


@pytest.fixture(autouse=True)
def reset(model: ModelServer) -> Iterator[None]:
    yield
    model.kind, model.noise, model.flips, model.fault = "vllm", 0.0, 0.0, None


def abilities(decide: Decide, *, encode: Any = None) -> Abilities:
    with serving(decide) as endpoint:
        server = Server(EndpointSettings(url=endpoint.url, model=NAME, attempts=1, timeout=20.0))
        try:
            return find_abilities(server.ask, encode=encode)
        finally:
            server.close()


KINDS: dict[Kind, tuple[bool, str | None, bool | None]] = {
    "vllm": (True, "prompt_logprobs", True),
    "echo": (True, "echo", False),
    "llama-server": (True, None, False),
    "chat": (False, None, False),
}
"""Kind of server to whether it continues text, gives log-likelihoods how, and takes token ids."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_can_do_what_its_kind_can(model: ModelServer, kind: Kind) -> None:
    model.kind = kind
    found = abilities(model.decide, encode=make_encoder(load_tokenizer(find_bundled_model())))
    assert (found.completions.able, found.way, found.token_ids.able) == KINDS[kind]
    assert found.chat.able
    assert found.generates


def test_ignored_parameters_are_told_by_name(model: ModelServer) -> None:
    model.kind = "llama-server"
    why = abilities(model.decide).scoring.why
    assert "`prompt_logprobs` and `echo`: ignored" in why


def _spoiled(model: ModelServer, spoil: Any) -> Decide:
    """A server whose log-probabilities of prompts are spoiled."""
    import json

    def decide(request: dict[str, Any], times: int) -> Answer:
        reply = json.loads(model.decide(request, times).body)
        choice = reply.get("choices", [{}])[0]
        if choice.get("prompt_logprobs"):
            choice["prompt_logprobs"] = spoil(choice["prompt_logprobs"])
        return Answer(body=json.dumps(reply).encode())

    return decide


def _constant(rows: list[Any]) -> list[Any]:
    return [row and {key: {**one, "logprob": -1.0} for key, one in row.items()} for row in rows]


def _shifted(rows: list[Any]) -> list[Any]:
    """Every token with the numbers of the next: an error by one."""
    numbers = [[one["logprob"] for one in row.values()] for row in rows[1:]]
    numbers = [*numbers[1:], numbers[0]]
    moved = [
        {key: {**one, "rank": 2, "logprob": own[0]} for key, one in row.items()}
        for row, own in zip(rows[1:], numbers, strict=True)
    ]
    return [None, *moved]


@pytest.mark.parametrize(
    "spoil",
    [_constant, _shifted, lambda rows: rows[: len(rows) // 2], lambda rows: [None] * len(rows)],
    ids=["constant", "shifted by one", "half of them", "empty"],
)
def test_numbers_that_are_not_the_prompts_are_refused(model: ModelServer, spoil: Any) -> None:
    found = abilities(_spoiled(model, spoil))
    assert found.way is None, found.scoring


def test_ids_of_another_tokenizer_are_refused(model: ModelServer) -> None:
    encode = make_encoder(load_tokenizer(find_bundled_model()))
    assert encode is not None
    moved = abilities(model.decide, encode=lambda text: tuple(i + 1 for i in encode(text)))
    assert moved.token_ids.able is False


def test_more_is_found_out_by_known_answers(model: ModelServer) -> None:
    with serving(model.decide) as endpoint:
        server = Server(EndpointSettings(url=endpoint.url, model=NAME, attempts=1))
        found = find_abilities(server.ask)
        more = find_more(server.ask, found)
        assert {name: one.able for name, one in more.items()} == dict.fromkeys(more, True)
        model.flips = 1.0
        assert find_more(server.ask, found)["deterministic"].able is False
        server.close()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Answer(body=b"<!DOCTYPE html><title>Login</title>"), "HTML page"),
        (Answer(body=b"{", status=500), "HTTP 500"),
        (Answer(body=b"x" * 65536, endless=True), "longer than"),
        (Answer(body=b'{"a": 1}', drip=2.0), "within"),
    ],
    ids=["html", "500", "endless", "slow"],
)
def test_a_server_that_answers_nothing_says_so(fault: Answer, words: str) -> None:
    with serving(lambda *_: fault) as endpoint:
        settings = EndpointSettings(url=endpoint.url, model=NAME, attempts=1, timeout=3.0)
        server = Server(settings)
        found = find_abilities(server.ask)
        server.close()
    assert not found.generates
    assert words in found.chat.why


def test_what_it_says_of_itself_leaves_out_the_time(model: ModelServer) -> None:
    """The time of the request, which vLLM writes into a model's entry."""
    with serving(model.decide, look=looks_like("vllm")) as endpoint:
        server = Server(EndpointSettings(url=endpoint.url, model=NAME))
        first = server.says()
        endpoint.look = looks_like("vllm")
        assert server.says() == first
        assert first["version"] == "0.19.0"
        server.close()
