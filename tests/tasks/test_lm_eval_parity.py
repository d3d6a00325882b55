"""Prompts, gold answers and scores of real tasks against lm-eval's own evaluator on the same rows.

The reference is `lm_eval.evaluate` on lm-eval's own YAML (by `include`), with the rows given as a
`custom_dataset`; the model is scripted, so that its answers depend on the prompts alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from babelbits.records import GenerateRequest, Item, Request, ScoreRequest
from babelbits.tasks.base import Task, TaskOptions
from babelbits.tasks.catalogue import load
from babelbits.tasks.lm_eval.index import list_installed_tasks
from babelbits.tasks.local_data import read_local
from tasks.scripted import ScriptedLM, replies

pytestmark = pytest.mark.shared_data

LIMIT = 24
ROWS = """
import json
from datasets import Dataset

def load(**_):
    with open({path!r}, encoding="utf-8") as file:
        return {{split: Dataset.from_list(rows) for split, rows in json.load(file).items()}}
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    suite: str
    language: str
    shots: int
    dataset: str
    config: str

    @property
    def folder(self) -> str:
        return self.suite.partition("-")[0]


CASES = [
    Case(name=name, suite=suite, language=language, shots=shots, dataset=dataset, config=config)
    for name, suite, language, shots, dataset, config in [
        ("mgsm_direct_ja", "mgsm", "ja", 0, "juletxara/mgsm", "ja"),
        ("mgsm_direct_sw", "mgsm", "sw", 8, "juletxara/mgsm", "sw"),
        ("mgsm_native_cot_bn", "mgsm-native-cot", "bn", 2, "juletxara/mgsm", "bn"),
        ("xcopa_th", "xcopa", "th", 0, "cambridgeltl/xcopa", "th"),
        ("xcopa_zh", "xcopa", "zh", 3, "cambridgeltl/xcopa", "zh"),
        ("xwinograd_jp", "xwinograd", "ja", 0, "Muennighoff/xwinograd", "jp"),
    ]
]


@dataclass(frozen=True, kw_only=True)
class Run:
    """Our tasks, the scripted model, and lm-eval's samples: one a document and filter."""

    tasks: Mapping[str, Task]
    model: ScriptedLM
    samples: Mapping[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def run(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    tasks = {
        case.name: load(
            case.suite,
            case.language,
            TaskOptions(shots=case.shots, data=shared_data / case.folder, limit=LIMIT),
        )
        for case in CASES
    }
    items = [item for task in tasks.values() for item in task.items()]
    model = ScriptedLM({prompt(item): item.target for item in items})
    folder = tmp_path_factory.mktemp("reference")
    for case in CASES:
        write_reference(case, shared_data, folder)
    return Run(tasks=tasks, model=model, samples=lm_eval_samples(folder, model))


def write_reference(case: Case, shared_data: Path, folder: Path) -> None:
    """lm-eval's own task, with its rows from a file and the first n few-shot examples."""
    rows = folder / f"{case.name}.json"
    held = read_local(case.dataset, case.config, shared_data / case.folder)
    rows.write_text(json.dumps(held.splits), encoding="utf-8")
    (folder / f"rows_{case.name}.py").write_text(ROWS.format(path=str(rows)), encoding="utf-8")
    (folder / f"{case.name}.yaml").write_text(
        f"include: {list_installed_tasks()[case.name]}\ntask: {case.name}\n"
        f"custom_dataset: !function rows_{case.name}.load\n"
        f"num_fewshot: {case.shots}\nfewshot_config: {{sampler: first_n}}\n",
        encoding="utf-8",
    )


def lm_eval_samples(folder: Path, model: ScriptedLM) -> Mapping[str, list[dict[str, Any]]]:
    from lm_eval import evaluate
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_defaults=False, include_path=str(folder))
    tasks = manager.load([case.name for case in CASES])["tasks"]
    for task in tasks.values():
        task.set_fewshot_seed(1234)
    found: Mapping[str, list[dict[str, Any]]] = evaluate(
        model, tasks, limit=LIMIT, bootstrap_iters=0
    )["samples"]
    return found


def arguments(request: Request) -> tuple[Any, ...]:
    match request:
        case ScoreRequest():
            return request.context, request.continuation
        case GenerateRequest():
            return request.prompt, list(request.stop)
    raise TypeError(request)


def lm_eval_arguments(sample: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (one[0], one[1]["until"] if isinstance(one[1], dict) else one[1])
        for one in sample["arguments"]
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_prompts_gold_and_scores_are_lm_evals(run: Run, case: Case) -> None:
    task = run.tasks[case.name]
    items = task.items()
    assert task.info.name == case.name
    assert len(items) == LIMIT
    seen = set()
    for sample in run.samples[case.name]:
        item = items[sample["doc_id"]]
        assert [arguments(request) for request in item.requests] == lm_eval_arguments(sample)
        assert item.target == gold(sample, item)
        outcome = task.score(item, replies(run.model, item))
        assert outcome.failure is None
        for metric in sample["metrics"]:
            several = f"{metric}[{sample['filter']}]"
            ours = outcome.scores.get(several, outcome.scores.get(metric))
            assert ours == sample[metric]
        seen.add(outcome.scores[task.info.primary])
    assert seen == {0.0, 1.0}, "a test that sees both outcomes"


def prompt(item: Item) -> str:
    request = item.requests[0]
    return request.prompt if isinstance(request, GenerateRequest) else request.context


def gold(sample: dict[str, Any], item: Item) -> str:
    """lm-eval's target: an index into the choices, or the answer itself."""
    match sample["doc"]:
        case {"choice1": first, "choice2": second, "label": label}:
            choice = (first, second)[label]
            return str(choice[0].lower() + choice[1:])
        case {"option1": first, "option2": second, "answer": answer, "sentence": sentence}:
            return str(sentence.partition("_")[0] + {"1": first, "2": second}[answer])
        case _:
            return str(sample["target"])
