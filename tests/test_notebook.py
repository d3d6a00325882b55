"""The notebook of examples/: its outputs are from a run, name no machine, and can be had again."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import run_notebook as runner

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "examples" / "notebook.ipynb"
ABSOLUTE = re.compile(r"(?<![\w<.:/])(?:/[A-Za-z_][\w.-]*){2,}|\b[A-Z]:\\|~/")
"""A path from the root of a file system; a closing tag or '0/150' is none."""


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def texts(notebook: dict[str, Any]) -> str:
    """Everything that the outputs say, without pictures."""
    parts = []
    for cell in code_cells(notebook):
        for output in cell["outputs"]:
            data = {"text/plain": output["text"]} if "text" in output else output["data"]
            parts += ["".join(data[kind]) for kind in data if kind.startswith("text/")]
    return "\n".join(parts)


def test_it_is_a_notebook_that_was_run_from_top_to_bottom() -> None:
    """By nbformat's description of 4.5: what a cell and an output must have."""
    notebook = runner.read(NOTEBOOK)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    cells = code_cells(notebook)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        compile(runner.source_of(cell), "<cell>", "exec")
        for output in cell["outputs"]:
            needed = {"stream": {"name", "text"}, "execute_result": {"data", "execution_count"}}
            assert needed[output["output_type"]] <= output.keys()


def test_it_shows_a_plan_effects_a_chart_and_a_verdict() -> None:
    notebook = runner.read(NOTEBOOK)
    said = texts(notebook)
    assert "<Plan first-look: 8 cells, 0 done>" in said
    assert "<Results first-look" in said
    assert "<Gate " in said
    assert "<Recommendation " in said
    kinds = {kind for cell in code_cells(notebook) for out in cell["outputs"]
             for kind in out.get("data", {})}  # fmt: skip
    assert "image/png" in kinds


def test_its_outputs_hold_no_path_of_a_machine() -> None:
    said = texts(runner.read(NOTEBOOK))
    assert ABSOLUTE.findall(said) == []
    assert str(ROOT) not in said
    assert "Traceback" not in said


def test_the_test_sees_paths() -> None:
    for path in ("in '/home/me/x.toml'", "PosixPath(/tmp/a)", "C:\\Users\\me", "~/x"):
        assert ABSOLUTE.search(path), path
    for text in ("<td>0/150</td></tr>", "bits/byte", "https://host/a/b", "first-look/report.html"):
        assert not ABSOLUTE.search(text), text


def test_a_cell_shows_what_it_prints_and_its_last_value() -> None:
    source = ["import sys\n", "print('a')\n", "print('b', file=sys.stderr)\n", "x = 2\n", "x + 1"]
    cell = {"cell_type": "code", "source": source, "outputs": [], "execution_count": None}
    silent = {**cell, "source": ["x = 3"]}
    first, second = runner.run({"cells": [cell, silent]})["cells"]
    assert first["outputs"] == [
        {"name": "stdout", "output_type": "stream", "text": ["a\n"]},
        {"data": {"text/plain": ["3"]}, "execution_count": 1, "metadata": {},
         "output_type": "execute_result"},
    ]  # fmt: skip
    assert second["outputs"] == []


@pytest.mark.slow
def test_it_runs_again_and_shows_the_same_kinds_of_things(tmp_path: Path) -> None:
    """The numbers may differ in their last digits where the processor does."""
    pytest.importorskip("torch")
    pytest.importorskip("pandas")
    copied = tmp_path / NOTEBOOK.name
    shutil.copy(NOTEBOOK, copied)
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "run_notebook.py"), copied.name],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]

    def kinds(path: Path) -> list[list[str]]:
        cells = code_cells(json.loads(path.read_text("utf-8")))
        return [[kind for out in cell["outputs"] for kind in out.get("data", {"stream": 0})]
                for cell in cells]  # fmt: skip

    assert kinds(copied) == kinds(NOTEBOOK)
    assert (tmp_path / "first-look" / "report.html").is_file()
    assert str(tmp_path) not in texts(runner.read(copied))
