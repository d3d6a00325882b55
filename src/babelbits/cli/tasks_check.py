"""`babelbits tasks check`: somebody's own benchmark, before it is run."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from babelbits.cli.console import make_safe, print_data, print_json, print_plain_table, say
from babelbits.errors import ExitCode, StudyError

if TYPE_CHECKING:
    from babelbits.tasks.own_checks import OwnCheck

SCHEMA = "babelbits.tasks.check/1"


@click.command()
@click.argument("template", type=click.Path(path_type=Path), metavar="TEMPLATE|STUDY")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def check(template: Path, *, as_json: bool) -> int:
    """Check a benchmark of your own: every file, every row.

    \b
    babelbits tasks check 'questions_{language}.csv'
    babelbits tasks check study.toml        all templates of its [data]

    Exit code 0: every file can be asked. 2: something is wrong, and where.
    """
    from babelbits.tasks.own_checks import check_template

    found = {name: check_template(name, place) for name, place in _templates(template).items()}
    if as_json:
        print_json({"schema": SCHEMA, "benchmarks": {n: _object(one) for n, one in found.items()}})
    else:
        for name, one in found.items():
            _show(name, one)
    return int(ExitCode.DONE if all(one.is_right for one in found.values()) else ExitCode.USAGE)


def _templates(given: Path) -> dict[str, Path]:
    """Name to template; of a study file those under [data]."""
    from babelbits.tasks.own_files import PLACE, is_template

    if is_template(given):
        return {given.name.partition(PLACE)[0].strip("_-. ") or "own": given}
    if given.suffix != ".toml" or not given.is_file():
        raise StudyError(
            "this is no template and no study file",
            where=str(given),
            hint="e.g. 'questions_{language}.csv', in quotes; .csv, .tsv or .jsonl",
        )
    import tomllib

    try:
        data_table = tomllib.loads(given.read_text("utf-8-sig")).get("data", {})
    except (OSError, ValueError) as error:
        raise StudyError(f"cannot be read: {error}", where=str(given)) from error
    places = {name: given.parent / str(value) for name, value in data_table.items()}
    found = {name: place for name, place in places.items() if is_template(place)}
    if not found:
        raise StudyError(
            "no template stands under [data]",
            where=str(given),
            hint='[data] quiz = "questions_{language}.csv"',
        )
    return found


def _show(name: str, found: "OwnCheck") -> None:
    rows = [
        (one.language, one.file.name, f"{one.items:,}", one.asks if not one.error else "wrong")
        for one in found.files
    ]
    print_data(name)
    print_plain_table(("language", "file", "items", "asks"), rows, numeric={2})
    first = next((one for one in found.files if not one.error), None)
    if first is not None:
        print_data("")
        print_data(f"The first question in {first.language}, as it is asked:")
        print_data("  " + make_safe(first.prompt).replace("\n", "\n  "))
        print_data(f"Right: {make_safe(first.target, one_line=True)}")
    shared = [note for note in found.files[0].notes if all(note in o.notes for o in found.files)]
    for note in shared:
        say(f"note: {note}")
    for one in found.files:
        for note in one.notes:
            if note not in shared:
                say(f"note: {one.file.name}: {note}")
    for note in found.notes:
        say(f"note: {note}")
    for one in found.files:
        if one.error:
            say(f"error: {one.error}")


def _object(found: "OwnCheck") -> dict[str, object]:
    return {
        "right": found.is_right,
        "notes": list(found.notes),
        "files": [
            {
                "language": one.language,
                "file": str(one.file),
                "items": one.items,
                "asks": one.asks,
                "notes": list(one.notes),
                "error": one.error or None,
            }
            for one in found.files
        ],
    }
