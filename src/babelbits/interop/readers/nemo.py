"""NVIDIA NeMo Evaluator: `results.jsonl` with `eval-<time>-<benchmark>.json` beside it.

As its documentation of result formats has it (0.3): a line a problem and repeat, `problem_idx`
names the problem, `reward` is its score, repeats of a problem are averaged. The benchmark is called
as in the file name of the bundle beside; without one, as the folder. Problems of a `category` count
as one cluster.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

from babelbits.errors import TaskError
from babelbits.interop.readers import files
from babelbits.interop.readers.record import ForeignItem, ForeignRun, ForeignTask, Reader
from babelbits.records import digest

_RESULTS = re.compile(r"results\.jsonl")
_BUNDLE = re.compile(r"eval-(?P<time>\d{8}T\d{6}Z)-(?P<name>.+)\.json")
_METRIC = "reward"
_FEW = 1 << 20


def looks_like(path: Path) -> bool:
    """A folder with `results.jsonl` of this tool below, that file, or a bundle beside one."""
    if path.is_dir():
        return any(_is_results(one) for one in files.find_below(path, _RESULTS).files)
    if _BUNDLE.fullmatch(path.name):
        return _is_results(path.with_name("results.jsonl"))
    return path.suffix == ".jsonl" and _is_results(path)


def _is_results(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(_FEW)
    return b'"problem_idx"' in start and b'"reward"' in start


def read(path: Path) -> ForeignRun:
    """Every benchmark of a run.

    Raises
    ------
    TaskError
        If there are no problems, or a line is none of this tool's.
    """
    if path.is_dir():
        found = [one for one in files.find_below(path, _RESULTS).files if _is_results(one)]
        notes = files.find_below(path, _RESULTS).notes
    else:
        found, notes = [path if path.suffix == ".jsonl" else path.with_name("results.jsonl")], ()
    tasks = tuple(_task(one) for one in found)
    names = [task.name for task in tasks]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise TaskError(
            f"the folder holds two runs of '{twice}'",
            where=str(path),
            hint=f"name one of them: {', '.join(str(one.parent) for one in found[:4])}",
        )
    return ForeignRun(path=path, tool="NeMo Evaluator", tasks=tasks, notes=tuple(notes))


def _task(file: Path) -> ForeignTask:
    groups: dict[str, list[tuple[str, files.Row]]] = {}
    for where, row in files.read_lines(file):
        if "problem_idx" not in row or "reward" not in row:
            raise TaskError("no line of NeMo Evaluator: no problem_idx or no reward", where=where)
        groups.setdefault(files.as_text(row["problem_idx"]), []).append((where, row))
    if not groups:
        raise TaskError("no problems", where=str(file))
    items = tuple(_item(number, name, rows) for number, (name, rows) in enumerate(groups.items()))
    repeats = sorted({len(rows) for rows in groups.values()})
    return ForeignTask(
        name=_name(file),
        items=items,
        metrics=(_METRIC,),
        output_type="generation",
        origin="NeMo Evaluator",
        setup={"repeats": " to ".join(map(str, dict.fromkeys((repeats[0], repeats[-1]))))},
    )


def _name(file: Path) -> str:
    """As the newest bundle beside is called; else the folder."""
    beside = [one for one in map(_BUNDLE.fullmatch, _names(file.parent)) if one is not None]
    newest = max(beside, key=lambda one: one["time"], default=None)
    return newest["name"] if newest is not None else file.absolute().parent.name


def _names(folder: Path) -> Iterator[str]:
    for one in folder.iterdir():
        yield one.name


def _item(number: int, name: str, rows: Sequence[tuple[str, files.Row]]) -> ForeignItem:
    where, row = rows[0]
    prompt = files.as_text(row.get("prompt"))
    scores = [files.score(one.get("reward")) for _, one in rows]
    known = [one for one in scores if one is not None]
    details, about = (
        files.as_mapping(row.get("scoring_details")),
        files.as_mapping(row.get("metadata")),
    )
    category = files.as_text(about.get("category") or details.get("category"))
    output = row.get("model_response") or row.get("response") or row.get("extracted_answer")
    return ForeignItem(
        content=digest(prompt, length=32) if prompt else f"problem {name}",
        order=number,
        where=where,
        scores={_METRIC: fmean(known) if known and len(known) == len(scores) else None},
        target=files.as_text(row.get("expected_answer")),
        prompt=prompt,
        prompt_hash=digest(prompt) if prompt else None,
        output=files.as_text(output),
        cluster_id=category or None,
    )


READER = Reader(
    name="NeMo Evaluator",
    sign="results.jsonl with problem_idx and reward, beside eval-<time>-<benchmark>.json",
    looks_like=looks_like,
    read=read,
)
