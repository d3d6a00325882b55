"""`babelbits gate` and `babelbits recommend`, from a run folder to streams and exit codes."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from babelbits.analysis import CellResult
from babelbits.cli.main import run
from babelbits.errors import ExitCode
from compare_cells import right_wrong
from decision_cells import SHOWN, Scores, study_cells
from run_folders import STUDY, record

SIZES = {"baseline": 16.0, "w8": 8.0, "w4": 4.0, "w3": 3.0}


def table(*, broke: int, fixed: int) -> Scores:
    """500 items with the baseline of `SHOWN`."""
    before, _ = right_wrong(both_right=400, broke=0, fixed=0, both_wrong=100)
    return before, [0.0] * broke + [1.0] * (400 - broke) + [1.0] * fixed + [0.0] * (100 - fixed)


LOSS, DOUBT = table(broke=60, fixed=2), table(broke=20, fixed=18)


def cells(*, smoke: bool = False) -> list[CellResult]:
    """w8 is shown everywhere; w4 is open in Japanese; w3 is worse in Swahili."""
    found = study_cells({"en": SHOWN, "ja": SHOWN, "sw": SHOWN}, variant="w8", smoke=smoke)
    for variant, answers in (
        ("w4", {"en": SHOWN, "ja": DOUBT, "sw": SHOWN}),
        ("w3", {"en": SHOWN, "ja": SHOWN, "sw": LOSS}),
    ):
        more = study_cells(answers, variant=variant, smoke=smoke)
        found += [one for one in more if one.meta.variant == variant]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("decided") / "study.run"
    record(made, cells(), sizes=SIZES)
    return record(made, cells(smoke=True), sizes=SIZES, smoke=True)


@pytest.fixture(autouse=True)
def no_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def strict(text: str) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    found: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return found


# --- gate ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "begins"),
    [
        (["--variant", "w8"], ExitCode.DONE, "pass: w8 is shown to be not worse"),
        (["--variant", "w4"], ExitCode.UNDECIDED, "undecided: w4"),
        (
            ["--variant", "w3"],
            ExitCode.GATE_FAILED,
            "fail: w3 loses more than the margin in 1 of 3",
        ),
        (["--variant", "w4", "--languages", "eng_Latn,swh"], ExitCode.DONE, "pass: w4"),
        (["--variant", "w4", "--margin", "8"], ExitCode.DONE, "pass: w4"),
        (["--variant", "w4", "--margin", "xcopa=8"], ExitCode.DONE, "pass: w4"),
        (["--variant", "w3", "--margin", "10"], ExitCode.LOSS_SHOWN, "loss shown, size open: w3"),
        (["--variant", "w3", "--margin", "10", "--fail-on", "loss"], ExitCode.GATE_FAILED, "loss"),
        (["--variant", "w8", "--margin", "0.1"], ExitCode.UNDECIDED, "undecided: w8"),
        (["--variant", "w3", "--group", "non-latin"], ExitCode.DONE, "pass: w3"),
        (["--variant", "w3", "--group", "mine"], ExitCode.GATE_FAILED, "fail: w3"),
        (["--variant", "w8", "--pooled"], ExitCode.DONE, "pass: w8"),
        (["--variant", "w8", "--claim", "equivalent"], ExitCode.DONE, "pass: w8"),
        (["--variant", "w8", "--smoke"], ExitCode.UNDECIDED, "undecided: w8: this is a SMOKE run"),
        (["--variant", "w3", "--smoke"], ExitCode.UNDECIDED, "undecided: w3: this is a SMOKE run"),
    ],
)
def test_one_sentence_and_one_exit_code(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: ExitCode,
    begins: str,
) -> None:
    assert run(["gate", str(folder), *arguments]) == code
    out, err = capsys.readouterr()
    assert out.startswith(begins)
    assert err == ""
    assert run(["gate", str(folder), *arguments, "--json"]) == code
    found = strict(capsys.readouterr().out)
    assert found["schema"] == "babelbits.gate/1"
    assert found["exit_code"] == code
    assert found["sentence"] == out.splitlines()[0]


def test_what_is_not_shown_is_listed_with_its_reason(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["gate", str(folder), "--variant", "w4"])
    out = capsys.readouterr().out
    assert "in 2 of 3 only; open: xcopa in ja (interval reaches past the margin)" in out
    [row] = [line for line in out.splitlines() if line.strip().startswith("? undecided")]
    assert "ja" in row
    assert "−0.4 points" in row


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--variant", "w5"], "no variant 'w5'"),
        (["--variant", "w8", "--suite", "xcop"], "did you mean 'xcopa'?"),
        (["--variant", "w8", "--group", "mien"], "did you mean 'mine'?"),
        (["--variant", "w8", "--languages", "de"], "available: en, ja, sw"),
        (["--variant", "w8", "--languages", "klingon"], "unknown language 'klingon'"),
        (["--variant", "w8", "--languages", ","], "names no language"),
        (["--variant", "w8", "--margin", "two"], "--margin 2 means 2 points"),
        (["--variant", "w8", "--margin", "200"], "no loss could leave it"),
        (["--variant", "w8", "--margin", "-1"], "margins are positive"),
        (["--variant", "w8", "--margin", "xcopa=inf"], "margins are positive"),
        (["--variant", "w8", "-l", "ja", "--group", "mine"], "name one of the two"),
        ([], "Missing option"),
    ],
)
def test_usage_errors_decide_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(["gate", str(folder), *arguments]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


def test_a_missing_cell_never_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    everything = cells()
    gone = [one for one in everything if one.meta.cell_id == "w8-xcopa_sw-0"]
    kept = [one for one in everything if one not in gone]
    made = record(tmp_path / "study.run", kept, sizes=SIZES, unfinished=gone)
    assert run(["gate", str(made), "--variant", "w8"]) == ExitCode.UNDECIDED
    assert "xcopa in sw (the cell has no result: missing" in capsys.readouterr().out
    assert run(["gate", str(made), "--variant", "w8", "-l", "en,ja"]) == ExitCode.DONE


def test_a_damaged_cell_never_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from babelbits.store import Store

    made = record(tmp_path / "study.run", cells(), sizes=SIZES)
    items = Store(made).cell_folder("w8-xcopa_sw-0") / "items.parquet"
    content = bytearray(items.read_bytes())
    content[len(content) // 2] ^= 0xFF
    items.write_bytes(content)
    assert run(["gate", str(made), "--variant", "w8"]) == ExitCode.UNDECIDED
    assert "damaged" in capsys.readouterr().out


def test_an_open_aa_cell_does_not_speak_against_the_baseline(tmp_path: Path) -> None:
    everything = cells()
    again = [one for one in everything if one.meta.replicate]
    kept = [one for one in everything if not one.meta.replicate]
    made = record(tmp_path / "study.run", kept, sizes=SIZES, unfinished=again)
    assert run(["gate", str(made), "--variant", "w8"]) == ExitCode.DONE


def test_a_folder_with_nothing_but_a_smoke_run_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = record(tmp_path / "study.run", cells(smoke=True), sizes=SIZES, smoke=True)
    assert run(["gate", str(made), "--variant", "w8"]) == ExitCode.USAGE
    assert "--smoke reads it" in capsys.readouterr().err


def test_the_summary_is_appended(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    named, usual = tmp_path / "named.md", tmp_path / "usual.md"
    named.write_text("before\n", "utf-8")
    run(["gate", str(folder), "--variant", "w3", "--summary", str(named)])
    text = named.read_text("utf-8")
    assert text.startswith("before\n### ❌ babelbits gate: w3\n")
    assert "| ✗ fail | xcopa | sw |" in text
    assert text.count("\n| ✓ pass |") == 2
    assert "passed 2 of 3; not passed: 1 fail; Holm over the 3 questions asked." in text
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(usual))
    for variant in ("w8", "w4"):
        run(["gate", str(folder), "--variant", variant])
    assert usual.read_text("utf-8").count("### ") == 2
    capsys.readouterr()
    summary = str(tmp_path / "no" / "folder.md")
    code = run(["gate", str(folder), "--variant", "w8", "--summary", summary])
    assert code == ExitCode.STORE_DAMAGED
    assert "the file cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "kinds"),
    [
        (["--variant", "w8"], []),
        (["--variant", "w3"], ["fail"]),
        (["--variant", "w3", "--margin", "10"], ["loss shown, size open"]),
        (["--variant", "w4"], ["undecided"]),
        (["--variant", "w8", "--smoke"], ["pass", "pass", "pass"]),
    ],
)
def test_only_a_pass_is_a_pass_for_junit(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    arguments: list[str], kinds: list[str],
) -> None:  # fmt: skip
    """A reader of JUnit counts failures; nothing is skipped, and a smoke run passes nothing."""
    file = tmp_path / "gate.xml"
    run(["gate", str(folder), *arguments, "--junit", str(file)])
    suite = ET.parse(file).getroot()  # noqa: S314  our own file
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == (
        "3", str(len(kinds)), "0",
    )  # fmt: skip
    assert [one.get("type") for one in suite.iter("failure")] == kinds
    capsys.readouterr()


def test_a_hostile_label_stays_on_its_line_of_the_summary(tmp_path: Path) -> None:
    label = "w8|<script>\n# x\x1b[31m@org"
    found = study_cells({"en": SHOWN}, variant=label)
    made = record(tmp_path / "study.run", found, sizes={})
    summary = tmp_path / "summary.md"
    assert run(["gate", str(made), "--variant", label, "--summary", str(summary)]) == ExitCode.DONE
    text = summary.read_text("utf-8")
    assert "<script>" not in text.replace("\\<script\\>", "")
    assert "\x1b" not in text
    assert [line for line in text.splitlines() if line.startswith("# ")] == []


# --- recommend ----------------------------------------------------------------------------------


def test_the_smallest_that_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """7 million weights: 8 bits are 7 MB, half of the baseline's 14; 4 bits are 3.5 MB."""
    assert run(["recommend", str(folder)]) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert out.startswith(
        "w8 (7 MB, 50 % of the baseline): the last variant in order that is shown"
    )
    assert "fail: xcopa in sw −11.6 points" in out
    assert "← stops here" in out
    assert "memory and speed are not measured" in err
    assert "wrong in at most 5 % of reports" in err
    assert run(["recommend", str(folder), "--any"]) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert out.startswith("w8 (7 MB, 50 % of the baseline): the smallest variant that is shown")
    assert "up to 15 %" in err
    assert run(["recommend", str(folder), "--languages", "en,sw"]) == ExitCode.DONE
    assert capsys.readouterr().out.startswith("w4 (3.5 MB, 25 % of the baseline)")


def test_what_would_decide_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Churn 7.6 %: (1.64485 + 0.84162)^2 x 190 = 1174.7 items, 2.35 times the 500."""
    run(["recommend", str(folder)])
    words = "about 1,203 items would show it if nothing is truly lost (2.4 × the 500 here)"
    assert words in capsys.readouterr().out


def test_for_machines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recommend", str(folder), "--json"]) == ExitCode.DONE
    found = strict(capsys.readouterr().out)
    assert (found["schema"], found["recommended"]) == ("babelbits.recommend/1", "w8")
    assert found["order"] == [one["variant"] for one in found["variants"]] == ["w8", "w4", "w3"]
    assert [one["outcome"] for one in found["variants"]] == ["shown", "undecided", "worse"]
    assert (found["rule"], found["stopped_at"]) == ("fixed order", "w4")
    [open_one] = [one for one in found["variants"][1]["answers"] if one["outcome"] == "undecided"]
    assert open_one["items_to_show"] == 1203


@pytest.mark.parametrize(
    ("arguments", "begins"),
    [
        (["--margin", "0.1"], "none: no variant is shown to be not worse"),
        (["--smoke"], "none: this is a SMOKE run"),
    ],
)
def test_none_is_exit_code_five(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], begins: str
) -> None:
    assert run(["recommend", str(folder), *arguments]) == ExitCode.UNDECIDED
    assert capsys.readouterr().out.startswith(begins)
    assert run(["recommend", str(folder), *arguments, "--json"]) == ExitCode.UNDECIDED
    assert strict(capsys.readouterr().out)["recommended"] is None


def test_a_study_file_brings_its_margins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The study's margins as they are now, not those of the run."""
    text = (
        STUDY.replace('name = "decided"', 'name = "decided"\nfolder = "here"')
        .replace("somewhere/else", "bundled")
        .replace("0.02", "0.08")
        + '[[variants]]\nrecipe = "w8"\n[[tasks]]\nsuite = "math"\nlanguages = ["ja", "sw"]\n'
    )
    record(tmp_path / "here", cells(), sizes=SIZES)
    (tmp_path / "study.toml").write_text(text, "utf-8")
    assert run(["gate", str(tmp_path / "study.toml"), "-v", "w4"]) == ExitCode.DONE
    assert "by 8 points or more" in capsys.readouterr().out


def test_every_reason_has_its_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unknown size, too large, at floor, not run; and a pair of task and language that is not."""
    floor = right_wrong(both_right=130, broke=0, fixed=0, both_wrong=370)
    found: list[CellResult] = []
    for variant in ("unsized", "large", "unrun"):
        more = study_cells({"en": SHOWN, "sw": floor}, variant=variant)
        more += study_cells({"en": SHOWN}, variant=variant, suite="mgsm")
        found += more if not found else [one for one in more if one.meta.variant == variant]
    gone = [one for one in found if one.meta.cell_id == "unrun-xcopa_en-0"]
    kept = [one for one in found if one not in gone]
    sizes = {"baseline": 16.0, "large": 17.0, "unrun": 4.0}
    made = record(tmp_path / "study.run", kept, sizes=sizes, unfinished=gone)
    assert run(["recommend", str(made), "-l", "en,sw", "--all"]) == ExitCode.UNDECIDED
    out, err = capsys.readouterr()
    for words in (
        "its size is unknown: no manifest",
        "not smaller than the baseline",
        "xcopa in sw 0.0 points (95 % interval −0.8 to +0.8): at floor; cannot be decided",
        "undecided: xcopa in en: the cell has no result: missing",
        "; run it",
    ):
        assert words in out
    assert "not tested, the study does not have it: mgsm in sw" in err
    assert run(["gate", str(made), "-v", "large", "-l", "sw"]) == ExitCode.UNDECIDED
    out, err = capsys.readouterr()
    assert "is shown nowhere to be not worse" in out
    assert "mgsm in sw" in err


def test_reasons_are_cut_to_the_weightiest(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = ("en", "ja", "sw", "hi", "de")
    made = record(
        tmp_path / "study.run", study_cells(dict.fromkeys(codes, LOSS), variant="w4"), sizes=SIZES
    )
    assert run(["recommend", str(made)]) == ExitCode.UNDECIDED
    out = capsys.readouterr().out
    assert out.count("  fail: ") == 3
    assert "and 2 more (--all)" in out
    run(["recommend", str(made), "--all"])
    assert capsys.readouterr().out.count("  fail: ") == 5
    assert run(["gate", str(made), "--variant", "w4"]) == ExitCode.GATE_FAILED
    assert "more than the margin in 5 of 5" in capsys.readouterr().out.splitlines()[0]


def test_means_are_told_as_means(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(folder), "--pooled", "--group", "mine", "--margin", "0.5"]
    arguments += ["--claim", "equivalent"]
    assert run(["gate", *arguments, "--variant", "w4"]) == ExitCode.UNDECIDED
    out = capsys.readouterr().out
    assert "equivalent to the baseline within ±0.5 points" in out
    assert "xcopa, mean of mine (interval reaches past the margin)" in out
    assert run(["recommend", *arguments, "--all"]) == ExitCode.UNDECIDED
    out = capsys.readouterr().out
    assert "xcopa, mean of mine" in out
    assert "source items would show it" in out
    assert "the number of items needed cannot be estimated" in out, "of w8 not one item changed"
    arguments[arguments.index("0.5")] = "2"
    assert run(["gate", *arguments, "--variant", "w4"]) == ExitCode.DONE
    assert "xcopa, mean of mine" in capsys.readouterr().out


def test_a_study_without_variants_has_nothing_to_recommend(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [one for one in cells() if one.meta.variant == "baseline"]
    made = record(tmp_path / "study.run", found, sizes={"baseline": 16.0})
    assert run(["recommend", str(made)]) == ExitCode.UNDECIDED
    assert "no variant beside its baseline" in capsys.readouterr().out
