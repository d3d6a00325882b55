"""The item rows of finished cells as one Arrow table. Undefined is null, never NaN."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from babelbits.analysis import CellResult
from babelbits.store.codec import rows_to_table

if TYPE_CHECKING:
    import pyarrow as pa


def items_table(cells: Sequence[CellResult]) -> "pa.Table":
    """Rows of all cells, with the names of variant, suite and task before those of the item.

    Columns that a cell's task does not have (another metric's score) are null in its rows.
    """
    import pyarrow as pa

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
