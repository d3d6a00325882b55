"""`babelbits lab volume`: the plan, wrong options, what is said before anything is trained."""

import json
from pathlib import Path

import pytest

from babelbits.cli.main import run as babelbits
from babelbits.errors import ExitCode

LANGUAGES = ("en", "nb", "hi")
OPTIONS = ["-l", "en,no,hi", "--vary", "nb,hi", "--tokens", "150000", "--held-out", "4"]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    for language in LANGUAGES:
        lines = "\n".join(f"{language} number {n} and {n * 7} more" for n in range(4000))
        (folder / f"{language}.txt").write_text(lines, "utf-8")
    return folder


def called(texts: Path, *words: str) -> list[str]:
    return ["lab", "volume", "--corpora", str(texts), "--out", str(texts / "lab"), *words]


def test_the_plan_is_printed_and_nothing_is_written(
    texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert babelbits(called(texts, *OPTIONS, "--plan", "--json")) == ExitCode.DONE
    out, err = capsys.readouterr()
    plan = json.loads(out)["plan"]
    assert len(plan["models"]) == 27
    assert plan["languages"] == ["en", "nb", "hi"]
    assert "bits per byte on held-out lines" in plan["outcome"]
    assert err.startswith("27 models of 149,760 tokens each, 3 seeds; amount of Norwegian")
    assert not (texts / "lab").exists()
    assert babelbits(called(texts, *OPTIONS, "--plan")) == ExitCode.DONE
    assert "seed 3, hi 1/64" in capsys.readouterr().out


def test_a_report_without_a_run_names_what_to_do(
    texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert babelbits(called(texts, *OPTIONS, "--report")) == ExitCode.USAGE
    assert "never written down here" in capsys.readouterr().err


def test_a_report_of_a_plan_without_scores_has_no_result(
    texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from babelbits.lab.volume import declare, open_lab
    from babelbits.lab.volume_plan import VolumeSettings

    settings = VolumeSettings(
        languages=LANGUAGES, subjects=("nb", "hi"), control="en", tokens=150_000, held_out=4
    )
    declare(open_lab(texts / "lab", texts, settings))
    assert babelbits(called(texts, *OPTIONS, "--report")) == ExitCode.INCOMPLETE
    assert "0 of 27 models are scored" in capsys.readouterr().out
    found = json.loads((texts / "lab" / "volume.json").read_text("utf-8"))
    assert found["schema"] == "babelbits.lab.volume/1"
    assert found["cells"] == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--levels", "0,one,1"], "'0,one,1' is no list of amounts"),
        (["--recipes", "nf4"], "no recipe for this: nf4"),
        (["--tokens", "100000000"], "too little text in English"),
        (["--control", "hi"], "the control language hi cannot be varied too"),
    ],
)
def test_wrong_options_are_named(
    texts: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert babelbits(called(texts, *OPTIONS, *words, "--plan")) == ExitCode.USAGE
    assert message in capsys.readouterr().err
