"""`babelbits translate` from end to end, against an endpoint that really translates."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from babelbits.cli.main import run
from babelbits.errors import ExitCode
from babelbits.recipes.calibration import read_file
from babelbits.tasks.jsonl_task import find_language
from fake_endpoint import Answer, refuses, says, serving
from interpreter import EN, NB, translate


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def write_questions(path: Path, n: int = 6) -> list[dict[str, Any]]:
    """Questions in the layout of MixEval, whose texts the endpoint knows."""
    rows = [
        {
            "id": f"q{number}",
            "problem_type": "multiple-choice",
            "context": EN[number],
            "prompt": "What is this?",
            "options": ["House", "Boat", "Tree"],
            "target": [number % 3],
            "benchmark_name": "BoolQ",
        }
        for number in range(n)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return rows


def command(source: Path, url: str, out: Path, *more: str) -> list[str]:
    usual = ["--to", "no", "--endpoint", url, "--model", "tiny", "-o", str(out)]
    return ["translate", str(source), *usual, *more]


def test_a_benchmark_comes_out_as_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = write_questions(tmp_path / "mc.jsonl")
    out = tmp_path / "data" / "mixeval" / "multiple-choice"
    with serving(translate) as server:
        assert run(command(tmp_path / "mc.jsonl", server.url, out)) == ExitCode.DONE
        asked = len(server.requests)
        assert asked == 12, "a translation and a back-translation each"
        stdout, stderr = capsys.readouterr()
        assert stdout.strip() == str(out / "nb.jsonl")
        assert "6 of 6 units passed every check" in stderr
        first = (out / "nb.jsonl").read_bytes()
        assert run(command(tmp_path / "mc.jsonl", server.url, out)) == ExitCode.DONE
        assert len(server.requests) == asked, "the second run asks nothing"
        assert (out / "nb.jsonl").read_bytes() == first
    made = rows_of(out / "nb.jsonl")
    for number, (source, row) in enumerate(zip(rows, made, strict=True)):
        assert row["context"] == NB[number]
        assert row["prompt"] == "Hva er dette?"
        assert row["options"] == ["Hus", "Båt", "Tre"]
        assert {name: row[name] for name in ("id", "target", "benchmark_name")} == {
            name: source[name] for name in ("id", "target", "benchmark_name")
        }
        origin = row["translation"]
        assert (origin["from"], origin["to"], origin["attempts"]) == ("en", "nb", 1)
        assert origin["model"]["model"] == "tiny"
        assert origin["back_translation_chrf"] == 100.0
        assert set(origin) >= {"prompt", "source_hash", "at", "checks"}
    assert rows_of(out / "nb.translation" / "failed.jsonl") == []


def test_mixeval_reads_what_came_out(tmp_path: Path) -> None:
    from babelbits.tasks.mixeval.rows import read_release

    write_questions(tmp_path / "mc.jsonl", 3)
    out = tmp_path / "data" / "mixeval" / "multiple-choice"
    with serving(translate) as server:
        run(command(tmp_path / "mc.jsonl", server.url, out))
    release = read_release("mixeval", "nb", tmp_path / "data")
    assert [row["source_id"] for _, row in release.rows] == ["q0", "q1", "q2"]


def test_a_calibration_text_comes_out_as_calibration_text(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("\n\n".join(EN[:5]) + "\n", "utf-8")
    with serving(translate) as server:
        code = run(command(tmp_path / "text.txt", server.url, tmp_path / "out"))
    assert code == ExitCode.DONE
    assert read_file(tmp_path / "out" / "nb.txt") == NB[:5]
    origins = rows_of(tmp_path / "out" / "nb.translation" / "provenance.jsonl")
    assert len(origins) == 5


FAULTS: dict[str, tuple[str, str]] = {
    # what the endpoint answers in place of a translation, and the check that finds it
    "meta": (f"Here is the translation:\n{NB[0]}", "meta"),
    "refusal": ("I'm sorry, but I can't help with that.", "meta"),
    "identical": (EN[0], "identical"),
    "wrong language": (
        "Das ist ein ganz anderer Satz auf Deutsch, der hier nicht stehen soll.",
        "language",
    ),
    "another text": (NB[7], "back_translation"),
    "empty": ("", "empty"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_fails_is_asked_once_more_and_then_listed(
    fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong, check = FAULTS[fault]

    def decide(request: dict[str, Any], times: int) -> Answer:
        mine = request["messages"][1]["content"] == EN[0]
        return says(wrong) if mine else translate(request, times)

    (tmp_path / "text.txt").write_text("\n\n".join(EN[:3]), "utf-8")
    with serving(decide) as server:
        code = run(command(tmp_path / "text.txt", server.url, tmp_path / "out"))
        tries = [r for r in server.requests if r["messages"][1]["content"] == EN[0]]
    assert code == ExitCode.INCOMPLETE
    assert len(tries) == 2
    assert "cannot be used" in tries[1]["messages"][3]["content"]
    (failed,) = rows_of(tmp_path / "out" / "nb.translation" / "failed.jsonl")
    assert failed["id"] == "#1"
    assert {finding["check"] for finding in failed["findings"]} >= {check}
    assert read_file(tmp_path / "out" / "nb.txt") == NB[1:3], "what failed is not in the data"
    assert "1 failed" in capsys.readouterr().err


def test_a_second_attempt_that_is_right_passes(tmp_path: Path) -> None:
    def decide(request: dict[str, Any], times: int) -> Answer:
        first = request["messages"][-1]["content"] == EN[0]
        return says("Translation: " + NB[0]) if first else translate(request, times)

    (tmp_path / "text.txt").write_text("\n\n".join(EN[:2]), "utf-8")
    with serving(decide) as server:
        code = run(command(tmp_path / "text.txt", server.url, tmp_path / "out", "--json"))
    assert code == ExitCode.DONE
    summary = json.loads((tmp_path / "out" / "nb.translation" / "summary.json").read_text())
    assert (summary["passed"], summary["passed_second_time"]) == (2, 1)


def test_endpoint_errors_lose_nothing_and_the_same_command_goes_on(tmp_path: Path) -> None:
    broken = [True]

    def decide(request: dict[str, Any], times: int) -> Answer:
        lost = broken[0] and EN[1] in request["messages"][1]["content"]
        return refuses(400, "today not") if lost else translate(request, times)

    (tmp_path / "text.txt").write_text("\n\n".join(EN[:3]), "utf-8")
    with serving(decide) as server:
        again = command(tmp_path / "text.txt", server.url, tmp_path / "out")
        assert run(again) == ExitCode.INCOMPLETE
        asked = len(server.requests)
        (failed,) = rows_of(tmp_path / "out" / "nb.translation" / "failed.jsonl")
        assert (failed["failure"], "today not" in failed["message"]) == ("rejected", True)
        broken[0] = False
        assert run(again) == ExitCode.DONE
        assert len(server.requests) == asked + 2, "only what had no answer, and its way back"
    assert read_file(tmp_path / "out" / "nb.txt") == NB[:3]


@pytest.mark.slow
def test_after_sigkill_the_same_command_pays_nothing_twice(tmp_path: Path) -> None:
    def slow(request: dict[str, Any], times: int) -> Answer:
        time.sleep(0.02)
        return translate(request, times)

    (tmp_path / "text.txt").write_text("\n\n".join(EN[:60]), "utf-8")
    kills = 2
    with serving(slow) as server:
        again = command(tmp_path / "text.txt", server.url, tmp_path / "out", "--concurrency", "2")
        start = [sys.executable, "-m", "babelbits.cli.main", *again]
        for kill in range(kills):
            child = subprocess.Popen(start, stderr=subprocess.DEVNULL)
            while len(server.requests) < 30 * (kill + 1) and child.poll() is None:
                time.sleep(0.02)
            child.send_signal(signal.SIGKILL)
            assert child.wait() == -signal.SIGKILL
        assert run(again) == ExitCode.DONE
        assert len(server.requests) <= 120 + kills * 2
    assert read_file(tmp_path / "out" / "nb.txt") == NB[:60]


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_paid_and_says_how_to_go_on(tmp_path: Path) -> None:
    def slow(request: dict[str, Any], times: int) -> Answer:
        time.sleep(0.05)
        return translate(request, times)

    (tmp_path / "text.txt").write_text("\n\n".join(EN[:40]), "utf-8")
    with serving(slow) as server:
        again = command(tmp_path / "text.txt", server.url, tmp_path / "out", "--concurrency", "2")
        start = [sys.executable, "-m", "babelbits.cli.main", *again]
        child = subprocess.Popen(start, stderr=subprocess.PIPE, text=True)
        while len(server.requests) < 10 and child.poll() is None:
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        talk = child.communicate()[1]
        assert child.returncode == ExitCode.INTERRUPTED, talk
        assert "go on with: babelbits translate" in talk
        assert run(again) == ExitCode.DONE
        assert len(server.requests) == 80, "what was under way is kept too"


def test_a_trial_of_the_first_rows_is_never_taken_for_the_whole(tmp_path: Path) -> None:
    write_questions(tmp_path / "mc.jsonl")
    out = tmp_path / "out"
    with serving(translate) as server:
        whole = command(tmp_path / "mc.jsonl", server.url, out)
        assert run([*whole, "--limit", "2"]) == ExitCode.DONE
        assert not (out / "nb.jsonl").exists()
        assert len(rows_of(out / "nb.first-2.jsonl")) == 2
        assert find_language(out / "nb.first-2.jsonl") is None, "no folder of data takes it for one"
        assert run(whole) == ExitCode.DONE
        assert len(server.requests) == 12, "the trial's answers are used"
    assert len(rows_of(out / "nb.jsonl")) == 6


def test_the_estimate_is_said_and_held_against_the_limit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_questions(tmp_path / "mc.jsonl")
    with serving(translate) as server:
        priced = command(tmp_path / "mc.jsonl", server.url, tmp_path / "out", "--price", "3", "15")
        assert run([*priced, "--estimate", "--json"]) == ExitCode.DONE
        about = json.loads(capsys.readouterr().out)
        assert (about["units"], about["requests"]) == (6, 12)
        assert run([*priced, "--max-cost", "0.001"]) == ExitCode.USAGE
        assert "--max-cost" in capsys.readouterr().err
        assert not server.requests, "nothing is sent"
        assert run([*priced, "--max-cost", "1"]) == ExitCode.DONE
        assert "spent so far: 0.0054" in capsys.readouterr().err  # 12 x (100 x 3 + 10 x 15) / 1e6


@pytest.mark.slow
def test_a_tiny_local_model_translates_badly_and_every_row_is_marked(tmp_path: Path) -> None:
    """The bundled model follows no instructions; nothing of it may pass for a translation."""
    (tmp_path / "text.txt").write_text("\n\n".join(EN[:4]), "utf-8")
    arguments = ["translate", str(tmp_path / "text.txt"), "--to", "nb", "--local", "bundled"]
    assert run([*arguments, "-o", str(tmp_path / "out")]) == ExitCode.INCOMPLETE
    failed = rows_of(tmp_path / "out" / "nb.translation" / "failed.jsonl")
    assert len(failed) == 4
    assert (tmp_path / "out" / "nb.txt").read_bytes() == b""


# --- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--local", "m", "-o", "out"], "--to"),
        (["--to", "nb", "--local", "m"], "--output"),
        (["--to", "nb", "-o", "out"], "--local"),
        (["--to", "nb", "-o", "out", "--model", "m"], "--endpoint URL"),
        (["--to", "nb", "-o", "out", "--local", "m", "--endpoint", "http://a/v1"], "name one"),
        (["--to", "xx-nowhere", "--local", "m", "-o", "out"], "unknown language"),
        (["--to", "en", "--local", "m", "-o", "out"], "same language"),
        (["--to", "nb", "--local", "m", "-o", "out", "--max-cost", "3"], "--endpoint"),
        (
            [
                "--to",
                "nb",
                "--model",
                "m",
                "-o",
                "out",
                "--endpoint",
                "http://a/v1",
                "--max-cost",
                "3",
            ],
            "price",
        ),
        (["--to", "nb", "--local", "nowhere", "-o", "out"], "no such model folder"),
        (["--to", "nb", "--model", "m", "-o", "out", "--endpoint", "http://a/v1"], "offline"),
    ],
)
def test_mistakes_are_errors(
    options: list[str],
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "text.txt").write_text("A house.")
    assert run(["translate", "text.txt", *options]) == ExitCode.USAGE
    assert words in capsys.readouterr().err


TOML = """\
[translate]
source = "text.txt"
to = "no"
output = "out"
back_translation = false

[endpoint]
url = "{url}"
model = "tiny"
price = {{ input = 1, output = 2.0 }}
max_cost = 1.0
"""


def test_a_file_holds_all_options(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("\n\n".join(EN[:2]), "utf-8")
    with serving(translate) as server:
        (tmp_path / "t.toml").write_text(TOML.format(url=server.url))
        assert run(["translate", str(tmp_path / "t.toml")]) == ExitCode.DONE
        assert len(server.requests) == 2, "no way back"
    assert read_file(tmp_path / "out" / "nb.txt") == NB[:2]


def test_every_mistake_of_a_file_is_shown_at_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = TOML.format(url="ftp://x").replace('"no"', '"nowhere"').replace("max_cost", "max_costs")
    (tmp_path / "t.toml").write_text(text)
    assert run(["translate", str(tmp_path / "t.toml")]) == ExitCode.USAGE
    shown = capsys.readouterr().err
    for place in ("t.toml:3:6: unknown language 'nowhere'", "t.toml:11:1: unknown key 'max_costs'"):
        assert place in shown
    assert "t.toml:8:7: the endpoint's URL must begin" in shown
