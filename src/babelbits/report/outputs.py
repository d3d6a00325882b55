"""What every variant wrote: tables that other tools score and `babelbits compare` reads back.

One table a variant, one row an item: the columns of `interop.readers.table`, without the score. A
tool that cannot live beside the libraries of a run (COMET) reads them in an environment of its own,
adds the column `score`, and the tables are compared as any other. Texts are as the model wrote
them: nothing is escaped for spreadsheets, which would change what is scored.
"""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping

from babelbits.analysis.cells import BASELINE, CellResult
from babelbits.records import ItemRow, TaskInfo
from babelbits.tasks.translation.task import find_source

AGAIN = "baseline-again"
"""The A/A cells: for `babelbits compare --aa`."""
COLUMNS = (
    *("item_id", "source_id", "task", "language", "prompt_hash"),
    *("source", "output", "target", "failed"),
)
"""`source` is the sentence to translate, of other tasks the prompt; of several samples `output` is
the first; `failed` says why an item has no output, and is empty where it has one."""


def make_output_tables(
    cells: Iterable[CellResult], *, suites: Collection[str] = (), languages: Collection[str] = ()
) -> Mapping[str, str]:
    """Variant label to its table, as TSV.

    Parameters
    ----------
    cells : iterable of CellResult
        Finished cells; those whose model writes nothing are left out.
    suites, languages : collection of str
        Only these; empty: all.
    """
    chosen = [
        cell
        for cell in cells
        if cell.meta.task.output_type == "generation"
        and (not suites or cell.meta.task.suite in suites)
        and (not languages or cell.meta.task.language in languages)
    ]
    return {label: _table(held) for label, held in _by_variant(chosen).items()}


def _by_variant(cells: Iterable[CellResult]) -> Mapping[str, list[CellResult]]:
    found: dict[str, list[CellResult]] = {}
    for cell in cells:
        is_again = cell.meta.variant == BASELINE and cell.meta.replicate > 0
        found.setdefault(AGAIN if is_again else cell.meta.variant, []).append(cell)
    return found


def _table(cells: Iterable[CellResult]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_rows(cells))
    return out.getvalue()


def _rows(cells: Iterable[CellResult]) -> Iterator[tuple[str, ...]]:
    for cell in cells:
        for row in cell.rows:
            yield _row(row, cell.meta.task)


def _row(row: ItemRow, task: TaskInfo) -> tuple[str, ...]:
    source = find_source(row.prompt, task)
    return (
        *(row.item_id, row.source_id, task.suite, row.language, row.prompt_hash),
        row.prompt if source is None else source,
        *(row.output, row.target, "" if row.failure is None else row.failure.kind),
    )
