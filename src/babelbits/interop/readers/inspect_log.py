"""Inspect: `.eval` logs (a zip of JSON, compressed with zstandard) and `.json` logs.

Read by their format, which Inspect documents and versions (`version` 2), so that Inspect need not
be installed. Python's zipfile knows zstandard (method 93) from 3.14 on only: members are found with
zipfile and decompressed with pyarrow. A log is read once from its beginning to its end, and of a
sample only what is compared is kept; samples and logs beyond any that people ask models in are
refused by their declared size, before anything is unpacked. Several epochs of a sample are
averaged: one item a sample.
"""

import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, BinaryIO

from babelbits.errors import TaskError
from babelbits.interop.readers import files
from babelbits.interop.readers.record import (
    ForeignItem,
    ForeignRun,
    ForeignTask,
    Reader,
)
from babelbits.libraries import load
from babelbits.records import digest
from babelbits.tasks.clusters import find_cluster_ids, select_shared_columns
from babelbits.words import plural

_ZSTANDARD = 93
_WORDS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
"""Inspect's correct, incorrect, partial and no answer, by its own `value_to_float`."""
_LARGEST_SAMPLE = 1 << 24
_LARGEST_LOG = 1 << 31
"""Bytes, unpacked."""
_MOST_SAMPLES = 1_000_000
_LOGS = re.compile(r".*\.(?:eval|json)")
_MOST_KEPT = 1 << 28


def looks_like(path: Path) -> bool:
    """A `.eval` file, a JSON log, or a folder with either."""
    if path.is_dir():
        return any(looks_like(file) for file in files.find_below(path, _LOGS, deep=False).files)
    if path.suffix == ".eval":
        return True
    if path.suffix != ".json":
        return False
    with path.open("rb") as file:
        head = file.read(400)
    return b'"version"' in head and b'"status"' in head and b'"eval"' in head


@dataclass(frozen=True, slots=True, kw_only=True)
class _Log:
    path: Path
    header: files.Row

    @property
    def spec(self) -> Mapping[str, Any]:
        return files.as_mapping(self.header.get("eval"))

    @property
    def task(self) -> str:
        return files.as_text(self.spec.get("task"))

    @property
    def created(self) -> str:
        return files.as_text(self.spec.get("created"))


def read(path: Path) -> ForeignRun:
    """All logs of a folder; of several logs of a task the newest."""
    inside = None if path.is_file() else files.find_below(path, _LOGS, deep=False)
    logs = [path] if inside is None else [one for one in inside.files if looks_like(one)]
    notes = list(inside.notes) if inside else []
    newest: dict[str, _Log] = {}
    for log in (_Log(path=one, header=_header(one)) for one in logs):
        if log.task not in newest or newest[log.task].created <= log.created:
            newest[log.task] = log
    if older := len(logs) - len(newest):
        notes.append(f"{plural(older, 'older log')} left out; the newest is read")
    tasks, versions, empty = [], set(), []
    for log in newest.values():
        samples = list(_samples(log))
        if not samples:
            empty.append(log)
            continue
        groups = _by_language(samples)
        for language, group in groups.items():
            suite = log.task.rpartition("/")[2] if len(groups) > 1 else None
            tasks.append(_task(log, group, language=language, suite=suite))
        packages = files.as_mapping(log.spec.get("packages"))
        versions.add(files.as_text(packages.get("inspect_ai")))
        if log.header.get("status") != "success":
            status = files.as_text(log.header.get("status"))
            notes.append(f"{log.task}: the log's status is '{status}', not 'success'")
    if not tasks:
        raise TaskError(f"task '{empty[0].task}' has no samples", where=str(empty[0].path))
    notes += [f"left out, for it has no samples: {log.path.name}" for log in empty]
    tool = f"Inspect {' and '.join(sorted(versions))}".strip()
    return ForeignRun(path=path, tool=tool, tasks=tuple(tasks), notes=tuple(notes))


# --- files -----------------------------------------------------------------------------------


def _header(log: Path) -> files.Row:
    """Everything of a log but its samples."""
    if log.suffix == ".json":
        whole = files.read_object(log)
        return {key: whole[key] for key in whole if key not in ("samples", "reductions")}
    with _opened(log) as (stream, members):
        header = members.get("header.json")
        if header is None:
            raise TaskError(
                "no header.json: the evaluation did not end, or this is another kind of zip",
                where=str(log),
                hint="`inspect eval-retry` ends a broken one",
            )
        return _member(stream, header, log)


def _samples(log: _Log) -> Iterator["_Sample"]:
    """Each sample, without what is not compared.

    Raises
    ------
    TaskError
        If there is more to keep than people ask models.
    """
    kept = 0
    for row in _rows(log):
        sample = _sample(row)
        kept += len(sample.prompt) + len(sample.output) + len(sample.target)
        if kept > _MOST_KEPT:
            raise TaskError(
                f"more than {_MOST_KEPT >> 20} million characters of prompts and answers",
                where=str(log.path),
                hint="divide the log by tasks",
            )
        yield sample


def _rows(log: _Log) -> Iterator[files.Row]:
    if log.path.suffix == ".json":
        for one in files.as_list(files.read_object(log.path).get("samples")):
            yield dict(files.as_mapping(one))
        return
    with _opened(log.path) as (stream, members):
        for name, info in members.items():
            if name.startswith("samples/") and name.endswith(".json"):
                yield _member(stream, info, log.path)


@contextmanager
def _opened(log: Path) -> Iterator[tuple[BinaryIO, dict[str, zipfile.ZipInfo]]]:
    """A zip and its members by name, in the order in which they lie in the file."""
    with log.open("rb") as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                members = sorted(archive.infolist(), key=lambda info: info.header_offset)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
            raise TaskError(f"not an Inspect log: {error}", where=str(log)) from error
        whole = sum(info.file_size for info in members)
        if whole > _LARGEST_LOG or len(members) > _MOST_SAMPLES:
            raise TaskError(
                f"unpacked it is {whole >> 20:,} MiB in {plural(len(members), 'member')}, more "
                "than a log can be",
                where=str(log),
                hint="was it damaged, or made to fill the memory?",
            )
        yield stream, {info.filename: info for info in members}


def _member(stream: BinaryIO, info: zipfile.ZipInfo, log: Path) -> files.Row:
    where = f"{log}:{info.filename}"
    largest = _LARGEST_SAMPLE if info.filename.startswith("samples/") else files.LARGEST_LINE
    if max(info.file_size, info.compress_size) > largest:
        raise TaskError(
            f"unpacked it is {info.file_size >> 20:,} MiB, and {largest >> 20} are read",
            where=where,
            hint="write the log without events and attachments",
        )
    try:
        text = _decompressed(stream, info)
    except _DAMAGE as error:
        raise TaskError(f"damaged: {error}", where=where) from error
    return files.parse_object(files.decode(text, where), where)


_DAMAGE = (OSError, EOFError, struct.error, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
           ValueError, NotImplementedError, RuntimeError)  # fmt: skip


def _decompressed(stream: BinaryIO, info: zipfile.ZipInfo) -> bytes:
    # A local header is 30 bytes, then name and extra field, whose lengths are its last two words.
    stream.seek(info.header_offset)
    lengths = stream.read(30)[26:30]
    name_length, extra_length = struct.unpack("<HH", lengths)
    stream.seek(name_length + extra_length, 1)
    packed = stream.read(info.compress_size)
    if info.compress_type == zipfile.ZIP_STORED:
        data = packed
    elif info.compress_type == zipfile.ZIP_DEFLATED:
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, info.file_size + 1)
    elif info.compress_type == _ZSTANDARD:
        pa = load("pyarrow", of="pyarrow", what="a compressed Inspect log")
        size = info.file_size
        data = pa.decompress(packed, decompressed_size=size, codec="zstd", asbytes=True)
    else:
        raise NotImplementedError(f"compression method {info.compress_type}")
    if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
        raise zipfile.BadZipFile("it is not what its checksum says")
    return data


# --- one task --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """One epoch of a sample: what is compared."""

    name: str
    language: str | None
    shared: Mapping[str, object]
    content: str
    values: Mapping[str, float | None]
    target: str
    prompt: str
    prompt_hash: str
    output: str
    finish_reason: str | None
    prompt_tokens: int
    output_tokens: int


def _sample(row: files.Row) -> _Sample:
    messages = [
        [files.as_text(one.get("role")), files.as_text(one.get("content"))]
        for one in map(files.as_mapping, files.as_list(row.get("messages")))
    ]
    before = messages[: next((k for k, m in enumerate(messages) if m[0] == "assistant"), None)]
    asked, target = files.as_text(row.get("input")), row.get("target")
    language = files.as_mapping(row.get("metadata")).get("language")
    output = files.as_mapping(row.get("output"))
    choices = files.as_list(output.get("choices"))
    usage = files.as_mapping(output.get("usage"))
    return _Sample(
        name=files.as_text(row.get("id")),
        language=language if isinstance(language, str) else None,
        shared=select_shared_columns(files.as_mapping(row.get("metadata"))),
        content=digest([asked, files.as_text(row.get("choices"))], length=32),
        values=dict(_values(row)),
        target=", ".join(map(files.as_text, files.as_list(target))) or files.as_text(target),
        prompt="\n".join(content for _, content in before) or asked,
        prompt_hash=digest(before),
        output=files.as_text(output.get("completion")),
        finish_reason=_finish(files.as_mapping(choices[0]).get("stop_reason")) if choices else None,
        prompt_tokens=files.count(usage.get("input_tokens")),
        output_tokens=files.count(usage.get("output_tokens")),
    )


def _task(
    log: _Log, samples: Sequence[_Sample], *, language: str | None, suite: str | None
) -> ForeignTask:
    """One language of a log; `suite` is set where the log holds several."""
    by_id: dict[str, list[_Sample]] = {}
    for sample in samples:
        by_id.setdefault(sample.name, []).append(sample)
    metrics = tuple(dict.fromkeys(name for sample in samples for name in sample.values))
    if not metrics:
        raise TaskError(f"task '{log.task}' has no scores", where=str(log.path))
    ids = sorted(by_id, key=lambda one: (len(one), one))
    items = [_item(k, by_id[one], metrics, log.path) for k, one in enumerate(ids)]
    clusters = find_cluster_ids([by_id[one][0].shared for one in ids], names=[None] * len(ids))
    dataset = files.as_text(files.as_mapping(log.spec.get("dataset")).get("name"))
    return ForeignTask(
        name=f"{log.task}_{language}" if suite else log.task,
        items=tuple(replace(a, cluster_id=b) for a, b in zip(items, clusters, strict=True)),
        metrics=metrics,
        output_type="generation",
        origin=f"Inspect, {dataset or log.task}",
        setup=_setup(log.spec, log.header),
        circumstances=_circumstances(log.spec),
        suite=suite,
        language=language,
    )


def _circumstances(spec: Mapping[str, Any]) -> dict[str, str]:
    """What else may have changed the answers: where and how the model was run."""
    config = files.as_mapping(spec.get("config"))
    arguments = files.as_mapping(spec.get("model_args"))
    weights = ("model_path", "model", "tokenizer", "tokenizer_path", "device", "quantization")
    return {
        "backend": files.as_text(spec.get("model")).partition("/")[0],
        "limit": files.as_text(config.get("limit")) or "none",
        **{
            f"model_args {key}": files.as_text(value)
            for key, value in arguments.items()
            if key not in weights
        },
    }


def _by_language(samples: Sequence[_Sample]) -> dict[str | None, list[_Sample]]:
    """Samples by the language that their metadata names; together where one names none."""
    groups: dict[str | None, list[_Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.language, []).append(sample)
    return {None: list(samples)} if None in groups else groups


def _values(sample: files.Row) -> Iterator[tuple[str, float | None]]:
    """Scorer and number; a scorer that gives several numbers has a name for each."""
    for scorer, score in files.as_mapping(sample.get("scores")).items():
        value = files.as_mapping(score).get("value")
        if isinstance(value, dict):
            yield from ((f"{scorer}/{key}", _number(one)) for key, one in value.items())
        else:
            yield scorer, _number(value)


def _number(value: object) -> float | None:
    if isinstance(value, str) and value in _WORDS:
        return _WORDS[value]
    lowered = value.lower() if isinstance(value, str) else value
    if lowered in ("yes", "true"):
        return 1.0
    return 0.0 if lowered in ("no", "false") else files.as_number(value)


def _setup(spec: Mapping[str, Any], header: files.Row) -> dict[str, str]:
    plan = files.as_mapping(header.get("plan"))
    config = files.as_mapping(spec.get("config"))
    return {
        "task version": files.as_text(spec.get("task_version")),
        "task arguments": files.as_text(spec.get("task_args")),
        "solvers": files.as_text(
            [
                [step.get("solver"), step.get("params")]
                for step in map(files.as_mapping, files.as_list(plan.get("steps")))
            ]
        ),
        "generation": files.as_text(plan.get("config")),
        "epochs": files.as_text(config.get("epochs")),
        "scorers": files.as_text(
            [
                [one.get("name"), one.get("options")]
                for one in map(files.as_mapping, files.as_list(spec.get("scorers")))
            ]
        ),
    }


def _item(number: int, epochs: Sequence[_Sample], metrics: Sequence[str], log: Path) -> ForeignItem:
    first = epochs[0]
    return ForeignItem(
        content=first.content,
        order=number,
        where=f"{log}:sample {first.name}",
        scores={name: _mean([one.values.get(name) for one in epochs]) for name in metrics},
        target=first.target,
        prompt=first.prompt,
        prompt_hash=first.prompt_hash,
        output=first.output,
        source_id=None,
        finish_reason=first.finish_reason,
        prompt_tokens=first.prompt_tokens,
        output_tokens=first.output_tokens,
    )


def _finish(reason: object) -> str | None:
    return "length" if reason in ("max_tokens", "model_length") else files.as_text(reason) or None


def _mean(values: Sequence[float | None]) -> float | None:
    """Mean over epochs; None if an epoch has no score."""
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


READER = Reader(
    name="Inspect",
    sign="*.eval, or a JSON log with version, status and eval",
    looks_like=looks_like,
    read=read,
)
