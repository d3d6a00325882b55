"""lm-evaluation-harness: the samples of every document, and the results beside them.

Also one JSON file of what `simple_evaluate` returns, with its `samples`. On disk the arguments are
`{"gen_args_0": {"arg_0": ..}}` and log-likelihoods are text; in memory, and before 0.4.3, they are
lists and numbers: all are read. A document that passed several filters is one item with a metric a
filter; before 0.4.5 its rows do not say which filter they are of, and stand in the filters' order.
lm-eval's own `prompt_hash` covers the first choice's context only; ours covers all that was sent.

Facts checked against lm-eval 0.4.2, 0.4.3, 0.4.11 and 0.4.13.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from babelbits.errors import TaskError
from babelbits.interop.readers import files, lm_eval_files
from babelbits.interop.readers.lm_eval_scores import UNFILTERED, Document, Metrics, list_filters
from babelbits.interop.readers.lm_eval_setup import (
    describe_origin,
    note_limit,
    read_circumstances,
    read_setup,
)
from babelbits.interop.readers.naming import find_by_name
from babelbits.interop.readers.record import (
    ForeignItem,
    ForeignRun,
    ForeignTask,
    OutputType,
    Reader,
)
from babelbits.records import digest
from babelbits.tasks.clusters import find_cluster_ids, select_shared_columns


def looks_like(path: Path) -> bool:
    """Samples of either layout, a folder with some, or a JSON file with `samples` by task."""
    if path.is_file() and path.suffix == ".json":
        return _is_results_with_samples(path)
    return lm_eval_files.looks_like(path)


def _is_results_with_samples(path: Path) -> bool:
    with suppress(TaskError):
        row = files.read_object(path)
        return isinstance(row.get("samples"), dict) and "configs" in row
    return False


def read(path: Path) -> ForeignRun:
    """All tasks of an output folder, the newest file of each."""
    if path.is_file() and path.suffix == ".json":
        return _in_memory(path)
    kept, notes = lm_eval_files.find_newest(path)
    tasks = []
    empty = []
    for one in kept:
        task = _task(one.task, one.rows(), one.results)
        if task is None:
            empty.append(one)
        else:
            tasks.append(task)
    if empty and not tasks:
        raise TaskError(f"task '{empty[0].task}' has no items", where=str(empty[0].path))
    notes += [f"left out, for it has no items: {one.path.name}" for one in empty]
    return _run(path, tasks, [one.results for one in kept], notes)


def _in_memory(path: Path) -> ForeignRun:
    results = files.read_object(path)
    tasks = []
    for name, rows in files.as_mapping(results["samples"]).items():
        named = (
            (f"{path}:{name}[{number}]", dict(files.as_mapping(row)))
            for number, row in enumerate(files.as_list(rows))
        )
        task = _task(name, named, results)
        if task is None:
            raise TaskError(f"task '{name}' has no items", where=str(path))
        tasks.append(task)
    return _run(path, tasks, [results], [])


def _run(
    path: Path, tasks: Sequence[ForeignTask], results: Sequence[files.Row], notes: Sequence[str]
) -> ForeignRun:
    versions = sorted({str(one["lm_eval_version"]) for one in results if "lm_eval_version" in one})
    caches = [files.as_mapping(one.get("config")).get("use_cache") for one in results]
    doubts = [
        f"made with use_cache={files.as_text(cache)}: lm-eval's response cache does not know the "
        "model; a cache shared by two models gives both the first one's answers"
        for cache in caches
        if cache
    ]
    limits = [note for one in results for note in note_limit(one)]
    return ForeignRun(
        path=path,
        tool=f"lm-eval {' and '.join(versions)}" if versions else "lm-eval",
        tasks=tuple(tasks),
        notes=tuple(dict.fromkeys([*notes, *doubts, *limits])),
    )


# --- one task --------------------------------------------------------------------------------


def _task(
    name: str, rows: Iterable[tuple[str, files.Row]], results: files.Row
) -> ForeignTask | None:
    """One task; None if it has no items."""
    config = files.as_mapping(files.as_mapping(results.get("configs")).get(name))
    place = find_by_name(name)
    asked = _Asked(config, place.source_columns if place else ("source_id",))
    docs = asked.clustered(_documents(name, rows, list_filters(name, config, results), asked))
    if not docs:
        return None
    reader = Metrics.of(docs, config, asked.kind, results, name)
    return ForeignTask(
        name=name,
        items=tuple(_item(doc, reader) for doc in docs),
        metrics=reader.names,
        output_type=asked.kind,
        origin=describe_origin(config),
        setup=read_setup(name, config, results),
        circumstances=read_circumstances(config, results),
        higher_is_better=reader.better,
        language_hint=_text_or_none(config.get("dataset_name")),
        notes=reader.notes,
    )


def _documents(
    name: str,
    rows: Iterable[tuple[str, files.Row]],
    filters: Sequence[str],
    asked: "_Asked",
) -> list[Document]:
    """Rows of the same document put together, in the order of `doc_id`.

    Of each document's first row what was asked is kept; of all of them their metrics.
    """
    docs: dict[int, Document] = {}
    for where, row in rows:
        number = row.get("doc_id")
        if not isinstance(number, int) or "arguments" not in row or "resps" not in row:
            raise TaskError(
                "not a sample of lm-eval: no `doc_id`, `arguments` and `resps`", where=where
            )
        doc = docs.get(number)
        if doc is None:
            doc = docs[number] = asked.of(row, where)
        filter_name = _filter_of(row, filters, len(doc.rows))
        if filter_name is None or filter_name in doc.rows:
            raise TaskError(
                f"document {number} of '{name}' is there twice (first at {doc.where})",
                where=where,
                hint="two runs were written into one file; evaluate again into an empty folder"
                if filters
                else "without the results file beside it nobody can tell filters from two runs",
            )
        doc.rows[filter_name] = {key: row[key] for key in row if key not in _ASKED}
    return [docs[number] for number in sorted(docs)]


_ASKED = frozenset(("doc", "arguments", "resps", "filtered_resps"))
"""Of a sample: the same in every row of a document, and large."""


def _filter_of(row: files.Row, filters: Sequence[str], before: int) -> str | None:
    """The filter that a row is of; None where it can be of none."""
    said = row.get("filter")
    if said is not None:
        return files.as_text(said)
    if before < len(filters):
        return filters[before]
    return UNFILTERED if before == 0 else None


def _output_type(config: Mapping[str, Any], row: files.Row) -> OutputType:
    named: dict[str, OutputType] = {
        "multiple_choice": "choice",
        "loglikelihood": "loglikelihood",
        "loglikelihood_rolling": "text",
        "generate_until": "generation",
    }
    said = files.as_text(config.get("output_type"))
    if said in named:
        return named[said]
    arguments = _arguments(row)
    if arguments and arguments[0] and isinstance(arguments[0][-1], dict):
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
    return [list(one) if isinstance(one, list | tuple) else [one] for one in files.as_list(held)]


def _last_number(key: str) -> int:
    digits = re.search(r"\d+$", key)
    return int(digits[0]) if digits else 0


# --- items -----------------------------------------------------------------------------------


class _Asked:
    """Reads what was asked and answered; the kind of request is the first document's.

    Parameters
    ----------
    source : tuple of str, optional
        Columns that name a question in every language.
    """

    def __init__(self, config: Mapping[str, Any], source: tuple[str, ...] | None) -> None:
        self._config = config
        self._source = source
        self._kind: OutputType | None = None
        self._shared: dict[int, dict[str, object]] = {}

    @property
    def kind(self) -> OutputType:
        """Of the requests; needs a document."""
        return self._kind or "loglikelihood"

    def of(self, row: files.Row, where: str) -> Document:
        """A document without scores, of its first row."""
        if self._kind is None:
            self._kind = _output_type(self._config, row)
        kind = self._kind
        arguments = _arguments(row)
        document = files.as_mapping(row.get("doc"))
        self._shared[int(row["doc_id"])] = select_shared_columns(document)
        sent = [[part for part in one if not isinstance(part, dict)] for one in arguments]
        logprobs = _logprobs(row, len(arguments)) if kind in ("choice", "loglikelihood") else None
        choices = _choices(arguments) if kind == "choice" else []
        best = None if logprobs is None or not choices else logprobs[: len(choices)]
        item = ForeignItem(
            content=files.as_text(row.get("doc_hash")) or _hash_of(document),
            order=int(row["doc_id"]),
            where=where,
            scores={},
            target=_target(row, choices),
            prompt=files.as_text(arguments[0][0]) if arguments and arguments[0] else "",
            prompt_hash=digest(_plain(sent)),
            output=_generated(row, kind),
            source_id=_source_id(document, self._source, row["doc_id"]),
            choice_logprobs=best,
            n_choices=len(choices) or None,
        )
        return Document(where=where, asked=item, choices=tuple(choices))

    def clustered(self, docs: Sequence[Document]) -> list[Document]:
        """The documents with the passage, document or subject that some of them share."""
        clusters = find_cluster_ids(
            [self._shared[one.asked.order] for one in docs],
            names=[one.asked.source_id for one in docs],
        )
        return [
            replace(one, asked=replace(one.asked, cluster_id=cluster))
            for one, cluster in zip(docs, clusters, strict=True)
        ]


def _hash_of(document: Mapping[str, Any]) -> str:
    """lm-eval's `doc_hash`, which it writes since 0.4.3 (`evaluator.py`, `hash_string`)."""
    written = json.dumps(document, indent=2, ensure_ascii=False, default=str)
    return hashlib.sha256(written.encode()).hexdigest()


def _item(doc: Document, metrics: Metrics) -> ForeignItem:
    """A document's item with its scores, and the choice that the first metric takes."""
    asked = doc.asked
    output = asked.output
    if asked.choice_logprobs and doc.choices:
        output = _preferred(doc.choices, asked.choice_logprobs, metrics.names)
    return replace(
        asked, scores=metrics.scores(doc), statistics=metrics.statistics(doc), output=output
    )


def _choices(arguments: Sequence[Sequence[Any]]) -> list[str]:
    """Texts of the choices; requests without a context (for mutual information) come after them."""
    choices = [files.as_text(one[-1]) if one else "" for one in arguments]
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
    target = files.as_text(row.get("target"))
    if choices and target.isdigit() and int(target) < len(choices):
        return choices[int(target)]
    return target


def _logprobs(row: files.Row, count: int) -> tuple[float, ...] | None:
    """One number a request from `resps`: [[["-1.2", "False"]], ...] or [[(-1.2, False)], ...]."""
    found = []
    for response in files.as_list(row.get("resps")):
        value: Any = response
        while isinstance(value, list | tuple) and value:
            value = value[0]
        one = files.as_number(value)
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
    return files.as_text(value) if not isinstance(value, list | tuple) else ""


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


READER = Reader(
    name="lm-eval",
    sign="samples_<task>_<time>.jsonl (--log_samples), or a JSON file with `samples`",
    looks_like=looks_like,
    read=read,
)
