"""The base package alone: comparing and reporting without anything large."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

LOGS = Path(__file__).parent / "interop" / "readers" / "fixtures"
PROJECT = Path(__file__).parent.parent / "pyproject.toml"
LARGE = (
    *("torch", "transformers", "pyarrow", "vl_convert", "statsmodels", "evalica", "pandas"),
    *("lm_eval", "datasets", "huggingface_hub", "yaml"),
)
_WITHOUT = f"""
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {LARGE!r}:
            raise ModuleNotFoundError("not here", name=name)
sys.meta_path.insert(0, Nothing())
"""


def without_large(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A program of an interpreter that has none of the large libraries."""
    return subprocess.run(
        [sys.executable, "-c", _WITHOUT + program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )


COMMAND = "from babelbits.cli.main import run; sys.exit(run(sys.argv[1:]))"


def test_none_of_the_large_is_a_dependency() -> None:
    named = " ".join(tomllib.loads(PROJECT.read_text("utf-8"))["project"]["dependencies"])
    assert not [one for one in LARGE if one.replace("_", "-") in named]


def test_compare_writes_the_page_with_its_pictures(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    sources = (str(LOGS / "lm_eval" / "base"), f"w4={LOGS / 'lm_eval' / 'w4'}")
    done = without_large(COMMAND, "compare", *sources, "--html", str(page))
    assert done.returncode == 0, done.stderr
    assert "Swahili" in done.stdout
    text = page.read_text("utf-8")
    assert text.count("<svg") >= 3  # one a task
    assert 'aria-label="Swahili, w4 on' in text


def test_effects_are_plain_columns() -> None:
    program = """
import babelbits, json
results = babelbits.compare_logs(sys.argv[1], [sys.argv[2]])
print(json.dumps([type(results.effects).__name__, len(results.effects["delta"]),
                  len(results.analysis.effects)]))
"""
    done = without_large(program, str(LOGS / "lm_eval" / "base"), str(LOGS / "lm_eval" / "w4"))
    kind, columns, effects = json.loads(done.stdout)
    assert (kind, columns) == ("dict", effects)


def test_logs_in_parquet_say_what_to_install() -> None:
    sources = (str(LOGS / "lighteval" / "base"), str(LOGS / "lighteval" / "w4"))
    done = without_large(COMMAND, "compare", *sources)
    assert done.returncode == 2
    assert "a Parquet file needs pyarrow\n  pip install 'babelbits[runs]'" in done.stderr


def test_run_folders_say_what_to_install() -> None:
    program = """
from pathlib import Path
from babelbits.store import codec
try:
    codec.read_parquet(Path("x"))
except Exception as error:
    print(error)
"""
    assert without_large(program).stdout == (
        "a run folder, which has Parquet files, needs pyarrow\n  pip install 'babelbits[runs]'\n"
    )


def test_charts_as_files_say_what_to_install(tmp_path: Path) -> None:
    program = """
from babelbits.report import svg
from pathlib import Path
try:
    svg.write(None, Path(sys.argv[1]))
except Exception as error:
    print(error)
"""
    done = without_large(program, str(tmp_path / "chart"))
    assert done.stdout == (
        "a chart as a file needs vl-convert-python\n  pip install 'babelbits[export]'\n"
    )
