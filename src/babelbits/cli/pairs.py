"""`babelbits pairs`: pairs of answers from a run folder into a file, for raters and other tools."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from babelbits.cli.console import say
from babelbits.words import plural

if TYPE_CHECKING:
    from babelbits.preferences.collect import Collected, PairQuery

_Function = TypeVar("_Function", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--suite", "suites", multiple=True,
        help="Task whose answers are paired; may be repeated. Open prompts unless named.",
    ),
    click.option("--variant", "variants", multiple=True, help="Only this variant; repeatable."),
    click.option(
        "--languages", "-l", multiple=True, metavar="CODES", help="Only these, e.g. 'ja,swh_Latn'."
    ),
    click.option("--limit", type=click.IntRange(min=1), help="First N prompts of each task."),
    click.option("--smoke", is_flag=True, help="The folder's smoke run instead of its results."),
)  # fmt: skip


def choice_options(function: _Function) -> _Function:
    """The options that say which pairs are meant."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="FOLDER|STUDY")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), required=True,
    help="File to write; of pearmut one a language where there are several.",
)  # fmt: skip
@click.option(
    "--format", "kind", type=click.Choice(["jsonl", "pearmut"]), default="jsonl",
    show_default=True, help="pearmut: campaigns of Pearmut, with the models' names hidden.",
)  # fmt: skip
@choice_options
def pairs(
    source: Path,
    *,
    output: Path,
    kind: str,
    suites: tuple[str, ...],
    variants: tuple[str, ...],
    languages: tuple[str, ...],
    limit: int | None,
    smoke: bool,
) -> None:
    """Write pairs of answers, baseline and variant, as JSON Lines.

    Each line bears the hash of its texts. It names the variant: it is not for raters' eyes.

    \b
    babelbits pairs study.toml -o pairs.jsonl
    babelbits pairs my-study.run --suite confusion -l ja,sw -o pairs.jsonl
    babelbits pairs my-study.run --format pearmut -o campaign.json   then: pearmut add campaign.json
    """
    from babelbits.results.sources import locate

    folder, _, is_smoke = locate(source, smoke=smoke)
    write(
        folder,
        output,
        wanted=make_query(suites, variants, languages, limit=limit),
        smoke=is_smoke,
        kind=kind,
    )


def make_query(
    suites: tuple[str, ...],
    variants: tuple[str, ...],
    languages: tuple[str, ...],
    *,
    limit: int | None,
) -> "PairQuery":
    """The options as a choice of pairs.

    Raises
    ------
    UnknownNameError
        If a language is not known.
    """
    from babelbits.cli.decision_options import split_list
    from babelbits.languages import resolve
    from babelbits.preferences.collect import PairQuery

    return PairQuery(
        suites=suites,
        variants=variants,
        languages=[resolve(code).code for code in split_list(languages)],
        limit=limit,
    )


def write(
    folder: Path,
    output: Path,
    *,
    wanted: "PairQuery | None" = None,
    smoke: bool,
    kind: str = "jsonl",
) -> None:
    """Collect the pairs of a run folder and write them."""
    from babelbits.preferences.collect import PairQuery, collect
    from babelbits.preferences.pair_files import write_pairs

    found = collect(folder, wanted or PairQuery(), smoke=smoke)
    tell(found)
    if kind == "pearmut":
        from babelbits.preferences.pearmut import write_campaigns

        for file in write_campaigns(output, found.pairs, name=folder.resolve().stem):
            say(f"written: {file}")
        return
    write_pairs(output, found.pairs)
    say(f"written: {output}")


def tell(found: "Collected") -> None:
    """To stderr: how many pairs there are, and what could not become one."""
    identical = sum(pair.identical for pair in found.pairs)
    say(
        f"{plural(len(found.pairs), 'pair')}, {identical} of them identical: ties "
        "that need no judgment"
    )
    for variant, count in found.n_failed.items():
        say(f"{variant}: {plural(count, 'item')} without an answer in one of the arms left out")
    for cell in found.unfinished:
        say(f"left out: {cell} is not finished")
