"""lighteval: `details/<model>/<time>/details_<task>_<time>.parquet` (save_details=True).

Two layouts are read. Since 0.9: columns `doc`, `model_response` and `metric`. Before: one column
for each, `example`, `full_prompt`, `predictions`, `gold`, `metrics`. A document has no hash of its
own: its query (without the shots) names it. Prompts are compared as the tokens that the model saw,
where they were kept.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from babelbits.errors import TaskError
from babelbits.interop.readers import files
from babelbits.interop.readers.naming import find_by_name
from babelbits.interop.readers.record import (
    ForeignItem,
    ForeignRun,
    ForeignTask,
    OutputType,
    Reader,
)
from babelbits.records import digest
from babelbits.tasks.clusters import find_cluster_ids
from babelbits.words import plural

_DETAILS = re.compile(r"details_(?P<task>.+)_(?P<time>\d{4}-\d\d-\d\dT[\d.-]+)\.parquet")


def looks_like(path: Path) -> bool:
    """A details file, or a folder with one."""
    if path.is_dir():
        return bool(files.find_below(path, _DETAILS).files)
    return _DETAILS.fullmatch(path.name) is not None


def read(path: Path) -> ForeignRun:
    """All tasks below a folder, the newest file of each."""
    files_by_task: dict[str, list[tuple[str, Path]]] = {}
    inside = None if path.is_file() else files.find_below(path, _DETAILS)
    for file in [path] if inside is None else inside.files:
        match = _DETAILS.fullmatch(file.name)
        if match:
            files_by_task.setdefault(match["task"], []).append((match["time"], file))
    models = {file.parent.parent for versions in files_by_task.values() for _, file in versions}
    if len(models) > 1:
        names = ", ".join(sorted(map(str, models))[:4])
        raise TaskError(
            f"the folder holds the details of {plural(len(models), 'model')}",
            where=str(path),
            hint=f"name one of them: {names}",
        )
    older = sum(len(versions) - 1 for versions in files_by_task.values())
    notes = [f"{plural(older, 'older file')} left out; the newest is read"] if older else []
    notes += inside.notes if inside else ()
    tasks, empty = [], []
    for name, versions in files_by_task.items():
        time, file = max(versions)
        task = _task(name, file, _circumstances(file, time))
        if task is None:
            empty.append((name, file))
        else:
            tasks.append(task)
    if not tasks:
        name, file = empty[0]
        raise TaskError(f"task '{name}' has no items", where=str(file))
    notes += [f"left out, for it has no items: {file.name}" for _, file in empty]
    return ForeignRun(path=path, tool="lighteval", tasks=tuple(tasks), notes=tuple(notes))


_LIKE_WEIGHTS = ("model_name", "model", "tokenizer", "revision", "subfolder", "device", "cache_dir")


def _circumstances(details: Path, time: str) -> dict[str, str]:
    """How the model was run, from `results/<model>/results_<time>.json`; {} if that is gone."""
    if len(details.parents) < 4:
        return {}
    model = details.parent.parent.name
    beside = details.parents[3] / "results" / model / f"results_{time}.json"
    if not beside.is_file():
        return {}
    general = files.as_mapping(files.read_object(beside).get("config_general"))
    settings = files.as_mapping(general.get("model_config"))
    told = {key: value for key, value in settings.items() if key not in _LIKE_WEIGHTS}
    told["limit"] = general.get("max_samples") or "none"
    return {key: files.as_text(value) for key, value in told.items() if value is not None}


def _task(name: str, file: Path, circumstances: Mapping[str, str]) -> ForeignTask | None:
    """One task; None if it has no items."""
    rows = [_modern(row, f"{file}:row {k}") for k, row in enumerate(files.read_parquet(file), 1)]
    if not rows:
        return None
    metrics = [
        key for key, value in rows[0]["metric"].items() if files.as_number(value) is not None
    ]
    place = find_by_name(name)
    columns = place.source_columns if place else None
    shots = re.search(r"\|(\d+)", name)
    kind: OutputType = "choice" if rows[0]["logprobs"] else "generation"
    items = [_item(row, k, file, metrics, columns) for k, row in enumerate(rows)]
    clusters = find_cluster_ids(
        [row["specific"] for row in rows], names=[one.source_id for one in items]
    )
    return ForeignTask(
        name=name,
        items=tuple(replace(a, cluster_id=b) for a, b in zip(items, clusters, strict=True)),
        metrics=tuple(metrics),
        output_type=kind,
        origin="lighteval",
        setup={"num_fewshot": shots[1]} if shots else {},
        circumstances=circumstances,
    )


def _modern(row: files.Row, where: str) -> files.Row:
    """One shape for both layouts; the older one may hold its lists as text."""
    if "doc" in row and "metric" in row:
        doc, reply = files.as_mapping(row["doc"]), files.as_mapping(row.get("model_response"))
        return {
            "id": doc.get("id"),
            "query": doc.get("query"),
            "choices": doc.get("choices"),
            "gold": doc.get("gold_index"),
            "specific": files.as_mapping(doc.get("specific")),
            "input": reply.get("input"),
            "tokens": reply.get("input_tokens"),
            "text": reply.get("text"),
            "logprobs": reply.get("logprobs"),
            "truncated": reply.get("truncated_tokens_count"),
            "metric": files.as_mapping(row["metric"]),
        }
    if "full_prompt" in row and "metrics" in row:
        return {
            "query": row.get("example"),
            "choices": _literal(row.get("choices")),
            "gold": _literal(row.get("gold_index")) or _literal(row.get("gold")),
            "specific": files.as_mapping(_literal(row.get("specifics"))),
            "input": row["full_prompt"],
            "tokens": None,
            "text": _literal(row.get("predictions")),
            "logprobs": None,
            "metric": files.as_mapping(_literal(row["metrics"])),
        }
    raise TaskError(
        "not lighteval's details: no columns `doc`, `metric`, nor `full_prompt`, `metrics`",
        where=where,
    )


def _literal(value: object) -> Any:
    """A list or dictionary that was written as Python text."""
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def _item(
    row: files.Row,
    number: int,
    file: Path,
    metrics: Sequence[str],
    columns: tuple[str, ...] | None,
) -> ForeignItem:
    choices = [files.as_text(choice) for choice in files.as_list(row["choices"])]
    numbers = [files.as_number(one) for one in files.as_list(row["logprobs"])]
    logprobs = tuple(one for one in numbers if one is not None)
    is_choice = len(choices) > 1 and len(logprobs) == len(numbers) == len(choices)
    texts = files.as_list(row["text"])
    query = files.as_text(row["query"])
    prompt = files.as_text(row["input"]) or query
    chosen = choices[logprobs.index(max(logprobs))] if is_choice else ""
    return ForeignItem(
        content=digest([query, choices], length=32),
        order=number,
        where=f"{file}:row {number + 1}",
        scores={name: files.as_number(row["metric"].get(name)) for name in metrics},
        target=_gold(row["gold"], choices),
        prompt=prompt,
        prompt_hash=digest([prompt, files.as_text(row["tokens"])]),
        output=chosen.strip() or (files.as_text(texts[0]) if texts else ""),
        source_id=_source(row["specific"], columns, number),
        choice_logprobs=logprobs if is_choice else None,
        n_choices=len(choices) if is_choice else None,
        truncated_tokens=files.count(row.get("truncated")),
    )


def _gold(gold: object, choices: Sequence[str]) -> str:
    """Text of the gold choice or choices; what was written where it is no number."""
    listed = gold if isinstance(gold, list) else [gold]
    texts = [
        choices[one] if isinstance(one, int) and 0 <= one < len(choices) else files.as_text(one)
        for one in listed
    ]
    return " / ".join(text.strip() for text in texts)


def _source(
    specific: Mapping[str, Any], columns: tuple[str, ...] | None, number: int
) -> str | None:
    if columns is None:
        return None
    if not columns:
        return str(number)
    if all(name in specific for name in columns):
        return "/".join(str(specific[name]) for name in columns)
    return None


READER = Reader(
    name="lighteval",
    sign="details_<task>_<time>.parquet (--save-details)",
    looks_like=looks_like,
    read=read,
)
