"""`babelbits power`: what a study can see, told before it is paid for."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from babelbits.cli.main import run
from babelbits.errors import ExitCode
from compare_cells import right_wrong
from decision_cells import study_cells
from run_folders import record

STUDY = """\
[model]
path = "bundled"
[[variants]]
recipe = "w8"
[[tasks]]
suite = "math"
languages = ["en", "ja", "sw"]
[[tasks]]
suite = "mgsm"
languages = ["ja", "sw"]
[[tasks]]
suite = "text"
languages = ["en"]
[[tasks]]
suite = "arc_challenge"
languages = ["en"]
[groups]
mine = ["sw"]
[analysis]
margins = { mgsm = 0.01 }
"""


def as_json(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert run(["power", *arguments, "--json"]) == ExitCode.DONE
    found: dict[str, Any] = json.loads(capsys.readouterr().out, parse_constant=refuse)
    return found


def refuse(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def test_the_limits_of_mgsm(capsys: pytest.CaptureFixture[str]) -> None:
    """250 items, churn 10 %: sees 5.5 points; ±2 points takes 2,163 items.

    Miettinen's and the normal formulas have 5.6 points and 2,141 and 1,546 items.
    """
    assert run(["power", "--suite", "mgsm", "--churn", "10%"]) == ExitCode.DONE
    out, err = capsys.readouterr()
    [row] = [line for line in out.splitlines() if "mgsm" in line and "250" in line]
    for words in ("≥ 5.5 points", "2,163 (8.7 × mgsm)", "1,565 (6.3 × mgsm)", " no "):
        assert words in row
    assert "power 80 %" in err


def test_plain_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """Miettinen's row for 250 items: none within the churn, then 3.9, 5.6, 7.9 points."""
    found = as_json(["--items", "250"], capsys)
    rows = found["comparisons"]
    assert [row["churn"] for row in rows] == [0.02, 0.05, 0.1, 0.2]
    losses = [row["smallest_loss"] for row in rows]
    assert losses[0] > 0.02
    assert [loss * 100 for loss in losses[1:]] == pytest.approx([3.9, 5.6, 7.9], abs=0.2)
    assert [row["equivalent_items"] for row in rows[1:]] == pytest.approx(
        [1071, 2141, 4282], rel=0.05
    )
    assert [row["equivalent_enough"] for row in rows] == [False] * 4


def test_margin_and_alpha(capsys: pytest.CaptureFixture[str]) -> None:
    """±1 point at churn 10 %: 8,564 items."""
    arguments = ["--items", "9000", "--churn", "0.1", "--margin", "1"]
    [row] = as_json(arguments, capsys)["comparisons"]
    assert row["equivalent_items"] == pytest.approx(8564, rel=0.005)
    assert row["equivalent_enough"] is True
    found = as_json([*arguments, "--alpha", "0.01"], capsys)
    assert found["alpha"] == 0.01
    assert found["comparisons"][0]["equivalent_items"] > 9000


def test_a_study_counts_what_it_can(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "study.toml"
    file.write_text(STUDY, "utf-8")
    found = as_json([str(file), "--churn", "0.1"], capsys)
    rows = {(row["suite"], row["language"]): row for row in found["comparisons"]}
    assert rows["math", "ja"]["n_items"] == 150
    assert rows["math", "ja"]["tests"] == 3
    assert rows["mgsm", "sw"]["n_items"] == 250
    assert rows["mgsm", "sw"]["margin"] == 0.01
    assert rows["mgsm", "sw"]["equivalent_items"] == pytest.approx(8564, rel=0.005)
    assert rows["arc_challenge", "en"]["n_items"] is None
    assert rows["arc_challenge", "en"]["smallest_loss"] is None
    assert rows["arc_challenge", "en"]["equivalent_enough"] is None
    assert rows["text", "en"]["churn"] is None
    pooled = {one["suite"]: one for one in found["pooled"]}
    assert set(pooled) == {"math", "mgsm"}
    assert pooled["mgsm"]["smallest_loss_at_worst"] == rows["mgsm", "ja"]["smallest_loss"]
    groups = {(one["suite"], one["group"]): one for one in found["groups"]}
    assert groups["math", "latin"]["smallest_p"] == 0
    assert groups["math", "latin"]["reaches_alpha"]


def test_a_study_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "study.toml"
    file.write_text(STUDY, "utf-8")
    assert run(["power", str(file)]) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert "unknown: needs a --pilot" in out
    assert "Is a group of languages harmed more? Units are languages" in out
    assert "churn is assumed" in err
    assert run(["power", str(file), "--format", "md"]) == ExitCode.DONE
    text = capsys.readouterr().out
    assert text.count("|---|") >= 3
    assert run(["power", str(file), "--format", "csv"]) == ExitCode.DONE
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == (3 + 2 + 1) * 4 + 1
    assert {row["suite"] for row in rows} == {"math", "mgsm", "text", "arc_challenge"}


def test_a_smoke_study_has_its_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "study.toml"
    file.write_text(STUDY + "[limits]\nitems = 20\n", "utf-8")
    found = as_json([str(file)], capsys)
    known = {row["n_items"] for row in found["comparisons"] if row["n_items"] is not None}
    assert known == {20}


def test_declared_comparisons_are_one_family(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One variant, two suites in 3 + 2 languages: 5 tests; the others are exploratory."""
    file = tmp_path / "study.toml"
    declared = '[analysis.confirmatory]\nsuites = ["math", "mgsm"]\n'
    file.write_text(STUDY + declared, "utf-8")
    rows = as_json([str(file), "--churn", "0.1"], capsys)["comparisons"]
    tests = {row["suite"]: row["tests"] for row in rows if row["tests"] is not None}
    assert tests == {"math": 5, "mgsm": 5, "arc_challenge": 1}


# --- pilots -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smoke run of `math`: 15 of 148 answers changed in Japanese, none in Swahili."""
    scores = right_wrong(both_right=100, broke=10, fixed=5, both_wrong=33)
    same = right_wrong(both_right=100, broke=0, fixed=0, both_wrong=48)
    cells = study_cells({"ja": scores, "sw": same}, suite="math", variant="w8", smoke=True)
    folder = tmp_path_factory.mktemp("pilot") / "study.run"
    return record(folder, cells, sizes={}, smoke=True)


def test_a_smoke_run_is_a_pilot(pilot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """15 of 148: Wilson 6.24 % to 16.05 % (Newcombe 1998a); math itself has 150 items."""
    assert run(["power", "--pilot", str(pilot), "--json"]) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert "the pilot is a smoke run" in err
    rows = {row["language"]: row for row in json.loads(out)["comparisons"]}
    assert rows["ja"]["variant"] == "w8"
    assert rows["ja"]["n_items"] == 150
    assert rows["ja"]["churn"] == pytest.approx(15 / 148)
    assert rows["ja"]["churn_low"] == pytest.approx(0.0624, abs=5e-5)
    assert rows["ja"]["churn_high"] == pytest.approx(0.1605, abs=5e-5)
    assert rows["sw"]["smallest_loss"] == pytest.approx(0.044, abs=0.001)
    assert rows["sw"]["equivalent_items"] == 133
    assert rows["sw"]["equivalent_is_lower_bound"]


def test_caution_takes_the_upper_end(pilot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Items grow with the churn: 0.1605 in place of 0.1014."""
    usual = as_json(["--pilot", str(pilot)], capsys)["comparisons"][0]
    cautious = as_json(["--pilot", str(pilot), "--cautious"], capsys)["comparisons"][0]
    assert usual["churn"] == cautious["churn"]
    ratio = cautious["equivalent_items"] / usual["equivalent_items"]
    assert ratio == pytest.approx(0.1605 / (15 / 148), rel=0.01)


def test_a_pilot_for_a_study(
    pilot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.toml"
    file.write_text(STUDY, "utf-8")
    rows = as_json([str(file), "--pilot", str(pilot)], capsys)["comparisons"]
    assert [(row["suite"], row["language"]) for row in rows] == [("math", "ja"), ("math", "sw")]
    assert {row["tests"] for row in rows} == {3}


def test_a_pilot_of_something_else(pilot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["power", "--suite", "mgsm", "--pilot", str(pilot)]) == ExitCode.USAGE
    assert "no variant on any of these tasks" in capsys.readouterr().err


def test_a_baseline_at_its_floor_tells_no_churn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = right_wrong(both_right=30, broke=5, fixed=5, both_wrong=110)
    cells = study_cells({"en": scores}, suite="math", variant="w8")
    made = record(tmp_path / "study.run", cells, sizes={})
    assert run(["power", "--pilot", str(made)]) == ExitCode.DONE
    assert "none: its baseline is at floor" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a study, a suite"),
        (["--churn", "0"], "no share of items"),
        (["--items", "250", "--churn", "150%"], "no share of items"),
        (["--items", "250", "--cautious"], "needs a --pilot"),
        (["study.toml", "--suite", "mgsm"], "its own suites"),
        (["--suite", "mgms"], "did you mean 'mgsm'?"),
        (["--suite", "mgsm", "-l", "nb"], "not in language 'nb'"),
        (["-l", "ja", "--items", "9"], "languages of which suite?"),
        (["--pilot", ".", "--churn", "0.1"], "either assumed"),
        (["nothing.toml"], "nothing.toml"),
    ],
)
def test_usage_errors(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(["power", *arguments]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
