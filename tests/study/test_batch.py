"""LLM.int8, whose numbers depend on what shares a batch: rows alone, whatever shares the run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from babelbits.cli.main import run as babelbits
from babelbits.errors import ExitCode
from babelbits.store import Store
from study_files import write_study

TinyModel = Callable[[str], Path]
VARIANT = '[[variants]]\nrecipe = "llm-int8"\nthreshold = 1.0\n'
"""Low enough for a tiny model's activations to have columns beyond it, and not all."""


def write(folder: Path, model: Path, *, engine: str, items: int = 12) -> Path:
    folder.mkdir()
    path = write_study(folder, model=model, items=items)
    text = path.read_text("utf-8").replace("batch_items = 4\n", f"{engine}\n")
    path.write_text(text.replace("[[tasks]]", f"{VARIANT}\n[[tasks]]", 1), "utf-8")
    return path


def outputs(study: Path) -> dict[str, list[Any]]:
    """What the quantized variant answered, item by item, and with what log-probabilities."""
    assert babelbits(["run", str(study), "--no-report", "--workers", "1"]) == ExitCode.DONE
    return {
        meta.task.name: [(row.output, row.choice_logprobs) for row in rows]
        for meta, rows in Store(study.parent / "run", smoke=True).cells()
        if meta.variant != "baseline"
    }


@pytest.mark.slow
def test_limit_chunk_and_budget_change_nothing_where_rows_are_alone(
    tiny_model: TinyModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And where they are not, they do: otherwise this would show nothing."""
    model = tiny_model("llama")

    def run(name: str, engine: str, items: int = 12) -> dict[str, list[Any]]:
        return outputs(write(tmp_path / name, model, engine=engine, items=items))

    alone = run("alone", "batch_items = 4")
    assert "every sequence is computed alone" in capsys.readouterr().err
    assert run("chunk", "batch_items = 5\ntoken_budget = 300") == alone
    few = run("few", "batch_items = 4", items=7)
    assert few == {name: rows[:7] for name, rows in alone.items()}
    together = run("together", 'batch_items = 4\nbatch = "many"')
    assert "numbers depend on what is computed together" in capsys.readouterr().err
    assert together != alone
    assert run("together-5", 'batch_items = 5\nbatch = "many"') != together


@pytest.mark.slow
def test_a_run_says_once_a_variant_that_prompts_are_not_shared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Qwen3.5: linear attention keeps a state."""
    from engines.test_architectures import HYBRID, random_model

    model = random_model(tmp_path / "model", "qwen3_5_text", **HYBRID)
    study = write_study(tmp_path, model=model, recipes=("w8",), items=4)
    assert babelbits(["run", str(study), "--no-report", "--workers", "2"]) == ExitCode.DONE
    told = [line for line in capsys.readouterr().err.splitlines() if "not shared" in line]
    assert [line.partition(": prompts")[0] for line in sorted(told)] == [
        "note: baseline",
        "note: w8",
    ]
