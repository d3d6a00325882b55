"""`babelbits tasks identifier`: how often an identifier of languages is wrong, by language."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from babelbits.cli.console import make_cell, open_console, print_json, say

if TYPE_CHECKING:
    from babelbits.tasks.language_id.errors import ErrorRate

SCHEMA = "babelbits.tasks.identifier/1"


@click.command(short_help="Show how often languages are mistaken.")
@click.argument("name", default="lite")
@click.argument("languages", nargs=-1)
@click.option("--data", "folder", type=click.Path(path_type=Path), help="NTREX-128: measure anew.")
@click.option("--limit", type=click.IntRange(min=1), help="First N segments of each language.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def identifier(
    name: str, languages: tuple[str, ...], *, folder: Path | None, limit: int | None, as_json: bool
) -> None:
    """Show how often an identifier of languages is wrong on professional translations of news.

    NAME is lite, lingua, or the path of a fastText model (lid.176.bin, GlotLID). Without --data,
    what is on record; with it, any identifier is measured on NTREX-128.

    \b
    babelbits tasks identifier
    babelbits tasks identifier lingua ja zh
    babelbits tasks identifier lid.176.bin ja zh --data path/to/ntrex
    """
    from babelbits.errors import TaskError
    from babelbits.languages import resolve
    from babelbits.tasks.catalogue import find_info
    from babelbits.tasks.language_id import open_identifier
    from babelbits.tasks.language_id.errors import read_measured, to_row
    from babelbits.tasks.language_id.ntrex_errors import SUITE, measure_ntrex_error

    opened = open_identifier(name)
    codes = [resolve(one).code for one in languages]
    if folder is None:
        known = read_measured(opened)
        listed_rates = [known[code] for code in codes or known if code in known]
        if not listed_rates:
            raise TaskError(
                f"the error rates of {opened.name!r} are not on record for these languages",
                hint="measure them on NTREX-128: add --data path/to/ntrex",
            )
    else:
        codes = [
            code for code in codes or find_info(SUITE, data=folder).languages if opened.knows(code)
        ]
        rates = {code: measure_ntrex_error(opened, code, folder, limit=limit) for code in codes}
        listed_rates = [rate for rate in rates.values() if rate is not None]
        without = [code for code, rate in rates.items() if rate is None]
        if without:
            say(f"no segment of five or more words between spaces: {', '.join(without)}")
    if as_json:
        rows = {one.language: to_row(one) for one in listed_rates}
        print_json({"schema": SCHEMA, "recipe": opened.recipe, "languages": rows})
        return
    _print(listed_rates)
    say(f"{opened.recipe}; NTREX-128 segments of five or more words, without punctuation")


def _print(found: list["ErrorRate"]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("language")
    for column in ("lines", "wrong", "wrong, %", "of these unsure"):
        table.add_column(column, justify="right")
    table.add_column("taken for")
    for one in found:
        mistakes = ", ".join(f"{label} {count}" for label, count in one.mistaken_for[:3])
        figures = (str(one.n_lines), str(one.wrong), f"{100 * one.rate:.2f}", str(one.unsure))
        table.add_row(*map(make_cell, (one.language, *figures, mistakes or "-")))
    open_console().print(table)
