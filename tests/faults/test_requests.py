"""What a model cannot answer: counted, shown, never dropped; the rest of the run goes on."""

import json
from pathlib import Path

import pytest

from babelbits.errors import ExitCode
from babelbits.records import ItemRow
from babelbits.results.load import load_run
from babelbits.store import Store
from fault_files import CHOICE, WRITE, Command, own_task, own_tasks, small_study

LONG = "ord " * 600
"""More tokens than the tiny model's context of 256."""
W8 = '[[variants]]\nrecipe = "w8"\n'
CHOICES = {"choices": ["ja", "nei"], "gold": 0}
QUESTIONS = [{"q": f"spørsmål {n}", **CHOICES} for n in range(3)]


def rows_of(folder: Path) -> dict[tuple[str, int], tuple[ItemRow, ...]]:
    cells = Store(folder / "run").cells()
    return {(meta.variant, meta.replicate): rows for meta, rows in cells}


def rows_with_a_long_one() -> list[dict[str, object]]:
    texts = ("kort", LONG, "også kort")
    return [{"q": text, **CHOICES, "a": "ja"} for text in texts]


@pytest.mark.slow
def test_over_long_prompts_lose_their_beginning_and_are_counted(
    command: Command, model: Path, tmp_path: Path
) -> None:
    rows = rows_with_a_long_one()
    tasks = own_tasks(tmp_path, {"choose_nb": (CHOICE, rows), "write_nb": (WRITE, rows)})
    study = small_study(tmp_path, model=model, tasks=tasks, variants=W8, items=None)
    said = command("run", study, "--no-report")
    assert said.code == ExitCode.DONE
    assert "4 of 12 recorded items had their prompt cut at the beginning" in said.err
    cells = [rows for _, rows in Store(tmp_path / "run").cells()]
    assert [[row.truncated_tokens > 0 for row in rows] for rows in cells] == 4 * [
        [False, True, False]
    ]
    assert all(row.failure is None for rows in cells for row in rows)
    effects = [e for e in load_run(tmp_path / "run").analysis.effects if e.scope == "language"]
    assert [e.counts.n_truncated for e in effects if e.metric in ("acc", "exact_match")] == [1, 1]
    page = command("report", study, "--format", "md").out
    assert "2 of 6 prompts were longer than the context" in page


def test_over_long_prompts_fail_if_the_study_says_so(
    command: Command, model: Path, tmp_path: Path
) -> None:
    rows = rows_with_a_long_one()
    tasks = own_tasks(tmp_path, {"choose_nb": (CHOICE, rows), "write_nb": (WRITE, rows)})
    engine = 'long_prompts = "fail"'
    study = small_study(tmp_path, model=model, tasks=tasks, items=None, engine=engine)
    said = command("run", study, "--no-report")
    assert said.code == ExitCode.DONE
    assert "2 of 6 recorded items have no score (prompt_too_long 2)" in said.err
    for _, found in Store(tmp_path / "run").cells():
        assert [row.failure and row.failure.kind for row in found] == [
            None,
            "prompt_too_long",
            None,
        ]
        assert set(found[1].scores.values()) == {None}
    page = command("report", study, "--format", "md").out
    assert "choose\\_nb, baseline: 1 item failed \\(prompt too long\\)" in page


def test_a_model_that_computes_nan_is_recorded_and_called_no_result(
    command: Command, model: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    weights = model / "model.safetensors"
    tensors = load_file(weights)
    tensors["model.norm.weight"][0] = float("nan")
    save_file(tensors, weights, metadata={"format": "pt"})
    tasks = own_task(tmp_path, QUESTIONS)
    study = small_study(tmp_path, model=model, items=None, tasks=tasks, aa=True)
    said = command("run", study)
    assert said.code == ExitCode.INCOMPLETE
    assert "6 of 6 recorded items have no score (nan_logits 6)" in said.err
    assert "no result: baseline · own_nb: none of its 3 items has a score" in said.err
    found = rows_of(tmp_path)
    assert list(found) == [("baseline", 0), ("baseline", 1)]
    for rows in found.values():
        assert [row.failure and row.failure.kind for row in rows] == 3 * ["nan_logits"]
        assert {row.scores["acc"] for row in rows} == {None}
    again = command("run", study, "--no-report")
    assert again.code == ExitCode.INCOMPLETE  # nothing to do, and still no result
    assert "nothing to do" in again.err
    assert "no result" in again.err


def test_a_variant_of_a_model_with_nan_is_refused_and_the_baseline_kept(
    command: Command, model: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    weights = model / "model.safetensors"
    tensors = load_file(weights)
    tensors["model.layers.0.mlp.up_proj.weight"][0, 0] = float("nan")
    save_file(tensors, weights, metadata={"format": "pt"})
    tasks = own_task(tmp_path, QUESTIONS)
    study = small_study(tmp_path, model=model, items=None, tasks=tasks, variants=W8)
    said = command("run", study)
    assert said.code == ExitCode.INCOMPLETE
    assert "failed: w8: " in said.err
    assert list(rows_of(tmp_path)) == [("baseline", 0)]
    effects = json.loads(command("report", study, "--format", "json").out)
    assert "worse" not in json.dumps(effects.get("effects", []))
