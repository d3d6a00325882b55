"""A gate's policy, from its file to the exit code.

w8 passes everywhere, w4 is open in Japanese, w3 is worse in Swahili.
"""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from babelbits.cli.main import run
from babelbits.decide.policy import find_policy
from babelbits.errors import ExitCode
from compare_cells import right_wrong
from decision_cells import SHOWN, Scores, study_cells
from run_folders import record


def table(*, broke: int, fixed: int) -> Scores:
    """500 items, of which the baseline of `SHOWN` gets 400."""
    before, _ = right_wrong(both_right=400, broke=0, fixed=0, both_wrong=100)
    return before, [0.0] * broke + [1.0] * (400 - broke) + [1.0] * fixed + [0.0] * (100 - fixed)


WORSE, OPEN = table(broke=60, fixed=2), table(broke=20, fixed=18)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    found = study_cells({"en": SHOWN, "ja": SHOWN, "sw": SHOWN}, variant="w8")
    for variant, answers in (
        ("w4", {"en": SHOWN, "ja": OPEN, "sw": SHOWN}),
        ("w3", {"en": SHOWN, "ja": SHOWN, "sw": WORSE}),
    ):
        more = study_cells(answers, variant=variant)
        found += [one for one in more if one.meta.variant == variant]
    return record(tmp_path / "study.run", found, sizes={})


def policy(folder: Path, text: str) -> None:
    (folder.parent / "babelbits.toml").write_text(text, "utf-8")


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("", {"w8": 0, "w4": 5, "w3": 1}),
        ('[gate.required]\nxcopa = ["en", "swh_Latn"]\n', {"w8": 0, "w4": 0, "w3": 1}),
        ('[gate.required]\nxcopa = ["*"]\n', {"w8": 0, "w4": 5, "w3": 1}),
        ('[gate.required]\nxcopa = ["non-latin"]\n', {"w8": 0, "w4": 5, "w3": 0}),
        ('[gate.advisory]\nxcopa = ["sw"]\n', {"w8": 0, "w4": 5, "w3": 0}),
        ('[gate.advisory]\nxcopa = ["sw", "ja"]\n', {"w8": 0, "w4": 0, "w3": 0}),
        ("[gate.margins]\nfraction = 0.1\n", {"w8": 0, "w4": 0, "w3": 6}),
        ('[gate]\nfail_on = "loss"\n[gate.margins]\nfraction = 0.1\n', {"w8": 0, "w4": 0, "w3": 1}),
        ("[gate.margins]\nxcopa = 0.001\n", {"w8": 5, "w4": 5}),
    ],
)
def test_the_policy_says_what_must_pass(
    folder: Path, text: str, codes: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    policy(folder, text)
    assert {one: run(["gate", str(folder), "-v", one]) for one in codes} == codes
    assert "policy: " in capsys.readouterr().err


def test_what_is_advisory_is_told_and_counts_for_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy(folder, '[gate.advisory]\nxcopa = ["sw"]\n')
    junit, summary = tmp_path / "gate.xml", tmp_path / "summary.md"
    options = ["--junit", str(junit), "--summary", str(summary)]
    assert run(["gate", str(folder), "-v", "w3", *options]) == ExitCode.DONE
    out = capsys.readouterr().out
    assert out.startswith("pass: w3 is shown to be not worse")
    assert "advisory, counts for nothing:\nfail: w3 loses more than the margin in 1 of 1" in out
    required, advisory = ET.parse(junit).getroot()  # noqa: S314  our own
    assert (required.get("tests"), required.get("failures")) == ("2", "0")
    assert (advisory.get("tests"), advisory.get("failures")) == ("1", "0")
    assert (advisory[0][0].text or "").startswith("fail: ")
    assert "### ❌ advisory, counts for nothing: w3" in summary.read_text("utf-8")
    run(["gate", str(folder), "-v", "w3", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["outcome"], found["advisory"]["outcome"]) == ("shown", "worse")


def test_advisory_questions_take_no_power_from_those_required(folder: Path) -> None:
    """Holm runs over what is required alone: as if nobody had asked about others."""
    policy(folder, '[gate.advisory]\nxcopa = ["en", "ja"]\n')
    assert run(["gate", str(folder), "-v", "w3"]) == ExitCode.GATE_FAILED


def test_options_about_what_is_asked_take_the_policys_place(folder: Path) -> None:
    policy(folder, '[gate.required]\nxcopa = ["sw"]\n')
    assert run(["gate", str(folder), "-v", "w3"]) == ExitCode.GATE_FAILED
    assert run(["gate", str(folder), "-v", "w3", "-l", "en"]) == ExitCode.DONE
    assert run(["gate", str(folder), "-v", "w3", "--margin", "10"]) == ExitCode.LOSS_SHOWN


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[gate.required]\nxcopa = ["de"]\n', "the study has no xcopa in language 'de'"),
        ('[gate.required]\nmgsm = ["*"]\n', "the study has no suite 'mgsm'"),
        ('[gate.advisory]\nxcopa = ["*"]\n', "the policy requires nothing"),
        ('[gate]\nclaim = "better"\n', "babelbits.toml:2:9: 'claim' must be 'not-worse'"),
        ("[gate]\nrequire = 1\n", "unknown key 'require' in [gate]"),
        ("[gates]\n", "unknown key 'gates'"),
        ("[gate.margins]\nfraction = 2\n", "no loss could leave it"),
    ],
)
def test_a_wrong_policy_is_an_error_and_never_a_pass(
    folder: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    policy(folder, text)
    assert run(["gate", str(folder), "-v", "w8"]) == ExitCode.USAGE
    assert message in capsys.readouterr().err


def test_a_policy_that_is_named_wins_and_must_be_there(folder: Path, tmp_path: Path) -> None:
    policy(folder, '[gate.required]\nxcopa = ["sw"]\n')
    named = tmp_path / "mine.toml"
    assert run(["gate", str(folder), "-v", "w3", "--policy", str(named)]) == ExitCode.USAGE
    named.write_text('[gate.required]\nxcopa = ["en"]\n')
    assert run(["gate", str(folder), "-v", "w3", "--policy", str(named)]) == ExitCode.DONE


def test_the_study_may_hold_it(tmp_path: Path) -> None:
    text = '[[tasks]]\nsuite = "pairs"\nlanguages = ["en"]\n[gate.required]\npairs = ["en"]\n'
    file = tmp_path / "study.toml"
    file.write_text(text)
    (tmp_path / "babelbits.toml").write_text('[gate]\nclaim = "equivalent"\n')
    for found in (find_policy(file), find_policy(tmp_path / "x.run", study_text=text)):
        assert found is not None
        assert (dict(found.required), found.claim) == ({"pairs": ["en"]}, "not-worse")
    beside = find_policy(tmp_path / "x.run")
    assert beside is not None
    assert beside.claim == "equivalent"
