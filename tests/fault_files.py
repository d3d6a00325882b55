"""Small studies for tests of faults, and lm-eval tasks on local rows."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]
"""Takes the words of a command line: see the fixture `command`."""
TinyModel = Callable[[str], Path]

PAIRS = '[[tasks]]\nsuite = "pairs"\nlanguages = ["en"]\n'
CHOICE = """\
output_type: multiple_choice
doc_to_text: "{{q}}"
doc_to_choice: "{{choices}}"
doc_to_target: gold
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""
WRITE = """\
output_type: generate_until
doc_to_text: "{{q}}"
doc_to_target: "{{a}}"
generation_kwargs: {until: ["\\n\\n"], do_sample: false, max_gen_toks: 8}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""


def small_study(
    folder: Path,
    *,
    model: Path | str,
    tasks: str = PAIRS,
    variants: str = "",
    engine: str = "batch_items = 2",
    rest: str = "",
    items: int | None = 2,
    aa: bool = False,
) -> Path:
    """Write study.toml into a folder; every table as TOML text."""
    limits = "" if items is None else f"[limits]\nitems = {items}\n"
    path = folder / "study.toml"
    path.write_text(
        f'[study]\nfolder = "run"\n[model]\npath = "{model}"\n[engine]\n{engine}\n'
        f"{variants}\n{tasks}\n{rest}\n{limits}[analysis]\naa = {str(aa).lower()}\n",
        "utf-8",
    )
    return path


def own_tasks(folder: Path, tasks: Mapping[str, tuple[str, Sequence[Mapping[str, Any]]]]) -> str:
    """A folder of YAML, and the rows of its tasks; returns `[[tasks]]` and `[data]`.

    Parameters
    ----------
    folder : Path
        Where yaml/ and one folder of data a task are made.
    tasks : mapping
        Name to the task's own lines of YAML and its rows.
    """
    (folder / "yaml").mkdir()
    for name, (body, rows) in tasks.items():
        head = f"task: {name}\ndataset_path: some/{name}\ntest_split: test\n"
        (folder / "yaml" / f"{name}.yaml").write_text(head + body, "utf-8")
        (folder / name).mkdir()
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / name / "test.jsonl").write_text(lines, "utf-8")
    asked = "".join(
        f'[[tasks]]\nsuite = "{name}"\nlanguages = ["nb"]\ninclude_path = "yaml"\n'
        for name in tasks
    )
    return asked + "[data]\n" + "".join(f'{name} = "{name}"\n' for name in tasks)


def own_task(folder: Path, rows: Sequence[Mapping[str, Any]], *, body: str = CHOICE) -> str:
    """One such task, called 'own_nb'."""
    return own_tasks(folder, {"own_nb": (body, rows)})
