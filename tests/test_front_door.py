"""The front door: its names, its weight, and that a typed program can use it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import babelbits
from babelbits.engines import open_engine

NAMES = [
    "BabelbitsError", "Plan", "Results", "Study", "__version__", "compare_logs", "gate",
    "load_results", "load_study", "make_variant", "open_engine", "plan", "power", "recommend",
    "run", "write_report",
]  # fmt: skip


def test_these_names_and_no_others() -> None:
    assert NAMES == babelbits.__all__ == dir(babelbits)
    for name in NAMES:
        assert getattr(babelbits, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'evaluate'"):
        _ = babelbits.evaluate  # type: ignore[attr-defined]


def test_every_function_says_what_it_takes_gives_and_raises() -> None:
    for name in NAMES:
        part = getattr(babelbits, name)
        if callable(part) and not isinstance(part, type):
            assert part.__doc__ and "Parameters" in part.__doc__ and "Raises" in part.__doc__, name
        assert name in (babelbits.__doc__ or "")


def test_importing_it_loads_none_of_the_libraries() -> None:
    program = "import babelbits, sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    loaded = set(json.loads(done.stdout))
    heavy = {"numpy", "scipy", "torch", "transformers", "pyarrow", "pydantic", "click"}
    assert "babelbits" in loaded
    assert not loaded & heavy
    assert not [name for name in loaded if name.startswith("babelbits.")]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "nothing is named"),
        ({"items": 0}, "items must be at least 1, not 0"),
        ({"items": 250, "churns": (2.0,)}, "a churn is a share above 0 and at most 1, not 2"),
        ({"items": 250, "alpha": 0.7}, "alpha must lie between 0 and 0.5, not 0.7"),
        ({"items": 250, "margin": -2.0}, "a margin is a loss above 0 points, not -2"),
    ],
)
def test_power_refuses_what_it_cannot_mean(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(babelbits.BabelbitsError, match=said):
        babelbits.power(**wrong)


def test_a_comparison_needs_a_variant(tmp_path: Path) -> None:
    with pytest.raises(babelbits.BabelbitsError, match="no variant is named"):
        babelbits.compare_logs(tmp_path, [])


def test_a_format_that_no_engine_runs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the package that made a variant is gone."""
    monkeypatch.setattr(open_engine, "list_engines_for", lambda _format: ())
    with pytest.raises(babelbits.BabelbitsError, match="no engine here runs the format 'hf'"):
        babelbits.open_engine(tmp_path)


USE = """
from pathlib import Path

import babelbits

study: babelbits.Study = babelbits.load_study(Path("study.toml"))
plan: babelbits.Plan = babelbits.plan(study)
done = babelbits.run(study, progress=None)
results: babelbits.Results = babelbits.load_results(study.folder)
verdict = babelbits.gate(results, "w4", languages=["nb"], margins={"fraction": 0.02})
outcome: str = verdict.outcome
choice = babelbits.recommend(results)
babelbits.write_report(results, "report.html")
wrong: int = babelbits.gate(results, "w4")
"""


@pytest.mark.slow
def test_a_type_checker_sees_the_names(tmp_path: Path) -> None:
    """The one mistake of the program is found, and nothing else is."""
    pytest.importorskip("mypy")
    (tmp_path / "use.py").write_text(USE)
    root = Path(babelbits.__file__).parent.parent.parent
    done = subprocess.run(
        # The options and the cache of `make types`, which has read the package already.
        [sys.executable, "-m", "mypy", "--config-file", str(root / "pyproject.toml"),
         "--cache-dir", str(root / ".mypy_cache"), "use.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"MYPYPATH": str(root / "src"), "PATH": ""},
    )  # fmt: skip
    errors = [line for line in done.stdout.splitlines() if "error:" in line]
    assert len(errors) == 1, done.stdout
    assert "use.py:14: error: Incompatible types in assignment" in errors[0]
