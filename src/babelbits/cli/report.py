"""`babelbits report`: what the finished cells say, as a page, a table or pictures."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from babelbits.cli.console import say
from babelbits.cli.early_stopping import early_stopping_option
from babelbits.words import plural

if TYPE_CHECKING:
    from babelbits.results.results import Results

SUFFIXES = {"html": "html", "md": "md", "csv": "csv", "json": "json", "latex": "tex"}


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="FOLDER|STUDY")
@click.option(
    "--format",
    "kind",
    type=click.Choice(list(SUFFIXES)),
    default="html",
    show_default=True,
    help="html: the page. The others go to stdout unless --output names a file.",
)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="File to write."
)
@click.option(
    "--charts", type=click.Path(path_type=Path, file_okay=False), help="Folder for SVG and PNG."
)
@click.option("--smoke", is_flag=True, help="The folder's smoke run instead of its results.")
@early_stopping_option()
def report(
    source: Path,
    *,
    kind: str,
    output: Path | None,
    charts: Path | None,
    smoke: bool,
    early_stopping: bool,
) -> None:
    """Build the report of a run folder, or of a study file with its margins as they are now.

    \b
    babelbits report study.toml                    the page, into the run folder
    babelbits report my-study.run --format csv     every comparison, to stdout
    babelbits report study.toml --charts pictures  every chart as SVG and PNG
    """
    from babelbits.report.exports import FORMATS, write_charts, write_text
    from babelbits.results.sources import locate

    folder, study_file, smoke = locate(source, smoke=smoke)
    if kind == "html" and output is None and charts is None:
        path = write_report(folder, smoke=smoke, early=early_stopping, study_file=study_file)
        click.echo(str(path))
        return
    from babelbits.results.load import load_run

    results = load_run(folder, smoke=smoke, early=early_stopping, study_file=study_file)
    tell_names(results)
    if charts is not None:
        paths = write_charts(results, charts)
        say(f"{plural(len(paths), 'file')} in {charts}")
        if kind == "html" and output is None:
            return
    text = FORMATS[kind](results)
    if output is None:
        click.echo(text.encode(), nl=False)
        return
    write_text(output, text)
    say(f"written: {output}")


def write_report(
    folder: Path, *, smoke: bool = False, early: bool = False, study_file: Path | None = None
) -> Path:
    """Write the page into the run folder; returns its path.

    Raises
    ------
    StoreError
        If the folder holds no finished cell, or cannot be written.
    """
    from babelbits import write_report as write
    from babelbits.results.load import load_run
    from babelbits.store import Store

    results = load_run(folder, smoke=smoke, early=early, study_file=study_file)
    tell_names(results)
    return write(results, Store(folder, smoke=smoke, early=early).base / "report.html")


def tell_names(found: "Results") -> None:
    """Say aloud where the names of a study file could not be used."""
    if found.study.names_note is not None:
        say(f"warning: {found.study.names_note}")
