"""Rows as one Arrow table, those of items above all. Undefined is null, never NaN."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from babelbits.analysis import CellResult
from babelbits.errors import MissingExtraError
from babelbits.libraries import load
from babelbits.store.codec import rows_to_table

if TYPE_CHECKING:
    import pyarrow as pa


def make_table(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Rows of the same fields as an Arrow table; without pyarrow, a list a column."""
    try:
        arrow = load("pyarrow", of="pyarrow", what="a table")
    except MissingExtraError:
        return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    return arrow.Table.from_pylist(list(rows))


def make_items_table(cells: Sequence[CellResult]) -> "pa.Table":
    """Rows of all cells, with the names of variant, suite and task before those of the item.

    Columns that a cell's task does not have (another metric's score) are null in its rows.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    """
    pa = load("pyarrow", of="pyarrow", what="the table of items")
    tables = []
    for cell in cells:
        table, n_rows = rows_to_table(cell.rows), len(cell.rows)
        for name, value in (
            ("replicate", cell.meta.replicate),
            ("suite", cell.meta.task.suite),
            ("variant", cell.meta.variant),
        ):
            if name not in table.column_names:
                table = table.add_column(0, name, pa.array([value] * n_rows))
        tables.append(table)
    return pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})
