"""Few-shot examples that a task's authors chose: prompts against lm-eval's own."""

import json
from pathlib import Path

import pytest

from babelbits.errors import TaskError
from babelbits.records import GenerateRequest
from babelbits.tasks.base import Task, TaskOptions
from babelbits.tasks.catalogue import load

TASK = """
task: shown_thing
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/test.jsonl, dev: {folder}/dev.jsonl}}}}
test_split: test
output_type: generate_until
doc_to_text: "Q: {{{{q}}}}\\nA:"
doc_to_target: "{{{{a}}}}"
generation_kwargs: {{until: ["\\n"], do_sample: false}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
"""
WRITTEN = """
num_fewshot: 2
fewshot_config:
  samples:
    - {q: "first by hand", a: "1"}
    - {q: "second by hand", a: "2"}
"""
ORDERED = "num_fewshot: 3\nfewshot_split: dev\nfewshot_config: {sampler: first_n}\n"
OWN = "num_fewshot: 2\nfewshot_split: dev\nfewshot_config: {sampler: !function own.Last}\n"
SAMPLER = """
from lm_eval.api.samplers import ContextSampler


class Last(ContextSampler):
    def sample(self, n, eval_doc=None, df=None, **kwargs):
        return list(self.df)[-n:]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for split, count in (("test", 3), ("dev", 6)):
        rows = [json.dumps({"q": f"{split} {n}", "a": str(n)}) for n in range(count)]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(rows))
    (tmp_path / "own.py").write_text(SAMPLER)
    return tmp_path


def task(folder: Path, examples: str, **options: int) -> Task:
    (folder / "thing.yaml").write_text(TASK.format(folder=folder) + examples)
    return load("shown_thing", "en", TaskOptions(include_path=folder, **options))


def prompts(found: Task) -> list[str]:
    requests = [item.requests[0] for item in found.items()]
    return [one.prompt for one in requests if isinstance(one, GenerateRequest)]


def lm_eval_prompts(folder: Path, seed: int) -> list[str]:
    """What lm-eval itself would send."""
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_defaults=False, include_path=str(folder))
    (theirs,) = manager.load(["shown_thing"])["tasks"].values()
    theirs.set_fewshot_seed(seed)
    theirs.build_all_requests()
    return [one.args[0] for one in theirs.instances]


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("shots", [ORDERED, OWN], ids=["first_n", "own sampler"])
def test_what_the_authors_chose_is_what_lm_eval_shows(folder: Path, shots: str, seed: int) -> None:
    found = prompts(task(folder, shots, seed=seed))
    assert found == lm_eval_prompts(folder, seed)
    last = "Q: dev 4\nA: 4\n\nQ: dev 5\nA: 5\n\n"
    assert found[0].startswith(last if shots is OWN else "Q: dev 0\nA: 0\n\nQ: dev 1\nA: 1\n\n")


@pytest.mark.parametrize("seed", [0, 7])
def test_examples_written_by_hand_stand_in_their_order(folder: Path, seed: int) -> None:
    """lm-eval would shuffle the same two for every item."""
    found = task(folder, WRITTEN, seed=seed)
    head = "Q: first by hand\nA: 1\n\nQ: second by hand\nA: 2\n\n"
    assert prompts(found) == [f"{head}Q: test {n}\nA:" for n in range(3)]
    theirs = lm_eval_prompts(folder, seed)
    assert [sorted(one.split("\n\n")) for one in theirs] == [
        sorted(one.split("\n\n")) for one in prompts(found)
    ]
    assert not found.info.notes


def test_a_sampler_of_the_tasks_own_is_told_of(folder: Path) -> None:
    assert any("the task's own Last" in note for note in task(folder, OWN).info.notes)


def test_more_than_were_written_by_hand_are_refused(folder: Path) -> None:
    with pytest.raises(TaskError, match="2 few-shot examples, 3 were asked for"):
        task(folder, WRITTEN, shots=3).items()
