"""`babelbits demo`: the whole job on the bundled model, offline: variants, results, report."""

from importlib import resources
from pathlib import Path

import click

from babelbits.cli.console import say
from babelbits.errors import StudyError


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("babelbits-demo"),
    show_default=True,
    help="Where the study and its results go.",
)
@click.option("--limit", type=click.IntRange(min=1), help="First N items a task: a smoke run.")
def demo(*, folder: Path, limit: int | None) -> int:
    """Quantize the bundled model in several ways and see which languages it hurts.

    Needs no network. Writes study.toml into the folder first, so that you can change it and run it
    again with `babelbits run`.
    """
    from babelbits.cli.run import run_study
    from babelbits.study import load

    file = folder / "study.toml"
    if not file.exists():
        content = _study()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file.write_text(content, "utf-8")
        except OSError as error:
            raise StudyError(f"cannot be written: {error.strerror}", where=str(file)) from error
    say(f"study: {file}")
    return run_study(load(file, limit=limit), report=True)


def _study() -> str:
    """The shipped study; with k-quants where llama.cpp is installed."""
    from babelbits.llamacpp import library

    shipped = resources.files("babelbits.study")
    text = shipped.joinpath("demo.toml").read_text("utf-8")
    if library.version() is None:
        say(f"without llama.cpp's k-quants, which need: {library.INSTALL}")
        return text
    return text + shipped.joinpath("demo_gguf.toml").read_text("utf-8")
