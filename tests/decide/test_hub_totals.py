"""The hub's totals as evidence: differences by hand, no standard error, and never a test."""

from pathlib import Path

import pytest

from babelbits.cli.main import run
from babelbits.decide.hub_totals import compare_totals
from babelbits.errors import ExitCode, StudyError
from babelbits.interop.readers import hub_results


def written(folder: Path, totals: dict[str, float]) -> Path:
    """A model's folder as the hub keeps it."""
    place = folder / ".eval_results"
    place.mkdir(parents=True)
    entry = "- dataset:\n    id: juletxara/mgsm\n    task_id: {}\n  value: {}\n"
    text = "".join(entry.format(name, value) for name, value in totals.items())
    (place / "some.yaml").write_text(text)
    return folder


def test_differences_of_totals_have_no_standard_error(tmp_path: Path) -> None:
    """0.41 - 0.50 and 62 % - 60 %."""
    base = written(tmp_path / "base", {"mgsm_direct_sw": 0.5, "mgsm_direct_ja": 0.7, "odd": 0.1})
    less = written(tmp_path / "w4", {"mgsm_direct_sw": 0.41, "odd": 0.1, "mgsm_direct_de": 0.3})
    source, notes = compare_totals(base, {"w4": less}, model="m")
    [row] = source.rows
    assert (row.task, row.language, row.standard_error) == ("mgsm", "sw", None)
    assert row.delta == pytest.approx(-0.09)
    assert notes[0].startswith("1 difference of the hub's totals is shown and not fitted")
    assert notes[1] == "w4 on mgsm: sw −9.0 points"
    assert notes[2] == "totals without a counterpart or a language: odd and mgsm_direct_de"
    before = written(tmp_path / "p", {"mgsm_direct_sw": 60})
    after = written(tmp_path / "q", {"mgsm_direct_sw": 62})
    [row] = compare_totals(before, {"q": after}, model="m")[0].rows
    assert row.delta == pytest.approx(0.02)


def test_totals_without_a_counterpart_are_an_error(tmp_path: Path) -> None:
    base = written(tmp_path / "base", {"mgsm_direct_sw": 0.5})
    with pytest.raises(StudyError, match="no total of a variant has a counterpart"):
        compare_totals(base, {"w4": written(tmp_path / "w4", {"x": 1})}, model="m")


def test_meta_shows_totals_and_fits_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = written(tmp_path / "base", {f"mgsm_direct_{x}": 0.5 for x in ("sw", "ja", "de")})
    less = written(tmp_path / "w4", {f"mgsm_direct_{x}": 0.4 for x in ("sw", "ja", "de")})
    run(["meta", "--logs", "m", str(base), str(less)])
    told = capsys.readouterr()
    assert "3 differences of the hub's totals are shown and not fitted" in told.err
    assert "p =" not in told.out


def test_what_is_read_is_what_is_written(tmp_path: Path) -> None:
    base = written(tmp_path / "base", {"mgsm_direct_sw": 0.41})
    for path in (base, base / ".eval_results", base / ".eval_results" / "some.yaml"):
        assert hub_results.read_totals(path) == {"mgsm_direct_sw": 0.41}
    assert run(["compare", str(base), str(base)]) == ExitCode.USAGE
