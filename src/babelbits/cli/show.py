"""`babelbits show`: one item under every variant, or the items of a cell, side by side.

Outputs are hostile text: everything printed goes through `console.make_safe`.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from babelbits.cli.console import make_cell, make_safe, open_console, print_data, say
from babelbits.cli.early_stopping import early_stopping_option
from babelbits.errors import UnknownNameError
from babelbits.words import plural

if TYPE_CHECKING:
    from rich.text import Text

    from babelbits.analysis import CellResult
    from babelbits.report.diff import Span
    from babelbits.report.item_pairs import ItemPair

STYLES = {"before": "strike red", "after": "underline green"}


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="FOLDER|STUDY")
@click.option("--item", help="Item id, or its source id: every language and variant of it.")
@click.option("--variant", help="Variant label, e.g. 'w4-g@en'.")
@click.option("--suite", help="Task, e.g. 'xcopa'.")
@click.option("--language", help="Language in any usual form, e.g. 'sw' or 'swh_Latn'.")
@click.option("--flips", is_flag=True, help="Only items that broke or were fixed.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many items.")
@click.option("--smoke", is_flag=True, help="The folder's smoke run instead of its results.")
@early_stopping_option()
def show(
    source: Path,
    *,
    item: str | None,
    variant: str | None,
    suite: str | None,
    language: str | None,
    flips: bool,
    limit: int | None,
    smoke: bool,
    early_stopping: bool,
) -> None:
    """Show what baseline and variant made of the same items, with what changed marked.

    \b
    babelbits show my-study.run --item 5f2c9d0e11aa03b7
    babelbits show my-study.run --variant w4-g@en --suite math --language sw --flips
    """
    from babelbits.results.load import load_cells
    from babelbits.results.sources import locate
    from babelbits.store import Store

    if item is None and variant is None and suite is None and language is None:
        raise click.UsageError("name an item (--item), or a cell (--variant, --suite, --language)")
    folder, _, smoke = locate(source, smoke=smoke)
    wanted = {"variant": variant, "suite": suite, "language": _code(language)}
    chosen = select(load_cells(Store(folder, smoke=smoke, early=early_stopping)), wanted)
    pairs = [
        (name, pair)
        for name, pair in chosen
        if (item is None or item in (pair.before.item_id, pair.before.source_id))
        and (not flips or pair.flipped)
    ]
    if item is not None and not pairs:
        raise UnknownNameError(f"no finished cell holds the item {item!r}", where=str(folder))
    for name, pair in islice(pairs, limit):
        render(name, pair)
    more = 0 if limit is None else len(pairs) - limit
    say(plural(len(pairs), "item") + (f", {more} not shown" if more > 0 else ""))


def _code(language: str | None) -> str | None:
    from babelbits.languages import resolve

    return None if language is None else resolve(language).code


def select(
    cells: Sequence["CellResult"], wanted: dict[str, str | None]
) -> Iterator[tuple[str, "ItemPair"]]:
    """Variant label and pair of every item in the cells that fit what is wanted.

    Raises
    ------
    UnknownNameError
        If no finished cell fits; the hint names what there is.
    """
    from babelbits.report.item_pairs import compare_items

    pairs = compare_items(cells)
    kept = [
        one
        for one in pairs
        if all(value is None or getattr(one, key) == value for key, value in wanted.items())
    ]
    if not kept:
        asked = ", ".join(f"{key} {value!r}" for key, value in wanted.items() if value is not None)
        there = [f"{key}: {' '.join(_names(pairs, key))}" for key in wanted]
        raise UnknownNameError(f"no finished cell has {asked}", hint="; ".join(there))
    return ((one.variant, pair) for one in kept for pair in one.pairs)


def _names(found: Sequence[object], key: str) -> list[str]:
    return list(dict.fromkeys(getattr(one, key) for one in found))


# --- on the terminal -------------------------------------------------------------------------


def render(variant: str, pair: "ItemPair") -> None:
    """Print one item: prompt, target, and both outputs with what changed marked."""
    from rich.table import Table

    from babelbits.report.diff import find_changes

    before, after = pair.before, pair.after
    head = f"{pair.status}  {before.task}  {before.source_id}  {before.item_id}"
    print_data(f"── {make_safe(head, one_line=True)}")
    _labelled("prompt", before.prompt.rstrip())
    _labelled("target", before.target)
    spans = find_changes(before.output, after.output)
    table = Table(show_edge=False, pad_edge=False, expand=True, box=None, padding=(0, 2, 0, 0))
    for name, score in zip(("baseline", variant), pair.scores, strict=True):
        shown = "no score" if score is None else f"{pair.metric.name} {score:.4g}"
        table.add_column(make_cell(f"{name}  {shown}"), ratio=1, overflow="fold")
    table.add_row(
        _marked(before.output, spans.before, STYLES["before"]),
        _marked(after.output, spans.after, STYLES["after"]),
    )
    open_console().print(table, markup=False)
    _asides(pair)
    print_data("")


def _labelled(name: str, text: str) -> None:
    print_data(f"{name}: {text}")


def _marked(text: str, spans: Sequence["Span"], style: str) -> "Text":
    """`text` made safe; changed pieces styled and, for terminals without colour, in brackets."""
    from rich.text import Text

    from babelbits.report.diff import cut_segments

    out = Text()
    for piece, changed in cut_segments(text, spans):
        shown = make_safe(piece)
        out.append(f"[{shown}]" if changed else shown, style if changed else "")
    return out if text else Text("(no text)")


def _asides(pair: "ItemPair") -> None:
    """Log-likelihoods, samples, cut outputs, shortened prompts and failures, if there are any."""
    from babelbits.report.item_pairs import describe_samples

    for name, row in (("baseline", pair.before), ("variant", pair.after)):
        notes = []
        if row.choice_logprobs is not None:
            values = " ".join(f"{value:.3f}" for value in row.choice_logprobs)
            notes.append(f"choice log-likelihoods {values}")
        samples = describe_samples(row, pair.metric)
        if samples is not None:
            notes.append(samples)
        if row.finish_reason == "length":
            notes.append("output cut at the length limit")
        if row.truncated_tokens:
            notes.append(f"prompt lost its first {plural(row.truncated_tokens, 'token')}")
        if row.remark:
            notes.append(row.remark)
        if row.failure is not None and row.failure.message != row.remark:
            notes.append(f"failed: {row.failure.kind}: {row.failure.message}")
        if notes:
            print_data(f"{name}: {'; '.join(notes)}")
