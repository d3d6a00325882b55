"""A served model is known again through noise, and another one is not taken for it.

A false alarm is as bad as a missed change; both are asked with known truth. The noise of a server
that adds up batches in another order is taken as 0.005 nats (bfloat16, see `likeness.SMALLEST`).
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from babelbits.bundled import find_bundled_model
from babelbits.engines.endpoint.abilities import Ability, find_abilities
from babelbits.engines.endpoint.likeness import (
    ProbeAnswer,
    ServerRecord,
    find_change,
    is_like,
    meet,
    read_record,
)
from babelbits.engines.endpoint.server import Server
from babelbits.engines.endpoint.settings import EndpointSettings
from babelbits.errors import EngineError, StoreError
from fake_endpoint import FakeEndpoint, lists, refuses, serving
from model_server import NAME, ModelServer, looks_like

Met = tuple[ModelServer, Server, FakeEndpoint, ServerRecord]


@pytest.fixture
def met() -> Iterator[Met]:
    """A server that was met, and the model behind it, which a test may change."""
    model = ModelServer(find_bundled_model())
    with serving(model.decide, look=looks_like("vllm")) as endpoint:
        server = Server(EndpointSettings(url=endpoint.url, model=NAME, attempts=1))
        abilities = find_abilities(server.ask)
        yield model, server, endpoint, meet(server.ask, says=server.says(), abilities=abilities)
        server.close()


def without_logprobs(record: ServerRecord) -> ServerRecord:
    """The same server, if it gave no log-probabilities."""
    none = replace(record.abilities, logprobs=Ability(able=False, why=""))
    bare = [tuple(replace(a, tokens=(), logprobs=()) for a in one) for one in record.answers]
    return replace(record, abilities=none, answers=tuple(bare))


def change(server: Server, record: ServerRecord) -> str | None:
    return find_change(server.ask, record, says=server.says())


def test_the_same_server_is_known_again_through_noise(met: Met) -> None:
    model, server, _, record = met
    assert change(server, record) is None
    model.noise = 0.005
    assert change(server, record) is None
    assert change(server, without_logprobs(record)) is None
    model.flips = 0.15
    for _ in range(4):
        assert change(server, record) is None
        assert change(server, without_logprobs(record)) is None


def test_a_server_that_is_noisy_from_the_start_is_known_again(met: Met) -> None:
    model, server, _, record = met
    model.noise, model.flips = 0.02, 0.3
    noisy = meet(server.ask, says=server.says(), abilities=record.abilities)
    for _ in range(4):
        assert change(server, noisy) is None


def test_another_quantization_of_the_model_is_a_change(met: Met) -> None:
    model, server, _, record = met
    model.change(0.05)
    told = change(server, record)
    assert told is not None
    assert "nats off" in told


def test_without_log_probabilities_other_texts_are_a_change(met: Met) -> None:
    model, server, _, record = met
    model.change(0.15)
    told = change(server, without_logprobs(record))
    assert told is not None
    assert "fixed prompts otherwise" in told


def test_what_it_says_otherwise_of_itself_is_a_change(met: Met) -> None:
    _, server, endpoint, record = met
    endpoint.look = lists(NAME, version={"version": "0.20.0"})
    assert "'0.19.0' before, '0.20.0' now" in str(change(server, record))
    endpoint.look = lambda _path: refuses(503)  # it says nothing now: nothing else, either
    assert change(server, record) is None


def test_one_of_several_known_fingerprints_is_enough(met: Met) -> None:
    """Hosted services answer from several machines with a `system_fingerprint` each."""
    model, server, _, record = met
    model.kind = "llama-server"  # it gives 'b1234-abcdef'
    assert change(server, replace(record, fingerprints=("a", "b1234-abcdef"))) is None
    assert "fingerprint" in str(change(server, replace(record, fingerprints=("a", "b"))))


def test_a_server_that_does_not_answer_has_not_changed(met: Met) -> None:
    model, server, _, record = met
    model.fault = refuses(400)
    with pytest.raises(EngineError, match="does not answer a fixed prompt"):
        change(server, record)


def test_an_answer_is_like_those_that_differ_where_they_do() -> None:
    def said(text: str) -> ProbeAnswer:
        return ProbeAnswer(text=text, tokens=(), logprobs=())

    known = [said("one two three"), said("one two four")]
    assert is_like(said("one two five"), known)
    assert not is_like(said("one six"), known)
    assert not is_like(said("one two three and"), [known[0], known[0]])


def test_a_record_is_read_as_it_was_written(met: Met) -> None:
    record = met[3]
    assert read_record(record.as_bytes(), where="x").as_bytes() == record.as_bytes()
    with pytest.raises(StoreError, match="damaged"):
        read_record(b"{}", where="x")
