"""Studies with served variants, from plan to rows: a real model behind a server on this machine."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from babelbits import load_study, plan
from babelbits.bundled import find_bundled_model
from babelbits.cli.main import run as babelbits
from babelbits.errors import ExitCode, StudyError
from babelbits.results.load import load_run
from babelbits.store import Store
from fake_endpoint import Answer, FakeEndpoint, refuses, serving
from model_server import NAME, ModelServer, looks_like

STUDY = """\
[study]
folder = "run"

[model]
{model}

[[variants]]
name = "server"
endpoint = {{ url = "{url}", model = "{name}", attempts = 2, timeout = 60{more} }}

[[tasks]]
suite = "{suite}"
languages = ["en"]

[limits]
items = 6

[engine]
device = "cpu"
batch_items = 4
"""


@pytest.fixture(scope="module")
def served_model() -> ModelServer:
    return ModelServer(find_bundled_model())


@pytest.fixture
def endpoint(served_model: ModelServer) -> Iterator[FakeEndpoint]:
    with serving(served_model.decide, look=looks_like("vllm")) as running:
        yield running
    served_model.kind, served_model.fault, served_model.starts = "vllm", None, True


def write(
    folder: Path,
    url: str,
    *,
    suite: str = "math",
    name: str = NAME,
    more: str = "",
    model: str = 'path = "bundled"',
) -> Path:
    file = folder / "study.toml"
    text = STUDY.format(url=url, suite=suite, name=name, more=more, model=model.format(url=url))
    file.write_text(text, "utf-8")
    return file


def rows(folder: Path) -> dict[tuple[str, int], list[Any]]:
    """Output and scores of all finished cells by variant and replicate."""
    return {
        (meta.variant, meta.replicate): [(row.output, dict(row.scores)) for row in found]
        for meta, found in Store(folder / "run", smoke=True).cells()
    }


def test_a_served_variant_runs_beside_the_baseline_and_gives_its_numbers(
    endpoint: FakeEndpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, endpoint.url)
    assert babelbits(["run", str(file), "--no-report"]) == ExitCode.DONE
    found = rows(tmp_path)
    assert found["server", 0] == found["server", 1] == found["baseline", 0]
    assert "cannot be verified" in capsys.readouterr().err
    report = load_run(tmp_path / "run", smoke=True)
    assert {one.meta.variant for one in report.again} == {"server"}
    assert not [one for one in report.analysis.problems if "twice" in one.message]
    sent = len(endpoint.requests)
    assert babelbits(["run", str(file), "--no-report"]) == ExitCode.DONE
    assert len(endpoint.requests) == sent  # all is recorded: nothing is asked


def test_a_server_that_becomes_another_ends_its_cell(
    endpoint: FakeEndpoint,
    served_model: ModelServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    usual, asked = served_model.decide, [0]
    other = ModelServer(find_bundled_model())
    other.change(0.3)

    def decide(request: dict[str, Any], times: int) -> Answer:
        asked[0] += request["max_tokens"] == 12  # the study's own requests
        return (usual if asked[0] < 4 else other.decide)(request, times)

    with serving(decide, look=looks_like("vllm")) as changing:
        file = write(tmp_path, changing.url)
        assert babelbits(["run", str(file), "--no-report"]) == ExitCode.INCOMPLETE
        told = capsys.readouterr().err
        assert "served model changed" in told
        before = rows(tmp_path)
        assert ("server", 0) not in before
        aside = list((tmp_path / "run" / "smoke" / "set-aside").iterdir())
        assert len(aside) == 1
        # What it runs now is measured by the next run, all of it by the other model.
        assert babelbits(["run", str(file), "--no-report"]) == ExitCode.DONE
        now = rows(tmp_path)
        assert now["server", 0] == now["server", 1]
        assert now["server", 0] != now["baseline", 0]


def test_a_former_server_that_is_back_is_known(
    endpoint: FakeEndpoint, served_model: ModelServer, tmp_path: Path
) -> None:
    from babelbits.engines.endpoint.settings import EndpointSettings, ServedBy
    from babelbits.study.execution.server_meeting import prepare_served

    by = ServedBy(endpoint=EndpointSettings(url=endpoint.url, model=NAME, attempts=1))
    first = prepare_served(by, tmp_path / "id")
    assert prepare_served(by, tmp_path / "id") == first
    endpoint.look = looks_like("llama-server")
    served_model.kind = "llama-server"
    endpoint.look = _says_version("9")
    second = prepare_served(by, tmp_path / "id")
    assert second != first
    served_model.kind = "vllm"
    endpoint.look = looks_like("vllm")
    assert prepare_served(by, tmp_path / "id") == first


def _says_version(version: str) -> Any:
    from fake_endpoint import lists

    return lists(NAME, version={"version": version})


def test_choices_are_refused_before_the_run_with_the_reason(
    endpoint: FakeEndpoint,
    served_model: ModelServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    served_model.kind = "llama-server"
    file = write(tmp_path, endpoint.url, suite="pairs")
    assert babelbits(["plan", str(file)]) == ExitCode.DONE
    assert "log-likelihoods, and the server gives none" in capsys.readouterr().out
    assert babelbits(["run", str(file)]) == ExitCode.USAGE
    assert "`prompt_logprobs` and `echo`: ignored" in capsys.readouterr().err
    assert not (tmp_path / "run" / "smoke" / "cells").exists()


def test_the_plan_says_what_it_costs(
    endpoint: FakeEndpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ", price = { input = 1.0, output = 2.0 }, max_cost = 5"
    file = write(tmp_path, endpoint.url, more=more)
    assert babelbits(["plan", str(file)]) == ExitCode.DONE
    told = capsys.readouterr().out
    # 6 items and the A/A cell's 6, at most 12 tokens each: 12 requests, 144 tokens of answers.
    assert "about 12 requests" in told
    assert "at most 144 tokens of answers" in told
    assert "(limit 5)" in told
    assert "not verifiable" in told


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Answer(body=b"<!DOCTYPE html><title>Login</title>"), "an HTML page"),
        (refuses(404, "The model `x` does not exist."), "does not exist"),
        (refuses(429, "slow down", Retry_After="999"), "slow down"),
    ],
    ids=["html", "no such model", "rate limit"],
)
def test_a_server_that_is_no_use_is_told_before_the_run(
    endpoint: FakeEndpoint,
    served_model: ModelServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    fault: Answer,
    words: str,
) -> None:
    served_model.fault = fault
    file = write(tmp_path, endpoint.url)
    assert babelbits(["run", str(file)]) == ExitCode.INCOMPLETE
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run" / "smoke" / "cells").exists()


def test_a_model_that_is_not_listed_is_named_with_its_neighbour(
    endpoint: FakeEndpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, endpoint.url, name="tinny")
    assert babelbits(["run", str(file)]) == ExitCode.INCOMPLETE
    told = capsys.readouterr().err
    assert "no model 'tinny'" in told
    assert "'tiny'" in told


def test_a_key_that_is_named_must_be_set(
    endpoint: FakeEndpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, endpoint.url, more=', key_env = "BABELBITS_NO_SUCH_KEY"')
    assert babelbits(["run", str(file)]) == ExitCode.USAGE
    assert "environment variable BABELBITS_NO_SUCH_KEY" in capsys.readouterr().err


def test_servers_elsewhere_need_a_word_when_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    file = write(tmp_path, "http://192.0.2.1/v1")
    assert babelbits(["run", str(file)]) == ExitCode.USAGE
    assert "--allow-network" in capsys.readouterr().err


def test_a_study_may_have_a_model_that_only_a_server_has(
    endpoint: FakeEndpoint,
    served_model: ModelServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = 'endpoint = {{ url = "{url}", model = "tiny", label = "first" }}'
    file = write(tmp_path, endpoint.url, suite="pairs", model=model)
    # Without a tokenizer nothing can be put before a text; this server puts nothing there either.
    served_model.starts = False
    assert babelbits(["run", str(file), "--no-report"]) == ExitCode.USAGE
    assert "log-likelihood of their first token" in capsys.readouterr().err
    served_model.starts = True
    assert babelbits(["run", str(file), "--no-report"]) == ExitCode.DONE
    found = rows(tmp_path)
    assert found["baseline", 0] == found["baseline", 1] == found["server", 0]
    assert len(found["baseline", 0]) == 6
    assert all(scores["acc"] is not None for _, scores in found["baseline", 0])


def test_what_needs_the_models_files_is_refused_without_them(tmp_path: Path) -> None:
    model = 'endpoint = {{ url = "{url}", model = "tiny" }}\n[[variants]]\nrecipe = "w4-rtn"'
    file = write(tmp_path, "http://127.0.0.1:9/v1", model=model)
    with pytest.raises(StudyError, match="w4-rtn cannot be made or run: only a server"):
        load_study(file)


def test_an_endpoint_is_part_of_what_a_variant_is_and_its_speed_is_not(tmp_path: Path) -> None:
    url = "http://127.0.0.1:9/v1"

    def id_of(**more: Any) -> str:
        made = plan(load_study(write(tmp_path, url, **more)))
        return made.variants[1].variant_id

    usual = id_of()
    assert id_of(more=", concurrency = 9") == usual
    assert id_of(name="other") != usual
    assert (
        id_of(more=', extra = {{ reasoning_effort = "low" }}'.replace("{{", "{").replace("}}", "}"))
        != usual
    )


def test_serve_check_says_that_nobody_could_be_asked_for_models(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing listens on port 9 (discard) of this machine: there is no list, not an empty one."""
    assert babelbits(["serve-check", "http://127.0.0.1:9/v1"]) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert "http://127.0.0.1:9/v1: no list of models could be had here" in told
    assert "name one: --model NAME; does the URL end with /v1, and does the server run?" in told


def test_serve_check_says_it_as_json(
    endpoint: FakeEndpoint, served_model: ModelServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert babelbits(["serve-check", endpoint.url, "--tokenizer", "bundled", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["model"], told["log_likelihood_by"]) == (NAME, "prompt_logprobs")
    assert all(one["able"] for one in told["abilities"])
    served_model.fault = refuses(500)
    assert babelbits(["serve-check", endpoint.url, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["usable"] is False
