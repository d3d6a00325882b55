"""The demo from the command line: what `make demo` runs, on one item a task."""

import tomllib
from pathlib import Path

import pytest

from babelbits.cli.main import run
from babelbits.errors import ExitCode
from babelbits.llamacpp import library
from babelbits.store import Store


@pytest.mark.slow
def test_the_demo_runs_to_its_report_in_all_languages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["demo", "--folder", str(tmp_path / "demo"), "--limit", "1"]) == ExitCode.DONE
    out = capsys.readouterr().out
    report = Path(out.strip())
    assert report.name == "report.html"
    assert report.stat().st_size < 5_000_000
    store = Store(tmp_path / "demo" / "results", smoke=True)
    languages = {meta.task.language for meta, _ in store.cells()}
    assert len(languages) == 13
    assert not store.problems()


def test_without_llama_cpp_the_demo_leaves_k_quants_out_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from babelbits.cli import demo

    monkeypatch.setattr(library, "version", lambda: None)
    recipes = [one["recipe"] for one in tomllib.loads(demo._study())["variants"]]
    assert recipes == ["w8a8", "w4-g"]
    assert "babelbits[gguf]" in capsys.readouterr().err
    monkeypatch.setattr(library, "version", lambda: library.VERSION)
    recipes = [one["recipe"] for one in tomllib.loads(demo._study())["variants"]]
    assert recipes == ["w8a8", "w4-g", "q4_k_s", "q2_k_s", "q2_k_s"]
