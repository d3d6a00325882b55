"""`babelbits prune`: what a run folder holds, and freeing what can be made again."""

from pathlib import Path

import click

from babelbits.cli.console import print_json, print_plain_table, say
from babelbits.words import bytes_size, plural

SCHEMA = "babelbits.prune/1"


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="FOLDER|STUDY")
@click.option("--yes", is_flag=True, help="Free it; without this it is only said.")
@click.option("--variants", "only", flag_value="variant", help="Variants alone, and no caches.")
@click.option("--caches", "only", flag_value="cache", help="Caches alone, and no variants.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def prune(source: Path, *, yes: bool, only: str | None, as_json: bool) -> None:
    """Say what a run folder holds and what of it can be made again; free that with --yes.

    \b
    babelbits prune my-study.run          says it
    babelbits prune study.toml --yes      frees it

    Results are never touched: cells, votes, grades, divergences, and what was set aside. A variant
    with open cells stays. One that is freed is made again by the next run that needs it; GPTQ and
    AWQ may then give other weights on another machine, and new cells would not mix with old ones.
    """
    from babelbits.errors import StoreError
    from babelbits.results.sources import locate
    from babelbits.store import Store
    from babelbits.store.pruning import list_holdings, remove_holdings

    folder, _, _ = locate(source, smoke=False)
    if not any(store.planned() for store in Store.kinds(folder).values()):
        raise StoreError(
            "no run has been started here", where=str(folder), hint="babelbits run STUDY"
        )
    with Store(folder).writing():
        found = list_holdings(folder)
        chosen = [one for one in found if one.free and only in (None, one.kind)]
        amount = sum(one.bytes for one in chosen)
        if as_json:
            print_json(
                {
                    "schema": SCHEMA,
                    "freed": yes,
                    "bytes": amount,
                    "holdings": [
                        {
                            "kind": one.kind,
                            "name": one.name,
                            "bytes": one.bytes,
                            "free": one in chosen,
                            "why": one.why,
                        }
                        for one in found
                    ],
                }
            )
        else:
            rows = [
                (one.kind, one.name, bytes_size(one.bytes), _word(one in chosen, yes=yes), one.why)
                for one in found
            ]
            print_plain_table(("kind", "name", "size", "", "why"), rows, numeric={2})
        if yes:
            remove_holdings(folder, chosen)
    what = f"{bytes_size(amount)} in {plural(len(chosen), 'place')}"
    say(f"freed {what}" if yes else f"--yes frees {what}")


def _word(chosen: bool, *, yes: bool) -> str:
    if not chosen:
        return "kept"
    return "freed" if yes else "can be freed"
