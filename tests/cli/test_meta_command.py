"""`babelbits meta` from run folders, tables and other tools' results to streams and exit codes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from babelbits.analysis import CellResult
from babelbits.cli.main import run
from babelbits.decide.evidence import make_rows
from babelbits.errors import ExitCode
from babelbits.records import Manifest
from babelbits.results.load import load_run
from babelbits.store.codec import dumps, from_json
from compare_cells import right_wrong
from decision_cells import Scores, study_cells
from run_folders import STUDY, record

SIZES = {"baseline": 16.0, "w8": 8.0, "w4": 4.0}
LANGUAGES = ("en", "de", "fr", "ja", "ar", "ru")


def table(*, broke: int, fixed: int) -> Scores:
    """100 items, 80 right before."""
    return right_wrong(both_right=80 - broke, broke=broke, fixed=fixed, both_wrong=20 - fixed)


def cells(luck: int, *, smoke: bool = False) -> list[CellResult]:
    """Few bits harm: 4 of 100 items net in English, and `luck` more."""
    light = {code: table(broke=3, fixed=3 + k % 2) for k, code in enumerate(LANGUAGES)}
    heavy = {
        code: table(broke=7 + luck + k % 2, fixed=3 + k % 3) for k, code in enumerate(LANGUAGES)
    }
    found = study_cells(light, variant="w8", aa=False, smoke=smoke)
    more = study_cells(heavy, variant="w4", aa=False, smoke=smoke)
    return found + [one for one in more if one.meta.variant == "w4"]


def study(folder: Path, model: str, luck: int, *, smoke: bool = False) -> Path:
    """A run folder of a model of its own."""
    text = STUDY.replace("somewhere/else", model)
    record(folder, cells(luck, smoke=smoke), sizes=SIZES, study=text, smoke=smoke)
    for path in folder.rglob("manifest.json"):
        made = from_json(Manifest, json.loads(path.read_bytes()), where=str(path))
        path.write_bytes(dumps(replace(made, base_hash=f"hash of {model}")))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    made = tmp_path_factory.mktemp("meta")
    return [
        str(study(made / f"{name}.run", f"org/{name}", luck))
        for name, luck in (("a", 0), ("b", 1), ("c", -1), ("d", 1), ("e", -1), ("f", 0))
    ]


def test_errors_are_those_of_paired_differences(folders: list[str]) -> None:
    """By hand: 7 broke and 3 fixed of 100 in English, steadied with the other languages'."""
    source = make_rows(load_run(Path(folders[0])), source="a")
    [row] = [one for one in source.rows if (one.variant, one.language) == ("w4", "en")]
    own = (10 - 4**2 / 100) / 99
    heavy = [(7 + k % 2, 3 + k % 3) for k in range(6)]
    common = sum((b + f - (b - f) ** 2 / 100) / 99 for b, f in heavy) / 6
    assert row.standard_error == pytest.approx(((100 * own + 4 * common) / 104 / 100) ** 0.5)
    assert row.delta == pytest.approx(-4 / 100)
    assert (row.bits, row.size, row.method) == (4.0, 7e6, "w4")
    assert source.models == {"org/a": "hash of org/a"}
    first, second = row.halves
    assert (first[0] + second[0]) / 2 == pytest.approx(row.delta)


def test_more_bits_less_harm(folders: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """True by construction: the light variants gain half a point, the heavy lose 3 or 4."""
    assert run(["meta", *folders, "--shares", "commoncrawl-2026-04"]) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert "bits: +1.0 points per bit a weight" in out
    assert "less harm is shown" in out
    assert "script: not Latin" in out
    [line] = [one for one in out.splitlines() if one.startswith("share: ")]
    assert "per tenfold share of the corpus" in line
    assert "is shown" not in line  # harm has nothing to do with the share here
    assert "mean change over 6 models and 6 languages" in out
    assert "bits: the interval stays on its side of 0 without any one model" in out
    assert "size is not in the fit: the same everywhere" in err
    assert "nobody drew at random" in err


def test_json_has_the_same(folders: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["meta", *folders, "--json"]) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "babelbits.meta/1"
    [unit] = found["units"]
    assert unit["questions"][0]["answer"] == "shown"
    assert unit["questions"][0]["coefficient"]["estimate"] == pytest.approx(0.01, abs=0.002)
    assert len(unit["without"]) == 6
    assert len(unit["rows"]) == 72
    assert any("less harm is shown" in one for one in unit["sentences"])


def test_published_numbers_stand_in_the_picture_alone(
    folders: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "published.csv"
    path.write_text("model,variant,task,language,delta,unit\nPaper,awq,mmlu,en,-1.5,points\n")
    stem = tmp_path / "forest"
    assert run(["meta", *folders, str(path), "--picture", str(stem)]) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert "1 effect shown and not fitted: no standard error" in err
    assert "over 6 models" in out
    svg = stem.with_suffix(".svg").read_text("utf-8")
    assert "Paper · awq" in svg
    assert "no interval" in svg
    assert "all models" in svg
    assert stem.with_suffix(".png").stat().st_size > 0


def test_results_of_other_tools(
    folders: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, lost in (("fp16", 0), ("w4", 30)):
        rows = [f"q{k},{code},{int(k >= lost)}" for code in ("en", "ja", "de") for k in range(200)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["item_id,language,score", *rows]))
    logs = ["--logs", "Other", str(tmp_path / "fp16.csv"), str(tmp_path / "w4.csv")]
    facts = tmp_path / "facts.csv"
    facts.write_text("model,variant,bits,size\nOther,w4,4.3,1e9\n")
    assert run(["meta", *folders, *logs, "--facts", str(facts), "--json"]) == ExitCode.DONE
    [unit] = json.loads(capsys.readouterr().out)["units"]
    ours = [row for row in unit["rows"] if row["model"] == "Other"]
    assert {row["bits"] for row in ours} == {4.3}
    assert {row["delta"] for row in ours} == {-0.15}
    assert "Other" in unit["models"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name run folders"),
        (("nowhere.run",), "there is no such run folder"),
        (("{0}", "{0}"), "the same model twice, 'org/a'"),
        (("{0}", "other={0}"), "the same model twice, 'org/a' and 'other'"),
        (("{0}", "{1}", "-m", "scrpt"), "did you mean 'script'?"),
        (("{0}", "{1}", "-m", "share"), "of which corpus are shares meant?"),
        (("{0}", "{1}", "--shares", "commoncrawl"), "did you mean 'commoncrawl-2026-04'?"),
        (("{0}", "{1}", "--difference", "-1"), "expected POINTS or NAME=SIZE"),
    ],
)
def test_bad_input_says_what_to_do(
    folders: list[str], words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["meta", *(word.format(*folders) for word in words)]) == ExitCode.USAGE
    assert said in capsys.readouterr().err


def test_one_study_alone_is_not_generalised(
    folders: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["meta", folders[0]]) == ExitCode.DONE
    assert "one model: nothing can be said beyond it" in capsys.readouterr().out
