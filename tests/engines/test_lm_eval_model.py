"""lm-eval's own evaluator runs on our engine and finds what it finds on its HF model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from babelbits.engines.lm_eval_model import as_lm_eval
from babelbits.errors import EngineError

CHOICE = {
    "task": "tiny_choice",
    "output_type": "multiple_choice",
    "doc_to_text": "Question: {{q}}\nAnswer:",
    "doc_to_choice": "{{choices}}",
    "doc_to_target": "gold",
    "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
}
GENERATION = {
    "task": "tiny_generation",
    "output_type": "generate_until",
    "doc_to_text": "Question: {{q}}\nAnswer:",
    "doc_to_target": "{{choices[gold]}}",
    "generation_kwargs": {"until": ["\n", "er"], "max_gen_toks": 16, "do_sample": False},
    "metric_list": [{"metric": "exact_match"}],
}


@pytest.fixture
def tasks(tmp_path: Path) -> list[dict[str, Any]]:
    docs = [
        {"q": f"{word} {i}?", "choices": ["fox", "dog", "der Hund"], "gold": i % 3}
        for i, word in enumerate(["狐狸", "лиса", "Fuchs", "mbwa", "कुत्ते"] * 2)
    ]
    data = tmp_path / "docs.jsonl"
    data.write_text("".join(json.dumps(doc) + "\n" for doc in docs))
    source = {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "fewshot_split": "test",
        "fewshot_config": {"sampler": "first_n"},
        "num_fewshot": 2,
    }
    return [dict(CHOICE, **source), dict(GENERATION, **source)]


def test_simple_evaluate_agrees_with_lm_evals_own_model(
    tasks: list[dict[str, Any]], engine: Callable[..., Any], harness: Callable[..., Any]
) -> None:
    import lm_eval
    from lm_eval.tasks import TaskManager

    def run(model: Any) -> Any:
        return lm_eval.simple_evaluate(
            model=model,
            tasks=[dict(task) for task in tasks],
            task_manager=TaskManager(include_defaults=False),
            bootstrap_iters=0,
        )

    ours, theirs = run(as_lm_eval(engine())), run(harness())
    assert ours["results"] == theirs["results"]
    for name in ("tiny_choice", "tiny_generation"):
        for mine, its in zip(ours["samples"][name], theirs["samples"][name], strict=True):
            assert mine["arguments"] == its["arguments"]
            if name == "tiny_generation":
                assert mine["resps"] == its["resps"]


def test_failures_and_unknown_options_are_errors(
    engine: Callable[..., Any], instances: Callable[..., list[Any]]
) -> None:
    model = as_lm_eval(engine())
    with pytest.raises(EngineError, match="request 0"):
        model.loglikelihood(instances("loglikelihood", [("x", "")]))
    with pytest.raises(EngineError, match="num_beams"):
        model.generate_until(instances("generate_until", [("x", {"until": [], "num_beams": 4})]))


def test_repeated_sampling_requests_are_different_samples(
    engine: Callable[..., Any], instances: Callable[..., list[Any]]
) -> None:
    options = {"until": [], "max_gen_toks": 12, "do_sample": True, "temperature": 1.0}
    texts = as_lm_eval(engine()).generate_until(instances("generate_until", [("x", options)] * 3))
    assert len(set(texts)) == 3
