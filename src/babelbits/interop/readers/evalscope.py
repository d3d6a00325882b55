"""EvalScope: `reviews/<model>/<benchmark>_<subset>.jsonl`, with `predictions/` beside it.

Reviews hold the scores, the target and, since 1.0, the messages; predictions hold what the model
wrote. Samples are named by what was asked: an `index` says where a sample stood, not what it was.
Repeated generations of one sample (`group_id`) are averaged: one item a sample.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from babelbits.errors import TaskError
from babelbits.interop.readers import files
from babelbits.interop.readers.record import (
    ForeignItem,
    ForeignRun,
    ForeignTask,
    Reader,
)
from babelbits.records import digest
from babelbits.words import plural

_LINES = re.compile(r".*\.jsonl")


def looks_like(path: Path) -> bool:
    """A work folder with `reviews/`, or a reviews file."""
    if path.is_dir():
        return next(_reviews(path), None) is not None
    return path.suffix == ".jsonl" and "reviews" in path.parts and _is_review(path)


def _is_review(path: Path) -> bool:
    with path.open("rb") as file:
        return b'"sample_score"' in file.read(1 << 20)


def _reviews(path: Path) -> Iterator[Path]:
    """Review files of the newest run below a folder; EvalScope names runs by their time."""
    folders = _folders(path)
    if folders:
        yield from files.find_below(folders[-1], _LINES).files


def _folders(path: Path) -> list[Path]:
    """Folders of reviews, one a run, the newest last."""
    if path.name == "reviews" or path.parent.name == "reviews":
        return [path]
    found = {
        path.joinpath(*file.relative_to(path).parts[: place + 1])
        for file in files.find_below(path, _LINES).files
        for place, part in enumerate(file.relative_to(path).parts[:-1])
        if part == "reviews"
    }
    return sorted(found)


def read(path: Path) -> ForeignRun:
    """All subsets of a run."""
    review_files = [path] if path.is_file() else list(_reviews(path))
    models = sorted({file.parent for file in review_files})
    if len(models) > 1:
        raise TaskError(
            f"the folder holds the reviews of {plural(len(models), 'model')}",
            where=str(path),
            hint=f"name one of them: {', '.join(map(str, models[:4]))}",
        )
    notes = [] if path.is_file() else list(files.find_below(path, _LINES).notes)
    runs = [] if path.is_file() else _folders(path)
    if len(runs) > 1:
        notes.append(
            f"{plural(len(runs) - 1, 'older run')} left out; the newest is read ({models[0]})"
        )
    tasks = {file: _task(file) for file in review_files}
    kept = [task for task in tasks.values() if task is not None]
    if not kept:
        raise TaskError("no reviews", where=str(next(iter(tasks), path)))
    notes += [f"left out, for it has no reviews: {f.name}" for f, task in tasks.items() if not task]
    return ForeignRun(path=path, tool="EvalScope", tasks=tuple(kept), notes=tuple(notes))


def _task(file: Path) -> ForeignTask | None:
    """One subset; None if it has no reviews."""
    groups: dict[str, list[tuple[str, files.Row]]] = {}
    for where, row in files.read_lines(file):
        score = files.as_mapping(row.get("sample_score"))
        if not score:
            raise TaskError("not a review of EvalScope: no `sample_score`", where=where)
        group = score.get("group_id")
        groups.setdefault(files.as_text(row.get("index") if group is None else group), []).append(
            (where, row)
        )
    if not groups:
        return None
    metrics = tuple(
        dict.fromkeys(m for rows in groups.values() for _, r in rows for m in _scores(r))
    )
    predictions = _predictions(file)
    benchmark = file.stem
    return ForeignTask(
        name=benchmark,
        items=tuple(_item(k, rows, metrics, predictions) for k, rows in enumerate(groups.values())),
        metrics=metrics,
        output_type="generation",
        origin="EvalScope",
    )


def _predictions(file: Path) -> Mapping[str, files.Row]:
    """By index; empty where the folder is gone."""
    parts = list(file.parts)
    if "reviews" not in parts:
        return {}
    place = len(parts) - 1 - parts[::-1].index("reviews")
    beside = Path(*parts[:place], "predictions", *parts[place + 1 :])
    if not beside.is_file():
        return {}
    return {files.as_text(row.get("index")): row for _, row in files.read_lines(beside)}


def _scores(row: files.Row) -> Mapping[str, Any]:
    score = files.as_mapping(files.as_mapping(row.get("sample_score")).get("score"))
    values = files.as_mapping(score.get("value"))
    main = files.as_text(score.get("main_score_name"))
    first = {main: values[main]} if main in values else {}
    return {**first, **values}


def _item(
    number: int,
    rows: Sequence[tuple[str, files.Row]],
    metrics: Sequence[str],
    predictions: Mapping[str, files.Row],
) -> ForeignItem:
    where, row = rows[0]
    prediction = predictions.get(files.as_text(row.get("index")), {})
    asked = _asked(row) or _asked(prediction)
    target = row.get("target")
    score = files.as_mapping(files.as_mapping(row["sample_score"]).get("score"))
    prompt = "\n".join(content for _, content in asked)
    values = [_scores(one) for _, one in rows]
    return ForeignItem(
        # The last thing said is the question; a system prompt or examples may come before it.
        content=digest(asked[-1][1], length=32) if asked else f"index {row.get('index')}",
        order=number,
        where=where,
        scores={
            name: _mean([files.as_number(one.get(name)) for one in values]) for name in metrics
        },
        target=", ".join(map(files.as_text, files.as_list(target))) or files.as_text(target),
        prompt=prompt,
        prompt_hash=digest(asked) if asked else None,
        output=files.as_text(score.get("prediction")),
        finish_reason=_finish(prediction),
    )


def _asked(row: files.Row) -> list[list[str]]:
    """Role and text of every message before the model's own."""
    legacy = row.get("input")
    if isinstance(legacy, str) and legacy:
        return [["user", legacy]]
    found = []
    for message in files.as_list(row.get("messages")) or files.as_list(legacy):
        one = files.as_mapping(message)
        if one.get("role") == "assistant":
            break
        found.append([files.as_text(one.get("role")), files.as_text(one.get("content"))])
    return found


def _finish(prediction: files.Row) -> str | None:
    choices = files.as_list(files.as_mapping(prediction.get("model_output")).get("choices"))
    reason = files.as_mapping(choices[0]).get("stop_reason") if choices else None
    return "length" if reason in ("max_tokens", "model_length") else files.as_text(reason) or None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


READER = Reader(
    name="EvalScope",
    sign="reviews/<model>/<benchmark>.jsonl",
    looks_like=looks_like,
    read=read,
)
