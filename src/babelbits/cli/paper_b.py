"""Paper B's tests as reported beside paired ones: two short tables; the page has every row."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from babelbits.cli.console import cell, console, say

if TYPE_CHECKING:
    from babelbits.report.paper_b import Level
    from babelbits.results.results import Results

TEXTS = 2
"""Columns of text, to the left of those of numbers."""


def show(report: "Results") -> None:
    """Print what each level shows on each task, and the languages against draws of text."""
    from babelbits.analysis import format as shown
    from babelbits.report import paper_b
    from babelbits.stats.reported import COMPARISONS, bonferroni_alpha

    alpha = report.study.alpha
    found = paper_b.levels(paper_b.compared(report), alpha=alpha)
    if not found:
        say("no two matrices can be compared yet")
        return
    if report.study.smoke or report.analysis.smoke:
        say("SMOKE run: nothing here is a result")
    level = f"{bonferroni_alpha(alpha):.5f}"
    _print(
        "Each matrix against the English one: as Paper B reported, and paired",
        (
            *("task", "recipe"),
            *_group("reported*", "least t", "binom.", f"< {level}", "sees"),
            *_group("paired", "p (Holm)", "differ", "equal", "open", "sees"),
        ),
        [_row(one) for one in found],
    )
    say(f"* RECONSTRUCTED from arXiv 2503.03592; {level} = {alpha:g} / {COMPARISONS} (Bonferroni)")
    say(
        "p (Holm): the smallest, adjusted over a task's tests; equal: shown to be within the margin"
    )
    units = dict.fromkeys(f"{one.suite} in {shown.unit_word(one.unit)}" for one in found)
    say(f"sees: what each test would show with 80 % power ({', '.join(units)});")
    say("    \N{EN DASH}: too few answers changed to show any loss")
    draws = [one for one in paper_b.over_draws(report) if one.language is None]
    if draws:
        _print(
            "Languages of the matrix, judged against draws of text",
            paper_b.DRAW_HEADS,
            [paper_b.draw_row(one) for one in draws],
        )


def _group(name: str, *heads: str) -> tuple[str, ...]:
    """Two-line headings; the first line says whose columns begin here."""
    first, *others = heads
    return (f"{name}\n{first}", *others)


def _row(one: "Level") -> tuple[str, ...]:
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


def _print(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.table import Table

    say()
    say(title)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))  # 80 columns hold it
    for number, head in enumerate(heads):
        table.add_column(head, justify="left" if number < TEXTS else "right", vertical="bottom")
    for row in rows:
        table.add_row(*map(cell, row))
    console(err=True).print(table)
