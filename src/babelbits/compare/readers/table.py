"""Our own plain schema for scores from anywhere: CSV, or JSON lines, one row an item.

    item_id       names the question; rows of two runs are joined on it            required
    language      code in any usual form                                           required
    score         a number; empty, null or NaN: the item has none                  required
    task          the benchmark; the file's name if there is no such column
    metric        its name; 'score' if there is no such column
    source_id     the same for all translations of a question
    output, target, prompt   shown beside each other
    prompt_hash   compared between the two runs; of `prompt` if there is none
    higher_is_better   true or false; true if there is no such column

One row an item and metric: an item with several metrics has several rows.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from babelbits.compare.readers import files
from babelbits.compare.readers.record import ForeignItem, ForeignRun, ForeignTask
from babelbits.errors import TaskError
from babelbits.languages import resolve
from babelbits.records import digest
from babelbits.words import plural

REQUIRED = ("item_id", "language", "score")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}


def looks_like(path: Path) -> bool:
    """A `.csv`, `.tsv` or `.jsonl` whose first row has the required columns."""
    if not path.is_file() or path.suffix not in (*_DELIMITERS, ".jsonl"):
        return False
    try:
        return set(REQUIRED) <= set(_columns(path))
    except TaskError:
        return False


def _columns(path: Path) -> Iterable[str]:
    """Names in a table's head, or in the first object."""
    if path.suffix == ".jsonl":
        return next(files.read_lines(path), ("", {}))[1]
    return files.read_text(path).split("\n", 1)[0].strip().split(_DELIMITERS[path.suffix])


def read(path: Path) -> ForeignRun:
    """One task for each benchmark and language of the file."""
    cells: dict[tuple[str, str], dict[str, dict[str, tuple[str, files.Row]]]] = {}
    for where, row in _rows(path):
        lacking = [name for name in REQUIRED if name not in row]
        if lacking:
            raise TaskError(f"no column {', '.join(lacking)}", where=where)
        language = resolve(str(row["language"])).code
        suite, metric = str(row.get("task") or path.stem), str(row.get("metric") or "score")
        items = cells.setdefault((suite, language), {})
        scored = items.setdefault(str(row["item_id"]), {})
        if metric in scored:
            raise TaskError(
                f"item '{row['item_id']}' has two scores in {metric} ({suite}, {language}); "
                f"the other one is at {scored[metric][0]}",
                where=where,
            )
        scored[metric] = (where, row)
    if not cells:
        raise TaskError("no rows", where=str(path))
    tasks = [_task(suite, language, items, path) for (suite, language), items in cells.items()]
    return ForeignRun(path=path, tool="table", tasks=tuple(tasks))


def _rows(path: Path) -> Iterator[tuple[str, files.Row]]:
    if path.suffix == ".jsonl":
        yield from files.read_lines(path)
        return
    text = files.read_text(path)
    # csv splits what it is given line by line; newline="" keeps U+2028 and quoted breaks whole.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_DELIMITERS[path.suffix])
    try:
        head = next(reader, [])
        for row in reader:
            if row:
                where = f"{path}:{reader.line_num}"
                if len(row) != len(head):
                    raise TaskError(
                        f"{plural(len(row), 'field')}, the head has {len(head)}", where=where
                    )
                yield where, dict(zip(head, row, strict=True))
    except csv.Error as error:
        raise TaskError(f"not CSV: {error}", where=f"{path}:{reader.line_num}") from error


def _task(
    suite: str,
    language: str,
    items: dict[str, dict[str, tuple[str, files.Row]]],
    path: Path,
) -> ForeignTask:
    metrics = tuple(dict.fromkeys(name for scored in items.values() for name in scored))
    directions = {
        name: str(row["higher_is_better"]).strip().lower() in ("true", "1", "yes")
        for scored in items.values()
        for name, (_, row) in scored.items()
        if row.get("higher_is_better") not in (None, "")
    }
    return ForeignTask(
        name=f"{suite}_{language}",
        items=tuple(_item(k, name, scored) for k, (name, scored) in enumerate(items.items())),
        metrics=metrics,
        output_type="loglikelihood",
        origin=f"table {path.name}",
        higher_is_better=directions,
        suite=suite,
        language=language,
    )


def _item(number: int, name: str, scored: dict[str, tuple[str, files.Row]]) -> ForeignItem:
    where, row = next(iter(scored.values()))
    prompt = files.text(row.get("prompt"))
    said = files.text(row.get("prompt_hash"))
    return ForeignItem(
        content=name,
        order=number,
        where=where,
        scores={metric: files.number(one.get("score")) for metric, (_, one) in scored.items()},
        target=files.text(row.get("target")),
        prompt=prompt,
        prompt_hash=said or (digest(prompt) if prompt else None),
        output=files.text(row.get("output")),
        source_id=files.text(row.get("source_id")) or None,
    )
