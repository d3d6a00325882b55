"""`babelbits demo`: the whole job on the bundled model, offline: variants, results, report."""

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from babelbits.cli.console import say
from babelbits.errors import ExitCode, StudyError

if TYPE_CHECKING:
    from babelbits.study import Study


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("babelbits-demo"),
    show_default=True,
    help="Where the studies and their results go.",
)
@click.option("--limit", type=click.IntRange(min=1), help="First N items a task: a smoke run.")
def demo(*, folder: Path, limit: int | None) -> int:
    """Quantize the bundled model in several ways and see which languages it hurts.

    Needs no network. Where llama.cpp is installed, a second study asks what the language of an
    importance matrix changes (Paper B). Both are first written into the folder as study files, so
    that you can change them and run them again with `babelbits run`.
    """
    from babelbits.cli.run import run_aloud
    from babelbits.llamacpp import library
    from babelbits.study import load

    has_llama_cpp = library.version() is not None
    if not has_llama_cpp:
        say(f"without llama.cpp's k-quants, which need: {library.INSTALL}")
    files = [_written(folder / "study.toml", _study(has_llama_cpp=has_llama_cpp))]
    if has_llama_cpp:
        files.append(_written(folder / "paper-b.toml", _shipped("demo_paper_b.toml")))
    studies = [load(file, limit=limit) for file in files]
    codes = []
    for study in studies:
        say(f"study: {study.file}")
        codes.append(run_aloud(study, report=True))
        if codes[-1] not in (ExitCode.DONE, ExitCode.INCOMPLETE):
            return codes[-1]
    if has_llama_cpp:
        _show_paper_b(studies[-1])
    return max(codes)


def _written(file: Path, content: str) -> Path:
    """The study file; one that is there already is left as it is."""
    if not file.exists():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, "utf-8")
        except OSError as error:
            raise StudyError(f"cannot be written: {error.strerror}", where=str(file)) from error
    return file


def _study(*, has_llama_cpp: bool) -> str:
    """The shipped study; with k-quants where llama.cpp is installed."""
    return _shipped("demo.toml") + (_shipped("demo_gguf.toml") if has_llama_cpp else "")


def _shipped(name: str) -> str:
    return resources.files("babelbits.study").joinpath(name).read_text("utf-8")


def _show_paper_b(study: "Study") -> None:
    from babelbits.cli.paper_b import show
    from babelbits.report.exports import write_text
    from babelbits.report.paper_b import to_markdown
    from babelbits.results.load import load_run

    found = load_run(study.folder, smoke=study.smoke, study_file=study.file)
    show(found)
    page = study.file.parent / ("paper-b-smoke.md" if study.smoke else "paper-b.md")
    write_text(page, to_markdown(found))
    say(f"every comparison: {page}")
