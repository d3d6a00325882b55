"""`babelbits init`: write a commented study to start from."""

import json
from importlib import resources
from pathlib import Path

import click

from babelbits.cli.console import say
from babelbits.errors import StudyError


def read_template() -> str:
    """The study that `init` writes: small, on the bundled model, offline."""
    return resources.files("babelbits.study").joinpath("template.toml").read_text("utf-8")


@click.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), default="study.toml")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def init(path: Path, *, force: bool) -> None:
    """Write a commented study to PATH (study.toml).

    It runs on the bundled model, offline, on any machine: edit it from there. Beside it goes
    babelbits.schema.json, by which editors complete and check it.
    """
    from babelbits.study.config.json_schema import NAME, make_json_schema

    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(read_template())
        schema = path.with_name(NAME)
        schema.write_text(
            json.dumps(make_json_schema(), ensure_ascii=False, indent=1) + "\n", "utf-8"
        )
    except FileExistsError:
        raise StudyError(
            "the file exists already", where=str(path), hint="--force replaces it"
        ) from None
    except OSError as error:
        raise StudyError(f"cannot be written: {error.strerror}", where=str(path)) from error
    say(f"wrote {path}, and {schema} for editors")
    say(f"  babelbits plan {path}              what it will run")
    say(f"  babelbits run {path} --limit 20    a smoke run of 20 items a task")
    say(f"  babelbits run {path}")
