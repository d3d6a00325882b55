"""The demo from the command line: what `make demo` runs, on one item a task."""

import tomllib
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from babelbits.cli import demo
from babelbits.cli.main import run
from babelbits.errors import ExitCode
from babelbits.llamacpp import library
from babelbits.store import Store


@pytest.mark.slow
def test_the_demo_runs_to_its_report_in_all_languages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["demo", "--folder", str(tmp_path / "demo"), "--limit", "1"]) == ExitCode.DONE
    captured = capsys.readouterr()
    reports = [Path(line) for line in captured.out.splitlines()]
    assert [one.name for one in reports] == ["report.html"] * len(reports)
    assert all(one.stat().st_size < 5_000_000 for one in reports)
    if library.find_version() is not None:
        assert len(reports) == 2
        assert "RECONSTRUCTED" in captured.err
        assert "SMOKE run: nothing here is a result" in captured.err
        page = (tmp_path / "demo" / "paper-b-smoke.md").read_text("utf-8")
        assert "Nothing here is a result" in page
        # Per task: three levels, two other matrices, asked in two languages.
        assert sum(line.startswith("| q") and "| ml " in line for line in page.splitlines()) >= 18
    store = Store(tmp_path / "demo" / "results", smoke=True)
    languages = {meta.task.language for meta, _ in store.cells()}
    assert len(languages) == 13
    assert not store.problems()


def test_without_llama_cpp_the_demo_leaves_k_quants_out() -> None:
    recipes = [one["recipe"] for one in _variants(demo._study(has_llama_cpp=False))]
    assert recipes == ["w8a8", "w4-g"]
    recipes = [one["recipe"] for one in _variants(demo._study(has_llama_cpp=True))]
    assert recipes == ["w8a8", "w4-g", "q4_k_s", "q2_k_s"]


def test_paper_b_in_the_demo_has_the_papers_design() -> None:
    """Borgersen & Goodwin (2025): three levels, matrices in en, nb and ml, asked in en and nb."""
    text = demo._shipped("demo_paper_b.toml")
    made = [(one["recipe"], _language(one["calibration"])) for one in _variants(text)]
    assert made == list(product(("q4_k_s", "q3_k_s", "q2_k_s"), ("en", "nb", "ml")))
    tasks = tomllib.loads(text)["tasks"]
    assert [one["suite"] for one in tasks] == ["pairs", "math", "text"]
    assert all(one["languages"] == ["en", "nb"] for one in tasks)


def test_study_files_that_are_there_are_left_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text("mine")
    assert demo._written(file, "theirs").read_text() == "mine"


def _variants(text: str) -> list[dict[str, Any]]:
    return list(tomllib.loads(text)["variants"])


def _language(calibration: str | dict[str, Any]) -> str:
    return calibration if isinstance(calibration, str) else str(calibration["language"])
