"""Whole runs of the real lm-eval on tiny models: what it writes, we read, pair and refuse."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from babelbits.errors import UnpairedItemsError
from babelbits.interop.join import join
from babelbits.interop.readers.detect import read_run
from babelbits.interop.readers.record import ForeignRun
from tiny_models import make_tiny

pytestmark = pytest.mark.slow

LANGUAGES = ("de", "sw")
YAML = """
task: copa_{language}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/{language}.jsonl, dev: {folder}/{language}.jsonl}}}}
test_split: test
fewshot_split: dev
output_type: multiple_choice
doc_to_text: "{{{{q}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: gold
metric_list: [{{metric: acc}}, {{metric: acc_norm}}]
metadata: {{version: 1.0}}
"""


@pytest.fixture(scope="module")
def evaluate(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Path, Any]]:
    """Run lm-eval's evaluator and its own tracker; returns the output folder and the results."""
    pytest.importorskip("lm_eval")
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    root = tmp_path_factory.mktemp("runs")
    for language in LANGUAGES:
        rows = [
            {"q": f"{language} {k}:", "choices": [f"a{k}", f"bb{k}", f"c{k}"], "gold": k % 3}
            for k in range(12)
        ]
        (root / f"{language}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        (root / f"{language}.yaml").write_text(YAML.format(language=language, folder=root))
    models = {seed: make_tiny("llama", root / f"model{seed}", seed=seed) for seed in (0, 1)}

    def run(name: str, *, model: int, shots: int, seed: int = 1234) -> tuple[Path, Any]:
        output = root / name
        tracker = EvaluationTracker(output_path=str(output))
        found = simple_evaluate(
            model="hf",
            model_args={"pretrained": str(models[model]), "dtype": "float32"},
            tasks=[f"copa_{language}" for language in LANGUAGES],
            task_manager=TaskManager(include_path=str(root), include_defaults=False),
            num_fewshot=shots,
            fewshot_random_seed=seed,
            batch_size=8,
            device="cpu",
            evaluation_tracker=tracker,
        )
        whole = json.loads(json.dumps(found, default=str))
        samples = found.pop("samples")
        tracker.save_results_aggregated(results=found, samples=samples)
        for task, rows in samples.items():
            tracker.save_results_samples(task_name=task, samples=rows)
        return output, whole

    return run


@pytest.fixture(scope="module")
def baseline(evaluate: Callable[..., tuple[Path, Any]]) -> tuple[Path, Any]:
    return evaluate("base", model=0, shots=2)


def read(run: tuple[Path, Any]) -> ForeignRun:
    return read_run(run[0])


def test_two_models_pair_and_keep_lm_evals_means(
    evaluate: Callable[..., tuple[Path, Any]], baseline: tuple[Path, Any]
) -> None:
    """Expected: the means in what `simple_evaluate` itself returned."""
    other = evaluate("other", model=1, shots=2)
    found = join(read(baseline), {"other": read(other)})
    assert [(one.matched, one.whole) for one in found.matches] == [(12, True)] * 2
    for cell in found.cells:
        results = (other if cell.meta.variant == "other" else baseline)[1]["results"]
        for metric in ("acc", "acc_norm"):
            scores = [row.scores[metric] or 0.0 for row in cell.rows]
            expected = results[cell.meta.task.name][f"{metric},none"]
            assert sum(scores) / len(scores) == pytest.approx(expected)
        assert cell.meta.task.metric("acc").chance == pytest.approx(1 / 3)


def test_what_is_in_memory_and_on_disk_pairs(baseline: tuple[Path, Any], tmp_path: Path) -> None:
    file = tmp_path / "whole.json"
    file.write_text(json.dumps(baseline[1]))
    found = join(read(baseline), {"memory": read_run(file)})
    assert all(one.whole for one in found.matches)
    assert any("same model twice" in note for note in found.notes)


def test_another_seed_and_other_shots_are_refused(
    evaluate: Callable[..., tuple[Path, Any]], baseline: tuple[Path, Any]
) -> None:
    reseeded = evaluate("reseeded", model=1, shots=2, seed=42)
    with pytest.raises(UnpairedItemsError) as error:
        join(read(baseline), {"other": read(reseeded)}, matched_only=True)
    assert "fewshot_seed is '42', the baseline's is '1234'" in str(error.value)
    assert "prompts differ, with another fewshot_seed" in str(error.value)
    bare = evaluate("bare", model=1, shots=0)
    with pytest.raises(UnpairedItemsError, match="num_fewshot is '0', the baseline's is '2'"):
        join(read(baseline), {"other": read(bare)})
