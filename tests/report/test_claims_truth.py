"""What a report says, held against inputs whose truth is known by counting.

Tables are written by hand: so many items, so many that break, so many that are fixed. Every case
once made a report say something false; the expected answers follow from the counts.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from babelbits.cli.main import run
from babelbits.errors import ExitCode

Cell = tuple[int, int, int, int]
"""Items, right at first, broken, fixed."""


def write(path: Path, cells: Mapping[str, Cell], *, after: bool, parallel: bool = False) -> Path:
    """A table of right/wrong answers: 'task language' to its counts.

    The first items are right; of these the first break, of the others the first are fixed. Each
    language starts at another item, so that translations do not change together.
    """
    lines = ["item_id,language,score,task" + (",source_id" if parallel else "")]
    for number, (name, (n, right, broken, fixed)) in enumerate(cells.items()):
        task, language = name.split()
        for index in range(n):
            correct = index < right
            if after:
                correct = index >= broken if correct else index < right + fixed
            item = (index + 37 * number) % n
            source = f",s{item}" if parallel else ""
            lines.append(f"{language}-{item},{language},{int(correct)},{task}{source}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """Exit code and the JSON report of a comparison."""
    capsys.readouterr()
    code = run(["compare", *words, "--format", "json"])
    return code, json.loads(capsys.readouterr().out)


def compared(
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    cells: Mapping[str, Cell],
    *,
    options: Sequence[str] = (),
    parallel: bool = False,
) -> dict[str, Any]:
    """The report of one variant, 'q', with these counts."""
    base = write(folder / "b" / "t.csv", cells, after=False, parallel=parallel)
    variant = write(folder / "v" / "t.csv", cells, after=True, parallel=parallel)
    code, report = said(capsys, f"fp={base}", f"q={variant}", *options)
    assert code == ExitCode.DONE
    return report


def effects(report: Mapping[str, Any], scope: str) -> list[dict[str, Any]]:
    return [one for one in report["effects"] if one["scope"] == scope]


def test_nothing_is_shown_where_cells_are_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not one answer of q changes in the one cell that it has; two others it does not have."""
    cells = {"A en": (400, 200, 0, 0), "A sw": (400, 200, 0, 0), "B en": (400, 200, 0, 0)}
    base = write(tmp_path / "b" / "t.csv", cells, after=False)
    variant = write(tmp_path / "v" / "t.csv", {"A en": cells["A en"]}, after=True)
    code, report = said(capsys, f"fp={base}", f"q={variant}", "--chance", "25")
    assert code == ExitCode.INCOMPLETE
    assert [one["verdict"] for one in effects(report, "language")] == ["equivalent"]
    assert "q was shown to be unharmed" not in report["headline"]
    [verdict] = report["verdicts"]
    assert verdict["overall"] == "undecided"


def test_the_headline_covers_the_mean_over_languages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """13 languages lose 8 of 240 each (14 break, 6 are fixed): no row alone, their mean clearly."""
    codes = ("cs", "da", "de", "en", "es", "fi", "fr", "it", "nb", "nl", "pl", "pt", "sv")
    cells = {f"t {code}": (240, 144, 14, 6) for code in codes}
    report = compared(capsys, tmp_path, cells, parallel=True)
    assert {one["verdict"] for one in effects(report, "language")} == {"undecided"}
    [mean] = effects(report, "all")
    assert mean["delta"] == pytest.approx(-8 / 240)
    assert mean["verdict"] == "worse"
    assert "no variant" not in report["headline"].split(".")[0]
    assert report["verdicts"][0]["overall"] == "worse"


def test_a_baseline_that_gets_nothing_right_decides_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = compared(capsys, tmp_path, {"t en": (300, 0, 0, 0)})
    [row] = effects(report, "language")
    assert row["verdict"] == "undecided"
    assert "floor" in row["reason"]
    base, variant = tmp_path / "b" / "t.csv", tmp_path / "v" / "t.csv"
    asked = ["gate", f"q={variant}", "--baseline", str(base), "--variant", "q", "--margin", "2"]
    assert run(asked) == ExitCode.UNDECIDED


def test_what_could_have_been_seen_is_what_the_verdict_would_show(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six of 300 break: mid-p (1/2)^6 = .0156, worse. So with four, something could be seen."""
    six = compared(capsys, tmp_path / "six", {"t en": (300, 180, 6, 0)})
    [row] = effects(six, "language")
    assert (row["verdict"], row["p"]) == ("worse", pytest.approx(1 / 64))
    four = compared(capsys, tmp_path / "four", {"t en": (300, 180, 4, 0)})
    [row] = effects(four, "language")
    assert row["verdict"] == "undecided"
    assert row["minimal_detectable_effect"] is not None


def test_the_largest_loss_shown_and_the_largest_seen_are_two_things(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """English loses 3 points for certain; Swahili and Yoruba 20, of few items."""
    cells = {"t en": (4000, 2400, 140, 20), "t sw": (30, 18, 7, 1), "t yo": (30, 18, 8, 2)}
    report = compared(capsys, tmp_path, cells)
    by_code = {one["where"]: one for one in effects(report, "language")}
    assert by_code["en"]["verdict"] == "worse"
    assert by_code["sw"]["verdict"] == "undecided"
    sentence = report["verdicts"][0]["sentence"]
    assert "worst English" not in sentence
    assert "Swahili" in sentence or "Yoruba" in sentence


def test_a_large_gain_is_not_put_down_to_the_luck_of_a_small_sample(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """English gains 5 points of 4,000 items, z = 180/√220 = 12; the others are few and noisy."""
    cells = {"t en": (4000, 2000, 10, 210), "t sw": (20, 10, 4, 4), "t yo": (20, 10, 4, 4)}
    report = compared(capsys, tmp_path, cells)
    [row] = [one for one in effects(report, "language") if one["where"] == "en"]
    assert row["verdict"] == "better"
    assert "expect the gain to shrink" not in json.dumps(row)


def test_a_strict_level_does_not_hide_what_is_beyond_doubt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scores in [0, 1]: all of 200 items in 13 languages lose 0.28 to 0.32; z is above 90."""
    codes = ("cs", "da", "de", "en", "es", "fi", "fr", "it", "nb", "nl", "pl", "pt", "sv")
    for name, lost in (("b", 0.0), ("v", 0.30)):
        lines = ["item_id,language,score,task"]
        for code in codes:
            lines += [
                f"{code}-{item},{code},{0.8 - lost - 0.02 * (lost > 0) * (item % 3 - 1):.2f},t"
                for item in range(200)
            ]
        (tmp_path / name).mkdir()
        (tmp_path / name / "t.csv").write_text("\n".join(lines) + "\n")
    sources = (f"fp={tmp_path / 'b' / 't.csv'}", f"q={tmp_path / 'v' / 't.csv'}")
    _, report = said(capsys, *sources, "--alpha", "0.001")
    assert {one["verdict"] for one in effects(report, "language")} == {"worse"}


@pytest.mark.parametrize(("variants", "noted"), [(1, True), (8, False)])
def test_a_negligible_loss_is_called_real_by_the_p_of_all_that_ask(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], variants: int, noted: bool
) -> None:
    """24 of 4,000 break, 10 are fixed: mid-p .017, eight times that .14; within two points."""
    cells = {"t en": (4000, 2400, 24, 10)}
    base = write(tmp_path / "b" / "t.csv", cells, after=False)
    variant = write(tmp_path / "v" / "t.csv", cells, after=True)
    sources = [f"q{number}={variant}" for number in range(variants)]
    _, report = said(capsys, f"fp={base}", *sources, "--chance", "25")
    rows = effects(report, "language")
    assert [one["verdict"] for one in rows] == ["equivalent"] * variants
    assert rows[0]["p"] == pytest.approx(0.017, abs=0.001)
    assert all(("a real but negligible loss" in json.dumps(one)) == noted for one in rows)
