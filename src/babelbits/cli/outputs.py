"""`babelbits outputs`: what every variant wrote, one table each, for scorers of other tools."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from babelbits.cli.console import say
from babelbits.errors import NothingThereError, UnknownNameError

if TYPE_CHECKING:
    from babelbits.analysis import CellResult


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="FOLDER|STUDY")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the tables.",
)
@click.option("--suite", "suites", multiple=True, help="Only this task; may be repeated.")
@click.option(
    "--languages", "-l", multiple=True, metavar="CODES", help="Only these, e.g. 'ja,swh_Latn'."
)
@click.option("--smoke", is_flag=True, help="The folder's smoke run instead of its results.")
def outputs(
    source: Path, *, output: Path, suites: tuple[str, ...], languages: tuple[str, ...], smoke: bool
) -> None:
    """Write what every variant wrote: one TSV file each, with source and reference.

    Add a column `score` with any tool, and compare the files.

    \b
    babelbits outputs study.toml -o out --suite flores
    babelbits compare out/baseline.tsv out/w4.tsv --aa out/baseline-again.tsv
    """
    from babelbits.cli.decision_options import split_list
    from babelbits.languages import resolve
    from babelbits.report.exports import write_text
    from babelbits.report.outputs import make_output_tables
    from babelbits.results.load import load_cells
    from babelbits.results.sources import locate
    from babelbits.store import Store

    folder, _, is_smoke = locate(source, smoke=smoke)
    cells = load_cells(Store(folder, smoke=is_smoke))
    codes = [resolve(code).code for code in split_list(languages)]
    _check(cells, suites, folder)
    tables = make_output_tables(cells, suites=suites, languages=codes)
    if not tables:
        raise NothingThereError("no finished cell with answers matches", where=str(folder))
    for label, table in tables.items():
        path = output / f"{_file_name(label)}.tsv"
        write_text(path, table)
        say(f"written: {path}")


def _check(cells: "Iterable[CellResult]", suites: Iterable[str], folder: Path) -> None:
    """Every suite that is asked for has answers here."""
    from babelbits.suggest import did_you_mean

    tasks = (cell.meta.task for cell in cells)
    there = list(dict.fromkeys(task.suite for task in tasks if task.output_type == "generation"))
    for name in suites:
        if name not in there:
            near = did_you_mean(name, there) or f"available: {', '.join(there) or 'none'}"
            raise UnknownNameError(
                f"no finished task with answers is called {name!r}", where=str(folder), hint=near
            )


def _file_name(label: str) -> str:
    """The label, unless it has characters that mean something in a path."""
    from babelbits.records import digest

    plain = re.sub(r"[^\w.@=,+\[\]-]", "_", label)
    return plain if plain == label else f"{plain}-{digest(label, length=6)}"
