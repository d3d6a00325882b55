"""`babelbits status`: how far a run is, from any machine that sees its folder."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from babelbits.cli.console import print_data, print_json, print_plain_table
from babelbits.words import duration, plural

if TYPE_CHECKING:
    from babelbits.store.run_progress import RunProgress

SCHEMA = "babelbits.status/1"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def status(folder: Path, *, as_json: bool) -> None:
    """Say how far the run in FOLDER is: what is recorded, what is being written, what is left.

    Only looks: it may be asked while the run writes, from any machine that sees the folder.
    """
    from babelbits.errors import StoreError
    from babelbits.store import Store
    from babelbits.store.run_progress import read_progress

    kinds = {
        kind: found
        for kind, store in Store.kinds(folder).items()
        if (found := read_progress(store)).variants
    }
    if not kinds:
        raise StoreError(
            "no run has been started here", where=str(folder), hint="babelbits run STUDY"
        )
    if as_json:
        print_json(
            {
                "schema": SCHEMA,
                "folder": str(folder),
                "runs": {
                    kind: {**asdict(found), "complete": found.complete}
                    for kind, found in kinds.items()
                },
            }
        )
        return
    for kind, found in kinds.items():
        _print(kind, found)


def _print(kind: str, found: "RunProgress") -> None:
    share = f" ({found.items_done / found.items:.0%})" if found.items else ""
    print_data(f"{kind}: {found.items_done:,} of {plural(found.items, 'item')} recorded{share}")
    rows = [
        (
            one.variant,
            f"{one.cells_done}/{one.cells}",
            f"{one.items_done:,}/{one.items:,}",
            str(one.active or "-"),
            str(one.damaged or "-"),
        )
        for one in found.variants
    ]
    heads = ("variant", "cells done", "items done", "being written", "damaged")
    print_plain_table(heads, rows, numeric=range(1, 5))
    if found.complete:
        print_data("every cell is done")
    elif found.seconds_since is not None:
        print_data(f"last recorded {duration(found.seconds_since)} ago")
