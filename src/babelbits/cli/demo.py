"""`babelbits demo`: the whole job on the bundled model, offline: variants, results, report."""

from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from babelbits.cli.console import make_cell, open_console, say
from babelbits.errors import ExitCode, StudyError

if TYPE_CHECKING:
    from babelbits.report.paper_b import Level
    from babelbits.results.results import Results
    from babelbits.study import Study

_TEXTS = 2
"""Columns of text in a table of Paper B, to the left of those of numbers."""


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
    from babelbits.cli.run import run_with_progress
    from babelbits.llamacpp import library
    from babelbits.study import load

    has_llama_cpp = library.find_version() is not None
    if not has_llama_cpp:
        say(f"without llama.cpp's k-quants, which need: {library.INSTALL}")
    files = [_written(folder / "study.toml", _study(has_llama_cpp=has_llama_cpp))]
    if has_llama_cpp:
        files.append(_written(folder / "paper-b.toml", _shipped("demo_paper_b.toml")))
    studies = [load(file, limit=limit) for file in files]
    codes = []
    for study in studies:
        say(f"study: {study.file}")
        codes.append(run_with_progress(study, report=True))
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
    from babelbits.report.exports import write_text
    from babelbits.report.paper_b import to_markdown
    from babelbits.results.load import load_run

    found = load_run(study.folder, smoke=study.smoke, study_file=study.file)
    _print_paper_b(found)
    page = study.file.parent / ("paper-b-smoke.md" if study.smoke else "paper-b.md")
    write_text(page, to_markdown(found))
    say(f"every comparison: {page}")


def _print_paper_b(report: "Results") -> None:
    """Print what each level shows on each task, and the languages against draws of text."""
    from babelbits.analysis import format as shown
    from babelbits.report import paper_b

    alpha = report.study.alpha
    found = paper_b.count_levels(paper_b.compare_with_english(report), alpha=alpha)
    if not found:
        say("no two matrices can be compared yet")
        return
    if report.study.smoke or report.analysis.smoke:
        say("SMOKE run: nothing here is a result")
    level = f"{paper_b.bonferroni_alpha(alpha):.5f}"
    _print_table(
        "Each matrix against the English one: as Paper B reported, and paired",
        (
            *("task", "recipe"),
            *_under("reported*", "least t", "binom.", f"< {level}", "sees"),
            *_under("paired", "p (Holm)", "differ", "equal", "open", "sees"),
        ),
        [_level_row(one) for one in found],
    )
    by = f"{alpha:g} / {paper_b.COMPARISONS}"
    say(f"* RECONSTRUCTED from arXiv 2503.03592; {level} = {by} (Bonferroni)")
    say(
        "p (Holm): the smallest, adjusted over a task's tests; equal: shown to be within the margin"
    )
    units = dict.fromkeys(f"{one.suite} in {shown.unit_word(one.unit)}" for one in found)
    say(f"sees: what each test would show with 80 % power ({', '.join(units)});")
    say("    \N{EN DASH}: too few answers changed to show any loss")
    draws = [one for one in paper_b.compare_over_draws(report) if one.language is None]
    if draws:
        _print_table(
            "Languages of the matrix, judged against draws of text",
            paper_b.DRAW_HEADS,
            [paper_b.draw_row(one) for one in draws],
        )


def _under(name: str, *heads: str) -> tuple[str, ...]:
    """Two-line headings; the first line says whose columns begin here."""
    first, *others = heads
    return (f"{name}\n{first}", *others)


def _level_row(one: "Level") -> tuple[str, ...]:
    from babelbits.analysis import format as shown

    return (
        one.suite,
        one.recipe,
        shown.p_value(one.smallest_t_test_p),
        shown.p_value(one.smallest_monte_carlo_p),
        str(one.reported),
        shown.score(one.unpaired_sees, one.unit),
        shown.p_value(one.smallest_p),
        str(one.different),
        str(one.equivalent),
        str(one.undecided),
        shown.score(one.paired_sees, one.unit),
    )


def _print_table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.table import Table

    say()
    say(title)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))  # 80 columns hold it
    for number, head in enumerate(heads):
        table.add_column(head, justify="left" if number < _TEXTS else "right", vertical="bottom")
    for row in rows:
        table.add_row(*map(make_cell, row))
    open_console(err=True).print(table)
