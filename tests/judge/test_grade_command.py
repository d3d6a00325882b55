"""`babelbits grade` as people use it: a real server, faults, resume, limits, wrong options."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from babelbits.cli.main import run as main
from chat_models import make_chat
from fake_endpoint import Answer, refuses, says, serving
from grading import CHOICE, cell, http, run_folder
from study_files import write_study


def recorded(folder: Path) -> Path:
    """Free-form: -0.5 in points of the grade, by hand; choices: 1 of 2 broke."""
    return run_folder(
        folder,
        [
            cell("baseline", ["grade 1.0", "grade 0.9"]),
            cell("w4", ["grade 0.8", "grade 0.1"]),
            cell("baseline", ["option B", "option B"], suite=CHOICE, target="B"),
            cell("w4", ["option B", "option none"], suite=CHOICE, target="B"),
        ],
    )


def test_the_command_prints_effects_coverage_and_agreement_and_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = recorded(tmp_path / "run")
    with serving(http) as server:
        arguments = ["grade", str(folder), "--endpoint", server.url, "--model", "tiny"]
        assert main(arguments) == 0
        printed = capsys.readouterr()
        assert re.search(r"w4 +mixeval-free-form +en +2 +0 +95\.0 +−50\.0 ", printed.out)
        assert re.search(r"w4 +mixeval +en +2 +0 +100\.0 +−50\.0 ", printed.out)
        assert "8 answers in 4 cells, 7 distinct" in printed.err
        assert f"grades and replies: {folder / 'grades'}" in printed.err
        assert len(server.requests) == 7
        assert main([*arguments, "--json"]) == 0
        assert len(server.requests) == 7, "nothing is asked twice"
        found = json.loads(capsys.readouterr().out)
        assert main([*arguments, "--json", "--suite", "mixeval", "--margin", "60"]) == 0
        chosen = json.loads(capsys.readouterr().out)
    deltas = {(row["suite"], row["scope"]): row["delta"] for row in found["effects"]}
    assert deltas["mixeval-free-form", "language"] == pytest.approx(-0.5)
    assert deltas["mixeval", "language"] == pytest.approx(-0.5)
    assert found["margins"]["fraction"] == 0.02
    assert {row["suite"] for row in chosen["effects"]} == {"mixeval"}
    assert chosen["margins"] == {"fraction": 0.6}


def test_a_faulty_endpoint_leaves_typed_gaps_that_the_next_run_fills(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = recorded(tmp_path / "run")
    healed = False

    def decide(request: dict[str, Any], times: int) -> Answer:
        content = request["messages"][-1]["content"]
        if healed:
            return http(request, times)
        if "grade 0.8" in content:
            return refuses(400, "no such thing")
        if "grade 0.1" in content:
            return says("", finish="content_filter")
        if "option none" in content:
            return says("Ich weiß nicht.")
        return http(request, times)

    with serving(decide) as server:
        arguments = ["grade", str(folder), "--endpoint", server.url, "--model", "tiny", "--json"]
        assert main(arguments) == 3
        torn = json.loads(capsys.readouterr().out)
        assert torn["n_errors"] == 1
        kinds = {row["suite"]: row["ungraded"] for row in torn["coverage"]}
        assert kinds == {
            "mixeval-free-form": {"error": 1, "refused": 1}, "mixeval": {"unparsed": 1},
        }  # fmt: skip
        healed = True
        server.requests.clear()
        assert main(arguments) == 0
        whole = json.loads(capsys.readouterr().out)
        # What failed and what was filtered; an unreadable reply is a reply.
        assert len(server.requests) == 2
    assert whole["n_errors"] == 0
    assert {row["suite"]: row["ungraded"] for row in whole["coverage"]} == {
        "mixeval-free-form": {}, "mixeval": {"unparsed": 1},
    }  # fmt: skip


def test_the_spend_limit_holds_for_both_kinds_of_question(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = recorded(tmp_path / "run")
    with serving(http) as server:
        arguments = ["grade", str(folder), "--endpoint", server.url, "--model", "tiny", "--json"]
        limited = [*arguments, "--price", "1000", "10000", "--max-new-tokens", "10"]
        assert main([*limited, "--max-cost", "3"]) == 3
        found = json.loads(capsys.readouterr().out)
        # A request costs 100 x 1000 / 1e6 + 10 x 10000 / 1e6 = 0.2.
        assert found["spent"] == pytest.approx(0.2 * len(server.requests))
        assert 0 < found["spent"] <= 3
        assert any("over_budget" in reason for reason in found["ungraded"])
        assert main([*limited, "--max-cost", "100"]) == 0
        assert json.loads(capsys.readouterr().out)["spent"] == pytest.approx(7 * 0.2)
        assert len(server.requests) == 7


def test_the_report_shows_grades_in_a_section_of_their_own(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "run")
    assert main(["report", str(folder)]) == 0
    assert 'id="grades"' not in (folder / "report.html").read_text("utf-8")
    with serving(http) as server:
        assert main(["grade", str(folder), "--endpoint", server.url, "--model", "ti<b>ny",
                     "--answers-as", "tiny"]) == 0  # fmt: skip
    assert main(["report", str(folder)]) == 0
    page = (folder / "report.html").read_text("utf-8")
    section = page.partition('<section id="grades">')[2].partition("</section>")[0]
    assert "ti&lt;b&gt;ny" in section
    assert re.search(r"<td>w4</td><td>mixeval-free-form</td><td>en</td>", section)
    assert "<td" in section and "−50.0" in section


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "no judge is named"),
        (["--endpoint", "http://127.0.0.1:1/v1"], "--model go together"),
        (["--local", "x", "--endpoint", "y", "--model", "z"], "two judges"),
        (["--local", "x", "--max-cost", "1"], "costs nothing"),
        (["--local", "x", "--answers-as", "y"], "about an endpoint's replies"),
        (["--endpoint", "ftp://x", "--model", "m"], "must begin with http"),
        (["--endpoint", "http://127.0.0.1:1/v1", "--model", "m", "--template", "no.md"], "no.md"),
        (["--local", "nowhere", "--suite", "mixevil"], "did you mean 'mixeval'"),
        (["--local", "nowhere", "-l", "xx-yy"], "xx-yy"),
    ],
)
def test_a_wrong_command_line_is_told_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    folder = recorded(tmp_path / "run")
    assert main(["grade", str(folder), *arguments]) == 2
    assert says in capsys.readouterr().err
    assert not (folder / "grades").exists()


def test_a_template_that_lacks_the_gold_answers_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = recorded(tmp_path / "run")
    path = tmp_path / "mine.md"
    path.write_text("=== user ===\n{nonce} {prompt} {answer}\n", "utf-8")
    arguments = ["--endpoint", "http://127.0.0.1:1/v1", "--model", "m", "--template", str(path)]
    assert main(["grade", str(folder), *arguments]) == 2
    assert "lacks {gold}" in capsys.readouterr().err


def test_a_smoke_run_says_that_it_is_no_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = [cell(name, ["grade 1.0"]) for name in ("baseline", "w4")]
    smoky = [replace(one, meta=replace(one.meta, smoke=True)) for one in cells]
    folder = run_folder(tmp_path / "run", smoky, smoke=True)
    with serving(http) as server:
        assert main(["grade", str(folder), "--smoke", "--endpoint", server.url,
                     "--model", "tiny"]) == 0  # fmt: skip
    assert "nothing here is a result" in capsys.readouterr().err
    assert [one.name for one in (folder / "smoke" / "grades").iterdir()]


@pytest.mark.slow
def test_a_study_is_run_and_graded_by_a_model_here(
    tmp_path: Path, tiny_model: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A judge of random weights babbles: nothing is graded, nothing is guessed, all is counted."""
    study = write_study(tmp_path, model=tiny_model("llama"), recipes=("w8",), items=3)
    assert main(["run", str(study)]) == 0
    judge = make_chat(tiny_model("llama"), tmp_path / "judge")
    template = tmp_path / "short.md"  # the bundled one does not fit its context
    template.write_text("=== user ===\n{nonce} {prompt} {gold} {answer}\n", "utf-8")
    capsys.readouterr()
    assert main(["grade", str(study), "--suite", "math", "--local", str(judge),
                 "--max-new-tokens", "8", "--template", str(template), "--json"]) == 0  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    [row] = found["coverage"]
    assert row["n_answers"] == 9, "baseline, A/A and w8"
    assert row["n_ungraded"] == row["n_distinct"] - row["n_empty"]
    assert set(row["ungraded"]) == {"unparsed"}
