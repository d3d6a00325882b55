"""Our engine and tasks against lm-evaluation-harness's evaluator and HF model, same weights, fp32.

For every task: are the prompts the same (hash over all of them), how far apart are log-likelihoods
at most (nats), which share of generations is identical, and are lm-eval's own aggregate metrics
the means of our items' scores.

    python bench/parity.py --data FOLDER [--model FOLDER] [--items 5] [--only mgsm] [--json]

FOLDER holds `mgsm/`, `xcopa/`, `xwinograd/`, `mmlu_en/` and `sib200_flores/` as their authors
publish them. lm-eval reads its own YAML with the same rows and the same first examples. MGSM has
two examples here, so that prompts fit the bundled model; MMLU has its five.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from babelbits.bundled import find_bundled_model
from babelbits.engines.base import EngineSettings
from babelbits.engines.transformers import load as load_engine
from babelbits.records import GenerateRequest, Generation, Item, Reply, Score, ScoreRequest, digest
from babelbits.tasks import catalogue
from babelbits.tasks.base import TaskOptions
from babelbits.tasks.lm_eval.adapter import find_packaged_yaml
from babelbits.tasks.lm_eval.index import list_installed_tasks
from babelbits.tasks.lm_eval.suite import LmEvalSuite
from babelbits.tasks.local_data import read_local
from babelbits.tasks.suites.mmlu import SUBJECTS

SIB = ("en", "nb", "ja", "sw", "ar")
MINE = """
dataset_path: my/data
test_split: test
fewshot_split: dev
num_fewshot: 2
doc_to_text: "Q: {{q}}\\nA:"
"""
MY_TASKS = {
    "mine_choice": MINE
    + """output_type: multiple_choice
doc_to_choice: "{{choices}}"
doc_to_target: gold
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
""",
    "mine_written": MINE
    + """output_type: generate_until
doc_to_target: "{{choices[gold]}}"
generation_kwargs: {until: ["\\n"], do_sample: false, max_gen_toks: 16}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true}
""",
}
ROWS = """
import json
from datasets import Dataset

def load(**_):
    with open({path!r}, encoding="utf-8") as file:
        return {{split: Dataset.from_list(rows) for split, rows in json.load(file).items()}}
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A cell of ours, and the lm-eval tasks that it must equal."""

    suite: str
    language: str
    folder: Path
    shots: int
    limit: int
    include_path: Path | None = None

    @property
    def info(self) -> LmEvalSuite:
        """What the suite is."""
        found = catalogue.find_info(self.suite, include_path=self.include_path)
        assert isinstance(found, LmEvalSuite)
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """lm-eval's tasks: one, or MMLU's subjects."""
        upstream = self.info.upstream.get(self.language, self.language)
        names = self.info.parts or (self.info.lm_eval_task,)
        return tuple(name.format(upstream) for name in names)


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a cell compares."""

    suite: str
    language: str
    n: int
    shots: int
    same_prompts: bool
    prompts: str
    """Hash of all prompts and continuations, in lm-eval's order."""
    largest_difference: float | None
    """Nats; None where the model writes."""
    same_generations: float | None
    same_metrics: bool
    metrics: dict[str, float]


def cases(data: Path, own: Path, *, items: int) -> Iterator[Case]:
    """All cells, in the order of the table."""
    shots = {"mgsm": 2, "xcopa": 0, "xwinograd": 0}
    for suite, count in shots.items():
        for language in catalogue.find_info(suite).languages:
            yield Case(suite=suite, language=language, folder=data / suite, shots=count,
                       limit=items)  # fmt: skip
    subjects = len(SUBJECTS)
    yield Case(suite="mmlu", language="en", folder=data / "mmlu_en", shots=5, limit=subjects)
    for language in SIB:
        yield Case(suite="sib200", language=language, folder=data / "sib200_flores", shots=0,
                   limit=items)  # fmt: skip
    for name in write_own_tasks(own):
        yield Case(suite=name, language="nb", folder=own / "data", shots=2, limit=items,
                   include_path=own / "yaml")  # fmt: skip


def write_own_tasks(folder: Path) -> Sequence[str]:
    """A user's YAML tasks with their data."""
    (folder / "yaml").mkdir()
    (folder / "data").mkdir()
    for name, text in MY_TASKS.items():
        (folder / "yaml" / f"{name}.yaml").write_text(f"task: {name}\n{text}", encoding="utf-8")
    rows = [
        {"q": f"{a} + {b} =", "choices": [str(a + b), str(a + b + 1), "å"], "gold": 0}
        for a in range(2, 9)
        for b in range(2, 9)
    ]
    for split, held in (("dev", rows[:3]), ("test", rows[3:])):
        text = "".join(json.dumps(row) + "\n" for row in held)
        (folder / "data" / f"{split}.jsonl").write_text(text, encoding="utf-8")
    return tuple(MY_TASKS)


def write_reference(case: Case, name: str, folder: Path) -> None:
    """lm-eval's own task, with its rows from a file and the first n examples."""
    yaml = (
        find_packaged_yaml(case.info.packaged)
        if case.info.packaged
        else (
            case.include_path / f"{name}.yaml"
            if case.include_path
            else list_installed_tasks()[name]
        )
    )
    upstream = case.info.upstream.get(case.language, case.language)
    config = name.removeprefix("mmlu_") if case.suite == "mmlu" else upstream
    dataset = case.info.hub_dataset or "my/data"
    held = read_local(dataset, None if case.include_path else config, case.folder)
    rows = folder / f"{name}.json"
    rows.write_text(json.dumps(held.splits), encoding="utf-8")
    (folder / f"rows_{name}.py").write_text(ROWS.format(path=str(rows)), encoding="utf-8")
    (folder / f"{name}.yaml").write_text(
        f"include: {yaml}\ntask: {name}\ncustom_dataset: !function rows_{name}.load\n"
        f"num_fewshot: {case.shots}\nfewshot_config: {{sampler: first_n}}\n",
        encoding="utf-8",
    )


def reference(case: Case, model: Any, folder: Path) -> dict[str, Any]:
    """What lm-eval's evaluator makes of it: results and samples by task."""
    from lm_eval import evaluate
    from lm_eval.tasks import TaskManager

    for name in case.names:
        write_reference(case, name, folder)
    tasks = TaskManager(include_defaults=False, include_path=str(folder)).load(list(case.names))
    for task in tasks["tasks"].values():
        task.set_fewshot_seed(1234)
    limit = 1 if len(case.names) > 1 else case.limit
    return dict(evaluate(model, tasks["tasks"], limit=limit, bootstrap_iters=0))


def ask(engine: Any, items: Sequence[Item]) -> list[list[Reply]]:
    """Our engine's replies, item by item."""
    requests = [request for item in items for request in item.requests]
    scored = isinstance(requests[0], ScoreRequest)
    replies = iter(engine.score(requests) if scored else engine.generate(requests))
    return [[next(replies) for _ in item.requests] for item in items]


def compare(case: Case, engine: Any, model: Any, folder: Path) -> Result:
    """One cell, asked by both."""
    options = TaskOptions(
        limit=case.limit, shots=case.shots, data=case.folder, include_path=case.include_path
    )
    task = catalogue.load(case.suite, case.language, options)
    items = task.items()
    replies = ask(engine, items)
    theirs = reference(case, model, folder)
    samples = [theirs["samples"][name] for name in case.names]
    by_doc = [{sample["doc_id"]: sample for sample in held} for held in samples]
    paired = [sample for held in by_doc for _, sample in sorted(held.items())]
    assert len(paired) == len(items), (case, len(paired), len(items))
    asked = [[_asked(one) for one in item.requests] for item in items]
    expected = [[_theirs(one) for one in sample["arguments"]] for sample in paired]
    differences, same = [], []
    for ours, sample in zip(replies, paired, strict=True):
        for reply, response in zip(ours, sample["resps"], strict=True):
            if isinstance(reply, Score):
                differences.append(abs(reply.logprob - float(response[0][0])))
            if isinstance(reply, Generation):
                same.append(reply.texts[0] == response[0])
    outcomes = [task.score(item, held) for item, held in zip(items, replies, strict=True)]
    ours_means, their_means = _means(outcomes), _their_means(theirs, case.names)
    agree = all(abs(ours_means[name] - value) < 1e-9 for name, value in their_means.items())
    return Result(
        suite=case.suite,
        language=case.language,
        n=len(items),
        shots=case.shots,
        same_prompts=asked == expected,
        prompts=digest(asked),
        largest_difference=max(differences) if differences else None,
        same_generations=sum(same) / len(same) if same else None,
        same_metrics=agree and bool(their_means),
        metrics=their_means,
    )


def _asked(request: Any) -> list[str]:
    if isinstance(request, GenerateRequest):
        return [request.prompt, *request.stop]
    return [request.context, request.continuation]


def _theirs(arguments: Any) -> list[str]:
    prompt, rest = arguments
    return [prompt, *rest["until"]] if isinstance(rest, dict) else [prompt, rest]


def _means(outcomes: Sequence[Any]) -> dict[str, float]:
    names = outcomes[0].scores
    return {name: sum(o.scores[name] or 0.0 for o in outcomes) / len(outcomes) for name in names}


def _their_means(found: dict[str, Any], names: Sequence[str]) -> dict[str, float]:
    """lm-eval's aggregates under our names of metrics; the mean over parts of equal size."""
    filters = {key.partition(",")[2] for key in found["results"][names[0]] if "," in key}
    means: dict[str, float] = {}
    for key in found["results"][names[0]]:
        metric, comma, filter_name = key.partition(",")
        if not comma or metric.endswith("_stderr"):
            continue
        shown = metric if len(filters) == 1 else f"{metric}[{filter_name}]"
        means[shown] = sum(float(found["results"][n][key]) for n in names) / len(names)
    return means


def main() -> None:
    """Ask both and print the table."""
    from lm_eval.models.huggingface import HFLM

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=find_bundled_model())
    parser.add_argument("--items", type=int, default=5)
    parser.add_argument("--only", help="cells whose suite begins so")
    parser.add_argument("--languages", help="cells in these languages, separated by commas")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    engine = load_engine(options.model, settings=EngineSettings(device="cpu", dtype="float32"))
    model = HFLM(pretrained=str(options.model), dtype="float32", device="cpu", batch_size=8)
    with tempfile.TemporaryDirectory() as name:
        own = Path(name) / "own"
        own.mkdir()
        results = []
        for number, case in enumerate(cases(options.data, own, items=options.items)):
            if options.only and not case.suite.startswith(options.only):
                continue
            if options.languages and case.language not in options.languages.split(","):
                continue
            folder = Path(name) / str(number)
            folder.mkdir()
            results.append(compare(case, engine, model, folder))
            if not options.json:
                print(_line(results[-1]), flush=True)
    if options.json:
        print(json.dumps([asdict(result) for result in results], indent=2))


def _line(result: Result) -> str:
    difference, same = result.largest_difference, result.same_generations
    return (
        f"{result.suite:<13}{result.language:<4} n={result.n:<4} {result.shots}-shot  "
        f"prompts {result.prompts[:8]} {'same' if result.same_prompts else 'DIFFER'}  "
        + (f"max |dLL| {difference:.1e}  " if difference is not None else "")
        + (f"same text {same:.0%}  " if same is not None else "")
        + f"metrics {'equal' if result.same_metrics else 'DIFFER'}"
    )


if __name__ == "__main__":
    main()
