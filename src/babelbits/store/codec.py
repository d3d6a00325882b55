"""Records to JSON and Parquet and back. Undefined stays undefined: None, never NaN.

`pydantic` checks what comes back against the dataclasses' own annotations, so that a file from
another version or another hand cannot become a half-typed record.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from babelbits import libraries
from babelbits.errors import StoreError
from babelbits.records import Failure, ItemRow, canonical_json

if TYPE_CHECKING:
    import pyarrow as pa
    from _typeshed import DataclassInstance
    from pydantic import TypeAdapter

T = TypeVar("T")
_OTHER_VERSION = "the file may come from another version of Babelbits, or be damaged"
_SCORE, _STATISTICS = "score:", "statistics:"
_ANSWERS = "answers"
_WHAT = "a run folder, which has Parquet files,"


@cache
def _adapter(kind: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def to_json(record: "DataclassInstance") -> dict[str, Any]:
    """A dataclass as plain JSON types."""
    return dataclasses.asdict(record)


def dumps(record: "DataclassInstance") -> bytes:
    """A dataclass as canonical JSON bytes with a final newline.

    Raises
    ------
    ValueError
        If it holds NaN or infinity.
    """
    return canonical_json(to_json(record)).encode() + b"\n"


def from_json(kind: type[T], value: object, *, where: str, hint: str = _OTHER_VERSION) -> T:
    """The dataclass `kind` from plain JSON types.

    Raises
    ------
    StoreError
        If fields are missing or of a wrong type.
    """
    from pydantic import ValidationError

    try:
        hashable: Any = kind  # a type is, but mypy does not know
        checked: T = _adapter(hashable).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StoreError(
            f"this is no {kind.__name__}: {place}: {first['msg']}",
            where=where,
            hint=hint,
        ) from error
    return checked


def rows_to_columns(rows: Sequence[ItemRow]) -> dict[str, list[Any]]:
    """One list a column: scalar fields, `score:<metric>`, `failure_kind`, `failure_message`.

    Corpus metrics have a `statistics:<metric>` too, a list of numbers an item.
    """
    metrics = sorted({name for row in rows for name in row.scores})
    corpora = sorted({name for row in rows for name in row.statistics})
    apart = {"scores", "failure", "statistics"}
    plain = [f.name for f in dataclasses.fields(ItemRow) if f.name not in apart]
    columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in rows] for name in plain}
    columns["choice_logprobs"] = [
        None if row.choice_logprobs is None else list(row.choice_logprobs) for row in rows
    ]
    for name in metrics:
        columns[_SCORE + name] = [row.scores.get(name) for row in rows]
    for name in corpora:
        values = [row.statistics.get(name) for row in rows]
        columns[_STATISTICS + name] = [None if one is None else list(one) for one in values]
    columns[_ANSWERS] = [[to_json(one) for one in row.answers] for row in rows]
    columns["failure_kind"] = [row.failure.kind if row.failure else None for row in rows]
    columns["failure_message"] = [row.failure.message if row.failure else None for row in rows]
    return columns


def columns_to_rows(columns: Mapping[str, Sequence[Any]], *, where: str) -> tuple[ItemRow, ...]:
    """The inverse of `rows_to_columns`."""
    apart = (_SCORE, _STATISTICS, "failure_")
    names = [name for name in columns if not name.startswith(apart)]
    metrics = [name for name in columns if name.startswith(_SCORE)]
    corpora = [name for name in columns if name.startswith(_STATISTICS)]
    rows = []
    for index in range(len(columns["item_id"])):
        value: dict[str, Any] = {name: columns[name][index] for name in names}
        value["scores"] = {name.removeprefix(_SCORE): columns[name][index] for name in metrics}
        value["statistics"] = {
            name.removeprefix(_STATISTICS): columns[name][index]
            for name in corpora
            if columns[name][index] is not None
        }
        kind = columns["failure_kind"][index]
        if kind is not None:
            value["failure"] = Failure(kind=kind, message=columns["failure_message"][index])
        rows.append(from_json(ItemRow, value, where=where))
    return tuple(rows)


def _arrow() -> Any:
    return libraries.load("pyarrow", of="pyarrow", what=_WHAT)


def _parquet() -> Any:
    return libraries.load("pyarrow.parquet", of="pyarrow", what=_WHAT)


def rows_to_table(rows: Sequence[ItemRow]) -> "pa.Table":
    """An Arrow table with the columns of `rows_to_columns`."""
    pa = _arrow()

    columns = rows_to_columns(rows)
    column_types = _nullable_types()
    arrays = {}
    for name, values in columns.items():
        kind = pa.float64() if name.startswith(_SCORE) else column_types.get(name)
        kind = pa.list_(pa.float64()) if name.startswith(_STATISTICS) else kind
        kind = _answer_type(rows) if name == _ANSWERS else kind
        arrays[name] = pa.array(values, type=kind)
    return pa.table(arrays)


def write_parquet(rows: Sequence[ItemRow], *, metadata: Mapping[str, str]) -> bytes:
    """The bytes of a Parquet file that pandas, DuckDB and Polars open."""
    pa, pq = _arrow(), _parquet()

    table = rows_to_table(rows).replace_schema_metadata(dict(metadata))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _nullable_types() -> dict[str, Any]:
    """Types of columns that may hold nothing but None, which Arrow cannot guess."""
    pa = _arrow()

    text = pa.string()
    return {
        "choice_logprobs": pa.list_(pa.float64()),
        "finish_reason": text,
        "failure_kind": text,
        "failure_message": text,
        "golds": pa.list_(text),
        "cluster_id": text,
    }


def _answer_type(rows: Sequence[ItemRow]) -> Any:
    """Type of the answers' column; their scores are a struct with a field a metric."""
    pa = _arrow()

    metrics = sorted({name for row in rows for one in row.answers for name in one.scores})
    text, count = pa.string(), pa.int64()
    fields = [
        ("text", text),
        ("finish_reason", text),
        ("output_tokens", count),
        ("thinking", text),
        ("thinking_tokens", count),
        ("thinking_finished", pa.bool_()),
    ]
    scores = [("scores", pa.struct([(name, pa.float64()) for name in metrics]))] if metrics else []
    return pa.list_(pa.struct([*fields, *scores]))


def read_parquet(path: Path) -> tuple[ItemRow, ...]:
    """The rows of a finished cell.

    Raises
    ------
    StoreError
        If the file is not a Parquet file of item rows.
    """
    pa, pq = _arrow(), _parquet()

    try:
        columns = pq.read_table(path).to_pydict()
    except (pa.ArrowInvalid, OSError) as error:
        raise StoreError("not a readable Parquet file", where=str(path)) from error
    return columns_to_rows(columns, where=str(path))
