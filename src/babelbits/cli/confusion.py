"""`babelbits confusion`: pass rates of responses that are already written."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from babelbits.cli.console import make_cell, open_console, print_json, say
from babelbits.words import agreeing, plural

if TYPE_CHECKING:
    from babelbits.tasks.language_confusion.completions import Judged, Rate

SCHEMA = "babelbits.confusion/1"
_NAMES = {"line_pass": "LPR", "word_pass": "WPR"}


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option(
    "--identifier",
    default="lite",
    show_default=True,
    help="lite, lingua, or the path of a fastText model (lid.176.bin, GlotLID).",
)
@click.option(
    "--words",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder with the benchmark's list of English words; without it there is no WPR.",
)
@click.option("--languages", "by_language", is_flag=True, help="Language by language too.")
@click.option("--failed", type=click.IntRange(min=1), help="Show N responses that do not pass.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def confusion(
    files: tuple[Path, ...],
    *,
    identifier: str,
    words: Path | None,
    by_language: bool,
    failed: int | None,
    as_json: bool,
) -> None:
    """Score FILES of responses for language confusion: line and word pass rates with intervals.

    A file is a CSV of the Language Confusion Benchmark (columns completion, language, source; task,
    id and model where there are several), plain or .xz.

    \b
    babelbits confusion outputs/*.csv --words language-confusion
    babelbits confusion q4.csv --identifier lingua --languages
    """
    from babelbits.tasks.language_confusion.completions import (
        compute_rates,
        judge_all,
        read_completions,
    )
    from babelbits.tasks.language_confusion.words import read_english_words
    from babelbits.tasks.language_id import open_identifier

    opened = open_identifier(identifier)
    english = None if words is None else read_english_words(words)
    if words is not None and english is None:
        raise click.UsageError(f"no word list in {words}: words, words.txt or words.txt.xz")
    read = [read_completions(path) for path in files]
    labels = _labels([label for label, _ in read], files)
    judged = {
        label: judge_all(responses, identifier=opened, english=english)
        for label, (_, responses) in zip(labels, read, strict=True)
    }
    rates_by_label = {label: compute_rates(ours) for label, ours in judged.items()}
    if as_json:
        print_json(_object(rates_by_label, recipe=opened.recipe))
        return
    _print(rates_by_label, by_language=by_language)
    say(f"languages identified by {opened.recipe}; [...]: 95 % intervals over prompts")
    for label, ours in judged.items():
        _say_left_out(label, ours)
        for one in [one for one in ours if one.verdict.line_pass is False][: failed or 0]:
            _show(label, one)


def _labels(names: Sequence[str], files: Sequence[Path]) -> list[str]:
    """Models' names; files' names where two files name the same model."""
    if len(set(names)) == len(names):
        return list(names)
    return [str(path) for path in files]


def _print(rates: Mapping[str, Sequence["Rate"]], *, by_language: bool) -> None:
    from rich import box
    from rich.table import Table

    settings = list(dict.fromkeys(rate.setting for ours in rates.values() for rate in ours))
    columns = [(setting, name) for setting in settings for name in _NAMES]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("model")
    if by_language:
        table.add_column("language")
    for setting, name in columns:
        table.add_column(f"{setting} {_NAMES[name]}, %".strip(), justify="right")
    for label, ours in rates.items():
        by_key: dict[tuple[str | None, ...], Rate] = {
            (rate.language, rate.setting, rate.name): rate for rate in ours
        }
        codes: list[str | None] = [None]
        codes += sorted({rate.language for rate in ours if rate.language}) if by_language else []
        for code in codes:
            figures = [_figure(by_key.get((code, *column))) for column in columns]
            names = (label, code or "all") if by_language else (label,)
            table.add_row(*map(make_cell, (*names, *figures)))
    open_console().print(table)


def _figure(rate: "Rate | None") -> str:
    if rate is None:
        return "-"
    low, high = 100 * rate.interval.low, 100 * rate.interval.high
    return f"{100 * rate.estimate:.1f} [{low:.1f}, {high:.1f}]"


def _say_left_out(label: str, judged: Sequence["Judged"]) -> None:
    left_out = sum(one.verdict.line_pass is None for one in judged)
    if left_out:
        say(
            f"{label}: {left_out} of {plural(len(judged), 'response')} "
            f"{agreeing(left_out, 'has', 'have')} no line of five words to judge"
        )


def _show(label: str, one: "Judged") -> None:
    response = one.response
    say(f"{label} {response.language} {response.source} {response.prompt}: {one.verdict.remark}")
    say(f"    {' '.join(response.text.split())[:200]}")


def _object(found: Mapping[str, Sequence["Rate"]], *, recipe: str) -> dict[str, object]:
    """What `--json` prints; rates are fractions."""
    from babelbits.store.codec import to_json

    models = {label: [to_json(rate) for rate in ours] for label, ours in found.items()}
    return {"schema": SCHEMA, "identifier": recipe, "models": models}
