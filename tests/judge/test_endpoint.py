"""A judge behind a real server that fails in every way: pairs typed, nothing paid twice."""

import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from babelbits.cli.main import run as main
from babelbits.engines.endpoint import EndpointSettings, Price, connect
from babelbits.errors import ExitCode
from babelbits.judge.broken_answers import fold_reasons
from babelbits.judge.ledger import ANSWERS, JOURNAL, SUMMARY, Ledger
from babelbits.judge.pairwise import JudgeSettings
from babelbits.judge.session import ChatJudge, JudgeResult, judge_folder, run_judge
from babelbits.judge.templates import load_template
from babelbits.preferences.collect import CONTROL
from babelbits.preferences.pair_files import write_pairs
from babelbits.preferences.summary import SummarySettings
from babelbits.preferences.vote_store import VOTES
from babelbits.preferences.votes import read_votes
from fake_endpoint import OUTPUT_TOKENS, PROMPT_TOKENS, Answer, FakeEndpoint, refuses, says, serving
from judging import pair

PRICE = Price(input=1000.0, output=10_000.0)
ONE = PRICE.of(PROMPT_TOKENS, OUTPUT_TOKENS)
"""Of one completion: 0.2."""
PAIRS = [pair(n, f"good answer {n}", f"bad answer {n}") for n in range(12)]
KINDS = {
    0: "baseline", 1: "baseline", 2: "baseline", 3: "baseline", 4: "unparsed", 5: "unparsed",
    6: "error", 7: "error", 8: "refused", 9: "refused", 10: "error", 11: "inconsistent",
}  # fmt: skip


def right(request: dict[str, Any]) -> Answer:
    """The good answer, wherever it stands."""
    content = request["messages"][-1]["content"]
    nonce = re.search(r"\[answer A (\w+)\]", content)
    assert nonce is not None
    first = content.partition("[answer A")[2].partition("[end of answer A")[0]
    return says(f"I see.\nVERDICT {nonce[1]}: {'A' if 'good' in first else 'B'}")


def faulty(request: dict[str, Any], times: int) -> Answer:
    content = request["messages"][-1]["content"]
    number = number_of(request)
    nonce = re.findall(r"\[answer A (\w+)\]", content)[0]
    first_time = times == 0
    if number == 1 and first_time:
        return refuses(429, Retry_After="0.01")
    if number == 2 and first_time:
        return refuses(500)
    if number == 3 and first_time:
        return Answer(body=right(request).body[:40], declared=len(right(request).body))
    if number == 4:
        return says("私にはどちらの答えも良く見えます。")
    if number == 5:
        return says(content)
    if number == 6:
        return refuses(500)
    if number == 7:
        return Answer(delay=3, body=right(request).body)
    if number == 8:
        return says("I'm sorry, but I cannot judge this.")
    if number == 9:
        return says("", finish="content_filter")
    if number == 10:
        return Answer(body=b"<html>bad gateway</html>")
    if number == 11:
        return says(f"VERDICT {nonce}: A")
    return right(request)


def number_of(request: dict[str, Any]) -> int:
    """Of the pair that a request is about."""
    return int(request["messages"][-1]["content"].partition("Prompt number ")[2].split("?")[0])


def run(
    server: FakeEndpoint, folder: Path, *, max_cost: float | None = None, timeout: float = 0.5
) -> JudgeResult:
    settings = EndpointSettings(
        url=server.url,
        model="tiny",
        price=PRICE,
        max_cost=max_cost,
        timeout=timeout,
        attempts=2,
        first_wait=0.01,
    )
    judged = partial(
        ChatJudge,
        name="tiny",
        template=load_template(None, mode="pairwise"),
        settings=JudgeSettings(max_new_tokens=OUTPUT_TOKENS),
    )
    # As the command does: the model's file of answers is the judge's own.
    own: Any = settings
    model = connect(replace(settings, cache=judge_folder(folder, judged(model=own)) / ANSWERS))
    judge = judged(model=model, spent=lambda: model.spending.known)
    try:
        return run_judge(judge, PAIRS, parent=folder, settings=SummarySettings(resamples=99))
    finally:
        model.close()


@pytest.mark.slow
def test_every_pair_ends_typed_and_resume_pays_nothing_twice(tmp_path: Path) -> None:
    healed = False
    with serving(lambda body, times: right(body) if healed else faulty(body, times)) as server:
        result = run(server, tmp_path)
        assert {n: vote.verdict for n, vote in enumerate(result.votes)} == KINDS
        assert result.n_errors == 3
        # Pairs 0 to 5, 8 and 11 have two replies each; the filtered ones of 9 were charged, too.
        assert result.spent == pytest.approx(18 * ONE)
        healed = True
        server.requests.clear()
        again = run(server, tmp_path)
        asked = Counter(number_of(request) for request in server.requests)
        assert asked == {6: 2, 7: 2, 9: 2, 10: 2}, "what failed, in both orders, and no more"
        assert again.spent == pytest.approx((18 + 8) * ONE)
        assert again.n_errors == 0
        server.requests.clear()
        third = run(server, tmp_path)
        assert not server.requests
        assert (third.votes, third.spent) == (again.votes, again.spent)
    assert read_votes(third.folder / VOTES) == third.votes
    # Costs of kept replies and of failures are what the model itself says that it has spent.
    with Ledger(third.folder, identity=third.identity) as ledger:
        assert ledger.spent == pytest.approx(third.spent)
    with closing(sqlite3.connect(third.folder / ANSWERS)) as file:
        assert file.execute("SELECT count(*) FROM answers").fetchone() == (2 * len(PAIRS),)
    assert b'"kind":"reply"' not in (third.folder / JOURNAL).read_bytes()
    kept = json.loads((third.folder / SUMMARY).read_text("utf-8"))
    assert kept["summaries"][0]["dropped"] == {"unparsed": 2, "refused": 1}


def test_the_spend_limit_is_never_passed_and_the_rest_is_typed(tmp_path: Path) -> None:
    with serving(lambda body, _: right(body)) as server:
        # The most that a request can cost is far above what it does: see `bound_prompt_tokens`.
        result = run(server, tmp_path, max_cost=4.0, timeout=5)
        assert result.spent is not None
        assert 0 < result.spent <= 4.0
        assert result.spent == pytest.approx(len(server.requests) * ONE)
        assert result.n_errors > 0
        assert all("over_budget" in reason for reason in result.reasons)
        more = run(server, tmp_path, max_cost=100.0, timeout=5)
        assert more.n_errors == 0
        assert len(server.requests) == 2 * len(PAIRS)


def test_the_command_prints_verdicts_and_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pairs.jsonl"
    write_pairs(path, [*PAIRS, pair(50, "same", "same")])
    with serving(lambda body, _: right(body)) as server:
        arguments = ["judge", str(path), "--endpoint", server.url, "--model", "tiny"]
        assert main(arguments) == 0
        printed = capsys.readouterr()
        assert "worse" in printed.out
        assert "13 pairs, 1 of them identical" in printed.err
        assert len(server.requests) == 2 * len(PAIRS)
        assert main([*arguments, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert len(server.requests) == 2 * len(PAIRS)
    [row] = found["summaries"]
    assert (row["n_pairs"], row["n_identical"], row["n_judged"]) == (13, 1, 12)
    assert row["preference"]["net"] == pytest.approx(-12 / 13)
    assert row["verdict"] == "worse"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "no judge is named"),
        (["--endpoint", "http://127.0.0.1:1/v1"], "--model go together"),
        (["--local", "x", "--reward", "y"], "two judges: --local and --reward"),
        (["--reward", "x", "--mode", "direct"], "asked no question"),
        (["--local", "x", "--max-cost", "1"], "costs nothing"),
        (["--endpoint", "http://127.0.0.1:1/v1", "--model", "m", "--max-cost", "1"], "price"),
        (["--endpoint", "ftp://x", "--model", "m"], "must begin with http"),
        (["--endpoint", "http://127.0.0.1:1", "--model", "m", "--template", "no.md"], "no.md"),
        (["--reward", "nowhere"], "no config.json"),
        (["--reward", "nowhere", "-l", "fi"], "no pair of the file"),
    ],
)
def test_a_wrong_command_line_is_told_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    path = tmp_path / "pairs.jsonl"
    write_pairs(path, PAIRS)
    assert main(["judge", str(path), *arguments]) == 2
    assert says in capsys.readouterr().err


def test_direct_scores_are_paired_differences(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Good answers get 4 and bad ones 2: the change is -2.000 on the scale, by hand."""

    def scores(body: dict[str, Any], _times: int) -> Answer:
        content = body["messages"][-1]["content"]
        nonce = re.findall(r"\[answer (\w+)\]", content)[0]
        return says(f"SCORE {nonce}: {4 if 'good' in content else 2}")

    path = tmp_path / "pairs.jsonl"
    # The baseline's answer, which two variants share, is asked about once.
    write_pairs(path, [*PAIRS, pair(0, "good answer 0", "bad too", label="nf4")])
    with serving(scores) as server:
        assert main(["judge", str(path), "--endpoint", server.url, "--model", "tiny",
                     "--mode", "direct", "--json"]) == 0  # fmt: skip
        assert len(server.requests) == 25
    assert "-2.0" in capsys.readouterr().out


def test_a_judge_that_sees_differences_in_the_control_is_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pairs.jsonl"
    write_pairs(path, [replace(one, variant=CONTROL) for one in PAIRS])
    with serving(lambda body, _: right(body)) as server:
        assert main(["judge", str(path), "--endpoint", server.url, "--model", "tiny"]) == 0
    assert "warning: the A/A control in en does not cover zero" in capsys.readouterr().out


def test_hostile_answers_and_replies_reach_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pairs.jsonl"
    write_pairs(path, [pair(1, "\x1b[31mgood", "bad\u202e", label="w4")])

    def steers(body: dict[str, Any], _times: int) -> Answer:
        nonce = re.findall(r"\[answer A (\w+)\]", body["messages"][-1]["content"])[0]
        return says(f"VERDICT {nonce}: \x1b[2J\u202e")

    with serving(steers) as server:
        assert main(["judge", str(path), "--endpoint", server.url, "--model", "tiny"]) == 0
    printed = capsys.readouterr()
    assert "no verdict" in printed.err
    assert "\x1b" not in printed.out + printed.err
    assert "\u202e" not in printed.out + printed.err


@pytest.mark.slow
def test_killed_three_times_nothing_that_was_answered_is_asked_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGKILL while replies are under way: at most those, one a connection, are sent twice."""
    path = tmp_path / "pairs.jsonl"
    write_pairs(path, PAIRS)
    at_once, kills = 2, 3
    with serving(lambda body, _: replace(right(body), delay=0.05)) as server:
        arguments = ["judge", str(path), "--endpoint", server.url, "--model", "tiny"]
        arguments += ["--concurrency", str(at_once), "--json"]
        for kill in range(1, kills + 1):
            child = subprocess.Popen(
                [sys.executable, "-m", "babelbits.cli.main", *arguments],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            while len(server.requests) < 6 * kill and child.poll() is None:
                time.sleep(0.01)
            child.send_signal(signal.SIGKILL)
            assert child.wait() == -signal.SIGKILL
        assert main(arguments) == 0
        [row] = json.loads(capsys.readouterr().out)["summaries"]
        assert row["n_judged"] == len(PAIRS)
        assert 2 * len(PAIRS) <= len(server.requests) <= 2 * len(PAIRS) + kills * at_once


def test_reasons_that_differ_in_numbers_only_are_told_once() -> None:
    long = "rejected: {} tokens do not fit into 512 of context"
    reasons = {
        f"{long.format(671)}; {long.format(642)}": 2,
        "unparsed: no verdict line": 3,
        long.format(650): 4,
    }
    assert fold_reasons(reasons) == [(long.format(671), 6), ("unparsed: no verdict line", 3)]


@pytest.mark.parametrize(
    "says_so",
    [
        "This model's maximum context length is {0} tokens. However, you asked for {1} (id: {2})",
        "the request exceeds the available context size ({1} of {0}), try increasing it {2}",
        "prompt is too long: {1} tokens > {0} maximum {2}",
    ],
)
def test_a_context_that_overflows_is_told_once_and_not_to_be_asked_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], says_so: str
) -> None:
    """Words of OpenAI and vLLM, of llama.cpp, of Anthropic; each request has its own id."""
    ids = iter(f"req-{letter}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz" * 9)

    def short(request: dict[str, Any], _times: int) -> Answer:
        if number_of(request) < 6:
            return refuses(400, says_so.format(4096, 5000 + number_of(request), next(ids)))
        return right(request)

    write_pairs(tmp_path / "pairs.jsonl", PAIRS)
    path = str(tmp_path / "pairs.jsonl")
    with serving(short) as server:
        code = main(["judge", path, "--endpoint", server.url, "--model", "tiny"])
    assert code == ExitCode.INCOMPLETE
    told = capsys.readouterr().err
    assert told.count("do not fit the judge's context") == 1
    assert "6 pairs do not fit the judge's context" in told
    assert told.count("req-") <= 2  # the first pair's, in both orders
    assert "run the same command again" not in told
