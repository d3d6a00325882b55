"""Inspect: `.eval` logs (a zip of JSON, compressed with zstandard) and `.json` logs.

Read by their format, which Inspect documents and versions (`version` 2), so that Inspect need not
be installed. Python's zipfile knows zstandard (method 93) from 3.14 on only: members are found with
zipfile and decompressed with pyarrow. Several epochs of a sample are averaged: one item a sample.
"""

import io
import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from babelbits.compare.readers import files
from babelbits.compare.readers.record import ForeignItem, ForeignRun, ForeignTask
from babelbits.errors import TaskError
from babelbits.records import digest
from babelbits.words import plural

_ZSTANDARD = 93
_WORDS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
"""Inspect's correct, incorrect, partial and no answer, by its own `value_to_float`."""


def looks_like(path: Path) -> bool:
    """A `.eval` file, a JSON log, or a folder with either."""
    if path.is_dir():
        return any(looks_like(file) for file in path.iterdir() if file.is_file())
    if path.suffix == ".eval":
        return True
    if path.suffix != ".json":
        return False
    with path.open("rb") as file:
        head = file.read(400)
    return b'"version"' in head and b'"status"' in head and b'"eval"' in head


def read(path: Path) -> ForeignRun:
    """All logs of a folder; of several logs of a task the newest."""
    logs = [path] if path.is_file() else sorted(p for p in path.iterdir() if looks_like(p))
    newest: dict[str, tuple[str, files.Row, list[files.Row], Path]] = {}
    older = 0
    for log in logs:
        header, samples = _load(log)
        spec = files.mapping(header.get("eval"))
        name, created = files.text(spec.get("task")), files.text(spec.get("created"))
        older += name in newest
        if name not in newest or newest[name][0] <= created:
            newest[name] = (created, header, samples, log)
    notes = [f"{plural(older, 'older log')} left out; the newest is read"] if older else []
    empty = next((name for name, log in newest.items() if not log[2]), None)
    if empty is not None:
        raise TaskError(f"task '{empty}' has no samples", where=str(newest[empty][3]))
    tasks, versions = [], set()
    for name, (_, header, samples, log) in newest.items():
        groups = _by_language(samples)
        for language, group in groups.items():
            suite = name.rpartition("/")[2] if len(groups) > 1 else None
            tasks.append(_task(name, header, group, log, language=language, suite=suite))
        packages = files.mapping(files.mapping(header.get("eval")).get("packages"))
        versions.add(str(packages.get("inspect_ai", "")))
        if header.get("status") != "success":
            notes.append(f"{name}: the log's status is '{header.get('status')}', not 'success'")
    tool = f"Inspect {' and '.join(sorted(versions))}".strip()
    return ForeignRun(path=path, tool=tool, tasks=tuple(tasks), notes=tuple(notes))


# --- files -----------------------------------------------------------------------------------


def _load(log: Path) -> tuple[files.Row, list[files.Row]]:
    """Header and samples of a log."""
    if log.suffix == ".json":
        whole = files.read_object(log)
        return whole, [one for one in files.listing(whole.get("samples")) if isinstance(one, dict)]
    raw = files.read_bytes(log)
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = {info.filename: info for info in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise TaskError(f"not an Inspect log: {error}", where=str(log)) from error
    header = members.get("header.json")
    if header is None:
        raise TaskError(
            "no header.json: the evaluation did not end, or this is another kind of zip",
            where=str(log),
            hint="`inspect eval-retry` ends a broken one",
        )
    samples = [
        _member(raw, info, log)
        for name, info in members.items()
        if name.startswith("samples/") and name.endswith(".json")
    ]
    return _member(raw, header, log), samples


def _member(raw: bytes, info: zipfile.ZipInfo, log: Path) -> files.Row:
    where = f"{log}:{info.filename}"
    try:
        text = _decompressed(raw, info)
    except (OSError, struct.error, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise TaskError(f"damaged: {error}", where=where) from error
    return files.parse_object(files.decode(text, where), where)


def _decompressed(raw: bytes, info: zipfile.ZipInfo) -> bytes:
    if info.compress_type != _ZSTANDARD:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            return archive.read(info)
    import pyarrow as pa

    # A local header is 30 bytes, then name and extra field, whose lengths are its last two words.
    lengths = raw[info.header_offset + 26 : info.header_offset + 30]
    name_length, extra_length = struct.unpack("<HH", lengths)
    start = info.header_offset + 30 + name_length + extra_length
    packed = raw[start : start + info.compress_size]
    data: bytes = pa.decompress(
        packed, decompressed_size=info.file_size, codec="zstd", asbytes=True
    )
    return data


# --- one task --------------------------------------------------------------------------------


def _task(
    name: str,
    header: files.Row,
    samples: Sequence[files.Row],
    log: Path,
    *,
    language: str | None,
    suite: str | None,
) -> ForeignTask:
    """One language of a log; `suite` is set where the log holds several."""
    spec = files.mapping(header.get("eval"))
    by_id: dict[str, list[files.Row]] = {}
    for sample in samples:
        by_id.setdefault(str(sample.get("id")), []).append(sample)
    metrics = _metric_names(samples)
    if not metrics:
        raise TaskError(f"task '{name}' has no scores", where=str(log))
    ids = sorted(by_id, key=lambda one: (len(one), one))
    return ForeignTask(
        name=f"{name}_{language}" if suite else name,
        items=tuple(_item(k, by_id[one], metrics, log) for k, one in enumerate(ids)),
        metrics=metrics,
        output_type="generation",
        origin=f"Inspect, {files.mapping(spec.get('dataset')).get('name') or name}",
        setup=_setup(spec, header),
        suite=suite,
        language=language,
    )


def _by_language(samples: Sequence[files.Row]) -> dict[str | None, list[files.Row]]:
    """Samples by the language that their metadata names; together where one names none."""
    groups: dict[str | None, list[files.Row]] = {}
    for sample in samples:
        said = files.mapping(sample.get("metadata")).get("language")
        groups.setdefault(said if isinstance(said, str) else None, []).append(sample)
    return {None: list(samples)} if None in groups else groups


def _metric_names(samples: Sequence[files.Row]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for sample in samples:
        names |= dict.fromkeys(name for name, _ in _values(sample))
    return tuple(names)


def _values(sample: files.Row) -> Iterator[tuple[str, float | None]]:
    """Scorer and number; a scorer that gives several numbers has a name for each."""
    for scorer, score in files.mapping(sample.get("scores")).items():
        value = files.mapping(score).get("value")
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
    return 0.0 if lowered in ("no", "false") else files.number(value)


def _setup(spec: Mapping[str, Any], header: files.Row) -> dict[str, str]:
    plan = files.mapping(header.get("plan"))
    config = files.mapping(spec.get("config"))
    return {
        "task version": files.text(spec.get("task_version")),
        "task arguments": files.text(spec.get("task_args")),
        "solvers": files.text(
            [[step.get("solver"), step.get("params")] for step in files.listing(plan.get("steps"))]
        ),
        "generation": files.text(plan.get("config")),
        "epochs": files.text(config.get("epochs")),
        "scorers": files.text(
            [[one.get("name"), one.get("options")] for one in files.listing(spec.get("scorers"))]
        ),
    }


def _item(
    number: int, epochs: Sequence[files.Row], metrics: Sequence[str], log: Path
) -> ForeignItem:
    first = epochs[0]
    asked = first.get("input")
    target = first.get("target")
    messages = [
        [files.text(one.get("role")), files.text(one.get("content"))]
        for one in files.listing(first.get("messages"))
    ]
    before = messages[: next((k for k, m in enumerate(messages) if m[0] == "assistant"), None)]
    output = files.mapping(first.get("output"))
    choices = files.listing(output.get("choices"))
    usage = files.mapping(output.get("usage"))
    return ForeignItem(
        content=digest([files.text(asked), files.text(first.get("choices"))], length=32),
        order=number,
        where=f"{log}:sample {first.get('id')}",
        scores={name: _mean([dict(_values(one)).get(name) for one in epochs]) for name in metrics},
        target=", ".join(target) if isinstance(target, list) else files.text(target),
        prompt="\n".join(content for _, content in before) or files.text(asked),
        prompt_hash=digest(before),
        output=files.text(output.get("completion")),
        source_id=None,
        finish_reason=_finish(files.mapping(choices[0]).get("stop_reason")) if choices else None,
        prompt_tokens=int(files.number(usage.get("input_tokens")) or 0),
        output_tokens=int(files.number(usage.get("output_tokens")) or 0),
    )


def _finish(reason: object) -> str | None:
    return "length" if reason in ("max_tokens", "model_length") else files.text(reason) or None


def _mean(values: Sequence[float | None]) -> float | None:
    """Mean over epochs; None if an epoch has no score."""
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None
