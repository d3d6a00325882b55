"""Our own plain schema for scores from anywhere: CSV, or JSON lines, one row an item.

    item_id       names the question; rows of two runs are joined on it            required
    language      code in any usual form                                           required
    score         a number, or TRUE and FALSE; empty, NA, null or NaN: none        required
    task          the benchmark; the file's name if there is no such column
    metric        its name; 'score' if there is no such column
    source_id     the same for all translations of a question
    output, target, prompt   shown beside each other
    prompt_hash   compared between the two runs; of `prompt` if there is none
    higher_is_better   true or false; true if there is no such column

A table of `prompt_id` and `score`, as routers and serving logs write, is read too: `prompt_id` is
the item's id, and where no column says the language, the file's name does (`quiz_nb.csv`).

One row an item and metric: an item with several metrics has several rows. Columns are parted by
commas, semicolons or tabs, whichever gives the required ones; UTF-8 or, with a byte-order mark,
UTF-16, as spreadsheets write. A decimal comma is read where commas do not part columns, and '85 %'
as 0.85. Rows and columns that are empty throughout are passed over; letter case and spaces around
names do not matter.
"""

import csv
import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast, get_args

from babelbits.errors import TaskError, UnknownNameError
from babelbits.interop.readers import files
from babelbits.interop.readers.item_columns import ItemColumns, TextColumn
from babelbits.interop.readers.record import (
    ForeignRun,
    ForeignTask,
    OutputType,
    Reader,
)
from babelbits.languages import resolve
from babelbits.records import digest
from babelbits.words import plural

REQUIRED = ("item_id", "language", "score")
_BY_PROMPT = frozenset(("prompt_id", "score"))
"""The columns of a table whose language may stand in the file's name."""
_ENDINGS = (".csv", ".tsv", ".txt", ".jsonl")
_DELIMITERS = (",", ";", "\t")
_NO_SCORE = frozenset(("", "nan", "null", "none", "na", "n/a", "#n/a", "#nv"))
_TRUE = frozenset(
    (
        "true",
        "yes",
        "wahr",
        "vrai",
        "verdadero",
        "verdadeiro",
        "vero",
        "waar",
        "sann",
        "sant",
        "prawda",
        "истина",
    )
)
_FALSE = frozenset(
    ("false", "no", "falsch", "faux", "falso", "onwaar", "falsk", "usann", "usant", "fałsz", "ложь")
)
"""What spreadsheets write in their user's language."""
_DECIMAL_COMMA = re.compile(r"[-+\u2212]?\d+,\d+(?:[eE][-+]?\d+)?\s*%?")
_CODED = re.compile(r"(?P<name>.+)[_.-](?P<code>[a-z]{2,3}(?:[_-][A-Z][a-z]{3})?)")
_LONGEST_CELL = 1 << 24


def looks_like(path: Path) -> bool:
    """A `.csv`, `.tsv`, `.txt` or `.jsonl` whose first row has the required columns."""
    if not path.is_file() or path.suffix.lower() not in _ENDINGS:
        return False
    try:
        columns = set(_columns(path))
        return set(REQUIRED) <= columns or columns >= _BY_PROMPT
    except TaskError:
        return False


def _columns(path: Path) -> Iterable[str]:
    """Names in a table's head, or in the first object."""
    if path.suffix.lower() == ".jsonl":
        return next(files.read_lines(path), ("", {}))[1]
    return _head(files.read_text(path))[0]


def _head(text: str) -> tuple[list[str], str, str]:
    """Names of the columns, what parts them, and the text that begins with them.

    `sep=;` in a first line of its own, which Excel takes and some tools write for it, is left out.
    """
    said = re.match(r"(?i)sep=(.)\r?\n", text)
    body = text[said.end() :] if said else text
    first = re.split(r"[\r\n]", body, maxsplit=1)[0]
    for delimiter in (said[1],) if said else _DELIMITERS:
        names = _names(first, delimiter)
        if set(REQUIRED) <= set(names) or set(names) >= _BY_PROMPT:
            return names, delimiter, body
    return _names(first, ","), ",", body


def _names(line: str, delimiter: str) -> list[str]:
    try:
        row = next(csv.reader([line], delimiter=delimiter), [])
    except (csv.Error, TypeError):
        return []
    names = [one.strip().lower() for one in row]
    while names and not names[-1]:
        names.pop()
    return names


@dataclass(slots=True)
class _Draft:
    """One benchmark in one language, as its rows come."""

    items: ItemColumns
    numbers: dict[str, int] = field(default_factory=dict)
    """Name to the item's number."""
    metrics: dict[str, None] = field(default_factory=dict)
    said: dict[tuple[str, str], tuple[object, str]] = field(default_factory=dict)
    """Column and metric to what it says, and where it says so first."""


def read(path: Path) -> ForeignRun:
    """One task for each benchmark and language of the file; no row is kept once it is read."""
    drafts: dict[tuple[str, str], _Draft] = {}
    named, file = False, str(path)
    stem, in_name = _language_in_name(path)
    for line, row in _rows(path):
        where = f"{file}:{line}"
        by_prompt = "prompt_id" in row and "item_id" not in row
        if by_prompt:
            row = {**row, "item_id": row["prompt_id"]}
        needed = [one for one in REQUIRED if not (by_prompt and one == "language")]
        lacking = [name for name in needed if name not in row]
        if lacking:
            raise TaskError(f"no column {', '.join(lacking)}", where=where)
        language = _language(row, where) if "language" in row else in_name
        named = named or bool(row.get("task"))
        suite = files.as_text(row.get("task")) or (path.stem if "language" in row else stem)
        draft = drafts.get((suite, language))
        if draft is None:
            draft = drafts[suite, language] = _Draft(ItemColumns(file))
        _add(draft, row, line, where, place=f"{suite}, {language}")
    if not drafts:
        raise TaskError("no rows", where=str(path))
    tasks = [
        _task(suite, language, draft, path, named=named)
        for (suite, language), draft in drafts.items()
    ]
    return ForeignRun(path=path, tool="table", tasks=tuple(tasks))


def _add(draft: _Draft, row: files.Row, line: int, where: str, *, place: str) -> None:
    """Take in one row: an item, or another metric of one."""
    metric = files.as_text(row.get("metric")) or "score"
    name = sys.intern(files.as_text(row["item_id"]))
    score = _score(row["score"], where)
    number = draft.numbers.get(name)
    if number is None:
        number = draft.numbers[name] = draft.items.add(name, line, _texts(row))
    elif draft.items.has(number, metric):
        raise TaskError(
            f"item '{name}' has two scores in {metric} ({place}); the other one is at "
            f"{draft.items.where(number)}",
            where=where,
        )
    draft.items.put(number, metric, score)
    draft.metrics.setdefault(metric)
    for column, read_cell in _ONE_A_METRIC.items():
        if row.get(column) not in (None, ""):
            _agree(draft, column, metric, read_cell(row[column], where), where)


def _agree(draft: _Draft, column: str, metric: str, value: object, where: str) -> None:
    """Note what a column says of a metric; TaskError if another row says otherwise."""
    about = "" if column == "output_type" else metric
    said, first = draft.said.setdefault((column, about), (value, where))
    if said != value:
        raise TaskError(
            f"{column} of '{metric}' is {value} here and {said} at {first}",
            where=where,
            hint=f"one benchmark and language has one {column} a metric",
        )


def _language(row: files.Row, where: str) -> str:
    try:
        return resolve(files.as_text(row["language"]).strip()).code
    except UnknownNameError as error:
        raise TaskError(error.what, where=where, hint=error.hint) from error


def _language_in_name(path: Path) -> tuple[str, str]:
    """What a file is called and the language that its name ends in; '' where it ends in none.

    Three letters that stand for no language of two are no code: 'scores_dev.csv' is not in Domung.
    """
    match = _CODED.fullmatch(path.stem)
    if match is None:
        return path.stem, ""
    try:
        code = resolve(match["code"]).code
    except UnknownNameError:
        return path.stem, ""
    is_usual = len(match["code"]) != 3 or len(code) == 2
    return (match["name"], code) if is_usual else (path.stem, "")


def _score(cell: object, where: str) -> float | None:
    """A cell's number; None where it says that there is none.

    Raises
    ------
    TaskError
        If it says anything else.
    """
    if not isinstance(cell, str):
        score = files.score(cell)
        if score is None and cell is not None and not isinstance(cell, float | int):
            raise _no_number(cell, where)
        return score
    word = cell.strip().lower()
    if word in _NO_SCORE:
        return None
    if word in _TRUE or word in _FALSE:
        return float(word in _TRUE)
    share = 0.01 if word.endswith("%") else 1.0
    bare = word.removesuffix("%").strip().replace("\u2212", "-")
    number = files.as_number(bare)
    if number is None and bare not in ("inf", "-inf", "infinity", "-infinity"):
        raise _no_number(cell, where)
    return None if number is None else number * share


def _no_number(cell: object, where: str) -> TaskError:
    return TaskError(
        f"the score {files.as_text(cell)!r:.40} is no number",
        where=where,
        hint="a number, TRUE or FALSE; empty or NA where the item has none",
    )


def _rows(path: Path) -> Iterator[tuple[int, files.Row]]:
    """Number of the line and what it says, of every row that is not empty."""
    if path.suffix.lower() == ".jsonl":
        yield from files.read_numbered_lines(path)
        return
    text = files.read_text(path)
    names, delimiter, body = _head(text)
    before = text[: len(text) - len(body)].count("\n")
    # csv splits what it is given line by line; newline="" keeps U+2028 and quoted breaks whole.
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter)
    try:
        with _long_cells():
            next(reader, [])
            for row in reader:
                line = reader.line_num + before
                if any(cell.strip() for cell in row):
                    yield line, _named(row, names, delimiter, path, line)
    except csv.Error as error:
        raise TaskError(f"not CSV: {error}", where=f"{path}:{reader.line_num + before}") from error


@contextmanager
def _long_cells() -> Iterator[None]:
    """Let a cell hold more than the 128 KiB that csv takes by itself."""
    usual = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(usual)


def _named(
    row: Sequence[str], names: Sequence[str], delimiter: str, path: Path, line: int
) -> files.Row:
    """Cells by their columns; empty ones behind the last column are none."""
    cells = list(row)
    while len(cells) > len(names) and not cells[-1].strip():
        cells.pop()
    if len(cells) != len(names):
        raise TaskError(
            f"{plural(len(cells), 'field')}, the head has {len(names)}",
            where=f"{path}:{line}",
            hint="a decimal comma needs quotes where commas part the columns"
            if delimiter == "," and len(cells) > len(names)
            else "every row has a field for every column, empty or not",
        )
    by_name: files.Row = dict(zip(names, cells, strict=True))
    if delimiter != "," and _DECIMAL_COMMA.fullmatch(by_name["score"].strip()):
        by_name["score"] = by_name["score"].replace(",", ".")
    return by_name


def _task(suite: str, language: str, draft: _Draft, path: Path, *, named: bool) -> ForeignTask:
    said = {about: value for about, (value, _) in draft.said.items()}
    directions = {metric: bool(v) for (c, metric), v in said.items() if c == "higher_is_better"}
    chances = {
        metric: value
        for (column, metric), value in said.items()
        if column == "chance" and isinstance(value, float)
    }
    # A table that does not say is taken for log-likelihoods.
    output_type = cast(OutputType, said.get(("output_type", ""), "loglikelihood"))
    return ForeignTask(
        name=f"{suite}_{language}" if language else suite,
        items=draft.items,
        metrics=tuple(draft.metrics),
        output_type=output_type,
        origin=f"table {path.name}",
        higher_is_better=directions,
        chances=chances,
        suite=suite if language else None,
        suite_is_file=not named,
        language=language or None,
    )


def _is_true(cell: object, where: str) -> bool:
    word = files.as_text(cell).strip().lower()
    if word in (*_TRUE, "1", "1.0"):
        return True
    if word in (*_FALSE, "0", "0.0"):
        return False
    raise TaskError(f"higher_is_better is {word!r:.40}", where=where, hint="write true or false")


def _share(cell: object, where: str) -> float:
    value = _score(cell, where)
    if value is None or not 0 <= value < 1:
        raise TaskError(
            f"chance is {files.as_text(cell)!r:.40}",
            where=where,
            hint="the score of guessing, from 0 to below 1; empty where it is not known",
        )
    return value


def _named_type(cell: object, where: str) -> OutputType:
    for one in get_args(OutputType):
        if files.as_text(cell).strip().lower() == one:
            return cast(OutputType, one)
    raise TaskError(
        f"output_type is {files.as_text(cell)!r:.40}",
        where=where,
        hint=f"one of {', '.join(get_args(OutputType))}",
    )


_ONE_A_METRIC: Mapping[str, Callable[[object, str], object]] = {
    "higher_is_better": _is_true,
    "chance": _share,
    "output_type": _named_type,
}
"""Columns that say the same in every row of a metric."""


def _texts(row: files.Row) -> TextColumn:
    prompt = files.as_text(row.get("prompt"))
    said = files.as_text(row.get("prompt_hash"))
    return TextColumn(
        target=files.as_text(row.get("target")),
        prompt=prompt,
        prompt_hash=said or (digest(prompt) if prompt else None),
        output=files.as_text(row.get("output")),
        source_id=files.as_text(row.get("source_id")) or None,
        cluster_id=files.as_text(row.get("cluster_id") or row.get("cluster")).strip() or None,
    )


READER = Reader(
    name="table",
    sign="a .csv, .tsv, .txt or .jsonl with the columns item_id, language and score, or prompt_id "
    "and score",
    looks_like=looks_like,
    read=read,
)
