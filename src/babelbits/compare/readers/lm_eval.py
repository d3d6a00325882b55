"""lm-evaluation-harness: `samples_<task>_<time>.jsonl` beside `results_<time>.json`.

Also one JSON file of what `simple_evaluate` returns, with its `samples`. On disk the arguments are
`{"gen_args_0": {"arg_0": ..}}` and log-likelihoods are text; in memory they are tuples and numbers:
both are read. A document that passed several filters is one item with a metric a filter. lm-eval's
own `prompt_hash` covers the first choice's context only; ours covers all that was sent.

Facts checked against lm-eval 0.4.13.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from babelbits.compare.readers import files
from babelbits.compare.readers.lm_eval_scores import UNFILTERED, Document, Metrics
from babelbits.compare.readers.lm_eval_setup import limit_note, origin_of, setup_of
from babelbits.compare.readers.naming import by_name
from babelbits.compare.readers.record import ForeignItem, ForeignRun, ForeignTask, OutputType
from babelbits.errors import TaskError
from babelbits.records import digest
from babelbits.words import plural

_SAMPLES = re.compile(r"samples_(?P<task>.+)_(?P<time>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl")


def looks_like(path: Path) -> bool:
    """A samples file, a folder with one, or a JSON file with `samples` by task."""
    if path.is_dir():
        return next(_sample_files(path), None) is not None
    return _SAMPLES.fullmatch(path.name) is not None or (
        path.suffix == ".json" and _is_results_with_samples(path)
    )


def _is_results_with_samples(path: Path) -> bool:
    with suppress(TaskError):
        row = files.read_object(path)
        return isinstance(row.get("samples"), dict) and "configs" in row
    return False


def read(path: Path) -> ForeignRun:
    """All tasks of an output folder, the newest file of each."""
    if path.is_file() and path.suffix == ".json":
        results = files.read_object(path)
        samples = {
            name: [(f"{path}:{name}[{k}]", row) for k, row in enumerate(rows)]
            for name, rows in results["samples"].items()
        }
        return _run(path, [_task(name, rows, results) for name, rows in samples.items()], results)
    newest, notes = _newest(path)
    tasks = []
    results = {}
    for name, file in newest.items():
        results = _results_of(file)
        rows = list(files.read_lines(file))
        if not rows:
            raise TaskError(f"task '{name}' has no items", where=str(file))
        tasks.append(_task(name, rows, results))
    return _run(path, tasks, results, notes)


def _run(
    path: Path, tasks: list[ForeignTask], results: files.Row, notes: Sequence[str] = ()
) -> ForeignRun:
    version = results.get("lm_eval_version")
    cache = files.mapping(results.get("config")).get("use_cache")
    if cache:
        doubt = (
            f"made with use_cache={cache}: lm-eval's response cache does not know the model; "
            "a cache shared by two models gives both the first one's answers"
        )
        notes = [*notes, doubt]
    notes = [*notes, *limit_note(results)]
    return ForeignRun(
        path=path,
        tool=f"lm-eval {version}" if version else "lm-eval",
        tasks=tuple(tasks),
        notes=tuple(notes),
    )


# --- files -----------------------------------------------------------------------------------


def _sample_files(path: Path) -> Iterator[Path]:
    return (file for file in path.rglob("samples_*.jsonl") if _SAMPLES.fullmatch(file.name))


def _newest(path: Path) -> tuple[dict[str, Path], list[str]]:
    """Task to its newest file, and what was left out.

    Raises
    ------
    TaskError
        If the folder holds the output of several models.
    """
    found: dict[str, list[tuple[str, Path]]] = {}
    for file in [path] if path.is_file() else sorted(_sample_files(path)):
        match = _SAMPLES.fullmatch(file.name)
        if match:
            found.setdefault(match["task"], []).append((match["time"], file))
    folders = {file.parent for versions in found.values() for _, file in versions}
    if len(folders) > 1:
        names = ", ".join(sorted(str(folder) for folder in folders)[:4])
        raise TaskError(
            f"the folder holds the output of {plural(len(folders), 'model')}",
            where=str(path),
            hint=f"name one of them: {names}",
        )
    older = {task: len(versions) - 1 for task, versions in found.items() if len(versions) > 1}
    notes = []
    if older:
        names = ", ".join(list(older)[:4]) + (" …" if len(older) > 4 else "")
        notes.append(
            f"{plural(sum(older.values()), 'older file')} left out; the newest is read ({names})"
        )
    return {task: max(versions)[1] for task, versions in found.items()}, notes


def _results_of(samples: Path) -> files.Row:
    """The results file written together with a samples file; empty if it is gone."""
    match = _SAMPLES.fullmatch(samples.name)
    beside = samples.with_name(f"results_{match['time']}.json") if match else samples
    if match and not beside.is_file():  # `--output_path name.json` puts its own stem in front
        beside = next(iter(samples.parent.glob(f"*_{match['time']}.json")), beside)
    return files.read_object(beside) if match and beside.is_file() else {}


# --- one task --------------------------------------------------------------------------------


def _task(name: str, rows: Iterable[tuple[str, files.Row]], results: files.Row) -> ForeignTask:
    docs = _documents(name, rows)
    if not docs:
        raise TaskError(f"task '{name}' has no items", where=name)
    config = files.mapping(files.mapping(results.get("configs")).get(name))
    kind = _output_type(config, docs[0].first)
    reader = Metrics.of(docs, config, kind, results, name)
    place = by_name(name)
    source = place.source_columns if place else ("source_id",)
    items = [_item(doc, reader, kind, source) for doc in docs]
    return ForeignTask(
        name=name,
        items=tuple(items),
        metrics=reader.names,
        output_type=kind,
        origin=origin_of(config),
        setup=setup_of(name, config, results),
        higher_is_better=reader.better,
        language_hint=_text_or_none(config.get("dataset_name")),
        notes=reader.notes,
    )


def _documents(name: str, rows: Iterable[tuple[str, files.Row]]) -> list[Document]:
    """Rows of the same document put together, in the order of `doc_id`."""
    docs: dict[Any, Document] = {}
    for where, row in rows:
        number = row.get("doc_id")
        if not isinstance(number, int) or "arguments" not in row or "resps" not in row:
            raise TaskError(
                "not a sample of lm-eval: no `doc_id`, `arguments` and `resps`", where=where
            )
        doc = docs.setdefault(number, Document(where=where))
        filter_name = str(row.get("filter", UNFILTERED))
        if filter_name in doc.rows:
            raise TaskError(
                f"document {number} of '{name}' is there twice (first at {doc.where})",
                where=where,
                hint="two runs were written into one file; evaluate again into an empty folder",
            )
        doc.rows[filter_name] = row
    return [docs[number] for number in sorted(docs)]


def _output_type(config: Mapping[str, Any], row: files.Row) -> OutputType:
    named: dict[str, OutputType] = {
        "multiple_choice": "choice",
        "loglikelihood": "loglikelihood",
        "loglikelihood_rolling": "text",
        "generate_until": "generation",
    }
    if config.get("output_type") in named:
        return named[config["output_type"]]
    arguments = _arguments(row)
    if arguments and isinstance(arguments[0][-1], dict):
        return "generation"
    if len(arguments) > 1:
        return "choice"
    return "text" if arguments and len(arguments[0]) == 1 else "loglikelihood"


def _arguments(row: files.Row) -> list[list[Any]]:
    """One list a request, from either form."""
    held = row.get("arguments")
    if isinstance(held, dict):
        return [
            list(one.values()) if isinstance(one, dict) else [one]
            for _, one in sorted(held.items(), key=lambda pair: _last_number(pair[0]))
        ]
    return [list(one) if isinstance(one, list | tuple) else [one] for one in files.listing(held)]


def _last_number(key: str) -> int:
    digits = re.search(r"\d+$", key)
    return int(digits[0]) if digits else 0


# --- items -----------------------------------------------------------------------------------


def _item(
    doc: Document,
    metrics: Metrics,
    kind: OutputType,
    source: tuple[str, ...] | None,
) -> ForeignItem:
    row = doc.first
    arguments = _arguments(row)
    document = files.mapping(row.get("doc"))
    sent = [[part for part in one if not isinstance(part, dict)] for one in arguments]
    logprobs = _logprobs(row, len(arguments)) if kind in ("choice", "loglikelihood") else None
    choices = _choices(arguments) if kind == "choice" else []
    best = None if logprobs is None or not choices else logprobs[: len(choices)]
    return ForeignItem(
        content=str(row.get("doc_hash") or digest(_plain(document), length=32)),
        order=int(row["doc_id"]),
        where=doc.where,
        scores=metrics.scores(doc),
        target=_target(row, choices),
        prompt=files.text(arguments[0][0]) if arguments else "",
        prompt_hash=digest(_plain(sent)),
        output=_preferred(choices, best, metrics.names) if best else _generated(row, kind),
        source_id=_source_id(document, source, row["doc_id"]),
        choice_logprobs=best,
        n_choices=len(choices) or None,
    )


def _choices(arguments: Sequence[Sequence[Any]]) -> list[str]:
    """Texts of the choices; requests without a context (for mutual information) come after them."""
    choices = [files.text(one[-1]) for one in arguments]
    half = len(choices) // 2
    is_doubled = half > 0 and choices[:half] == choices[half:] and not arguments[half][0]
    return [
        text.strip() for text in (choices[:half] if is_doubled and arguments[0][0] else choices)
    ]


def _preferred(choices: Sequence[str], logprobs: Sequence[float], metrics: Sequence[str]) -> str:
    """The choice that the first metric takes for the answer: by sum, by character or by byte."""
    first = metrics[0].partition("[")[0] if metrics else ""
    lengths = {
        "acc_norm": [len(choice) for choice in choices],
        "acc_bytes": [len(choice.encode()) for choice in choices],
    }.get(first, [1] * len(choices))
    values = [value / max(1, n) for value, n in zip(logprobs, lengths, strict=True)]
    return choices[values.index(max(values))]


def _target(row: files.Row, choices: Sequence[str]) -> str:
    """The gold answer; the text of the choice where lm-eval wrote its number."""
    target = files.text(row.get("target"))
    if choices and target.isdigit() and int(target) < len(choices):
        return choices[int(target)]
    return target


def _logprobs(row: files.Row, count: int) -> tuple[float, ...] | None:
    """One number a request from `resps`: [[["-1.2", "False"]], ...] or [[(-1.2, False)], ...]."""
    found = []
    for response in files.listing(row.get("resps")):
        value: Any = response
        while isinstance(value, list | tuple) and value:
            value = value[0]
        one = files.number(value)
        if one is None:
            return None
        found.append(one)
    return tuple(found) if len(found) == count else None


def _generated(row: files.Row, kind: OutputType) -> str:
    if kind != "generation":
        return ""
    value: Any = row.get("resps")
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return files.text(value) if not isinstance(value, list | tuple) else ""


def _source_id(
    document: Mapping[str, Any], columns: tuple[str, ...] | None, number: int
) -> str | None:
    if "source_id" in document:
        return str(document["source_id"])
    if columns is None:
        return None
    if not columns:
        return str(number)
    if all(name in document for name in columns):
        return "/".join(str(document[name]) for name in columns)
    return None


def _plain(value: Any) -> Any:
    """JSON values without NaN, which canonical JSON has no place for."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, float) else value


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None
