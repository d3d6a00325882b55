"""The files of an lm-eval run: which are samples, of which task, and which results belong to them.

Two layouts. Since 0.4.3: `samples_<task>_<time>.jsonl`, a line a sample, beside
`results_<time>.json`; in one folder a model, or one folder a task and model. 0.4.0 to 0.4.2:
`<model arguments>_<task>.jsonl`, one JSON array, beside `results.json`, which names the tasks.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from babelbits.errors import TaskError
from babelbits.interop.readers import files
from babelbits.words import plural

_SAMPLES = re.compile(r"samples_(?P<task>.+)_(?P<time>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl")
_RESULTS = re.compile(r"(?:.*_)?results?(?:_.*)?\.json|.*_\d{4}-\d\d-\d\dT[\d.-]+\.json")
_LINES = re.compile(r".*\.jsonl")
_JSON = re.compile(r".*\.json")
OLD = "0.4.0 to 0.4.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """A samples file."""

    task: str
    time: str
    """'' in the old layout, which overwrites."""
    path: Path
    results: files.Row = field(repr=False)
    """Of the run that wrote it; empty if its file is gone."""

    @property
    def model(self) -> str | None:
        """What tells two models apart: their arguments; None where the results are gone."""
        config = files.as_mapping(self.results.get("config"))
        arguments = parse_arguments(config.get("model_args"))
        if not arguments:
            return None
        return json.dumps([files.as_text(config.get("model")), arguments], sort_keys=True)

    def rows(self) -> Iterator[tuple[str, files.Row]]:
        """`file:line`, or `file[number]` in the old layout, and sample."""
        if self.time:
            yield from files.read_lines(self.path)
            return
        rows = files.parse(files.read_text(self.path), str(self.path))
        for number, row in enumerate(files.as_list(rows)):
            yield f"{self.path}[{number}]", dict(files.as_mapping(row))


def parse_arguments(said: object) -> Mapping[str, Any]:
    """lm-eval's `model_args`, which were one text until 0.4.9.

    Examples
    --------
    >>> parse_arguments("pretrained=a,add_bos_token=True")
    {'pretrained': 'a', 'add_bos_token': 'True'}
    """
    if isinstance(said, str):
        pairs = (one.partition("=") for one in said.split(",") if one)
        return {name.strip(): value.strip() for name, _, value in pairs}
    return {str(name): files.as_text(value) for name, value in files.as_mapping(said).items()}


def looks_like(path: Path) -> bool:
    """A samples file of either layout, or a folder with one."""
    if path.is_dir():
        return bool(files.find_below(path, _SAMPLES).files) or next(_old(path), None) is not None
    if _SAMPLES.fullmatch(path.name):
        return True
    return path.suffix == ".jsonl" and _is_array(path)


def find_newest(path: Path) -> tuple[list[Samples], list[str]]:
    """The newest samples file of every task, and what a reader must know of the others.

    Raises
    ------
    TaskError
        If the folder holds the output of several models.
    """
    result_files = list(_found(path))
    models = _models(result_files)
    if len(models) > 1:
        raise TaskError(
            f"the folder holds the output of {plural(len(models), 'model')}",
            where=str(path),
            hint=f"name one of them: {', '.join(sorted(map(str, models.values()))[:4])}",
        )
    by_task: dict[str, list[Samples]] = {}
    for one in result_files:
        by_task.setdefault(one.task, []).append(one)
    kept = [
        max(versions, key=lambda one: (one.time, str(one.path))) for versions in by_task.values()
    ]
    notes = list(_older(by_task))
    if path.is_dir():
        notes += files.find_below(path, _LINES).notes
        notes += _totals_only(path, kept)
    return kept, notes


def _models(found: Iterable[Samples]) -> dict[str, Path]:
    """What each folder's newest results call the model, else the folder's name, and a folder."""
    folders: dict[Path, str] = {}
    for one in sorted(found, key=lambda one: one.time):
        folder = one.path.parent
        folders[folder] = one.model or folders.get(folder) or folder.name
    return {model: folder for folder, model in sorted(folders.items(), reverse=True)}


def _older(by_task: Mapping[str, list[Samples]]) -> Iterator[str]:
    older = {task: len(versions) - 1 for task, versions in by_task.items() if len(versions) > 1}
    if older:
        names = ", ".join(list(older)[:4]) + (" …" if len(older) > 4 else "")
        count = plural(sum(older.values()), "older file")
        yield f"{count} left out; the newest is read ({names})"


def _totals_only(path: Path, kept: Iterable[Samples]) -> Iterator[str]:
    """Tasks of results files that no samples were written with."""
    there = {one.task for one in kept}
    lacking: dict[str, None] = {}
    for file in files.find_below(path, _RESULTS).files:
        if any(one.time in file.name and one.path.parent == file.parent for one in kept):
            continue
        lacking |= {
            str(task): None
            for task in files.as_mapping(_results(file).get("configs"))
            if task not in there
        }
    if lacking:
        names = ", ".join(list(lacking)[:4]) + (" …" if len(lacking) > 4 else "")
        yield f"left out, for there are only totals of them (no --log_samples): {names}"


def _found(path: Path) -> Iterator[Samples]:
    if path.is_file() and not _SAMPLES.fullmatch(path.name):
        yield from _old(path)
        return
    for file in [path] if path.is_file() else files.find_below(path, _SAMPLES).files:
        match = _SAMPLES.fullmatch(file.name)
        if match:
            results = _beside(file, match["time"])
            yield Samples(task=match["task"], time=match["time"], path=file, results=results)
    if path.is_dir():
        yield from _old(path)


def _beside(samples: Path, time: str) -> files.Row:
    """The results file written together with a samples file; empty if it is gone."""
    plain = samples.with_name(f"results_{time}.json")
    if plain.is_file():
        return _results(plain)
    ends = re.compile(rf".*_{re.escape(time)}\.json")  # `--output_path name.json` puts it in front
    named = files.find_below(samples.parent, ends, deep=False).files
    return _results(named[0]) if named else {}


def _old(path: Path) -> Iterator[Samples]:
    """Samples in the layout of 0.4.0 to 0.4.2.

    Raises
    ------
    TaskError
        If such a file is there and no results file beside it names its task.
    """
    for file in [path] if path.is_file() else files.find_below(path, _LINES).files:
        if _SAMPLES.fullmatch(file.name) or not _is_array(file):
            continue
        task, results = _named(file)
        yield Samples(task=task, time="", path=file, results=results)


def _is_array(path: Path) -> bool:
    """Whether a `.jsonl` holds one JSON array of samples, by how it begins."""
    with path.open("rb") as stream:
        head = stream.read(4096).lstrip()
    return head.startswith(b"[") and b'"doc_id"' in head


def _named(file: Path) -> tuple[str, files.Row]:
    """The task of an old samples file, and the results that name it."""
    for candidate in files.find_below(file.parent, _JSON, deep=False).files:
        results = _results(candidate)
        tasks = [str(name) for name in files.as_mapping(results.get("configs"))]
        ours = [name for name in tasks if file.stem == name or file.stem.endswith(f"_{name}")]
        if ours:
            return max(ours, key=len), results
    raise TaskError(
        f"samples of lm-eval {OLD}, whose task is named by the results.json that was written with "
        "them, and that is not here",
        where=str(file),
        hint="put its results.json beside it, or evaluate again with a newer lm-eval",
    )


def _results(file: Path) -> files.Row:
    """A results file; empty if it is another kind of JSON."""
    try:
        found = files.read_object(file)
    except TaskError:
        return {}
    return found if isinstance(found.get("results"), dict) else {}
