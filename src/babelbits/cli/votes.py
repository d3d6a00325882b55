"""`babelbits votes`: put what people preferred beside a run, from our app or another tool."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from babelbits.cli.console import say
from babelbits.errors import StudyError
from babelbits.words import agreeing, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from babelbits.preferences.imports import Imported
    from babelbits.preferences.imports.raw import Choice
    from babelbits.preferences.votes import Vote


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("run", metavar="RUN|STUDY", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--pairs",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Pairs that were judged. Not needed for the votes of `babelbits annotate`.",
)
@click.option("--name", default="people", show_default=True, help="Name of this panel of raters.")
@click.option("--rater", "raters", multiple=True, help="Who was asked; others are an error.")
@click.option("--rater-column", help="What names the rater in this export, if not the usual field.")
@click.option("--means", "meanings", multiple=True, metavar="WORD=SIDE",
              help="An answer in the raters' own words, e.g. venstre=left.")  # fmt: skip
@click.option("--simulated", is_flag=True, help="Mark these votes as simulated in every report.")
@click.option("--smoke", is_flag=True, help="For the folder's smoke run.")
def votes(
    file: Path,
    run: Path,
    *,
    pairs: Path | None,
    name: str,
    raters: tuple[str, ...],
    rater_column: str | None,
    meanings: tuple[str, ...],
    simulated: bool,
    smoke: bool,
) -> None:
    """Put people's preferences beside a run; its report shows them next to metrics and judges.

    \b
    babelbits votes campaign/unblinded/votes.jsonl study.toml     from `babelbits annotate unblind`
    babelbits votes export.json study.toml --pairs pairs.jsonl    Label Studio, Argilla
    babelbits votes table.csv study.toml --pairs pairs.jsonl --means venstre=left

    The same name again replaces what these people said before.
    """
    from babelbits.preferences.to_votes import IDENTICAL, UNKNOWN
    from babelbits.preferences.vote_store import write_people
    from babelbits.results.sources import locate

    means = _means(meanings)
    folder, _, is_smoke = locate(run, smoke=smoke)
    imported, origin = _read(
        file, pairs=pairs, raters=raters, means=means, rater_column=rater_column
    )
    given = [vote for vote in imported if IDENTICAL not in vote.reasons]
    if not given:
        raise StudyError(
            "no votes yet in this file",
            where=str(file),
            hint="collect some with `babelbits annotate serve`, then export again",
        )
    parent = folder / ("smoke" if is_smoke else "") / "judgments"
    write_people(parent, imported, name=name, origin=origin, simulated=simulated)
    judges, languages = ({getattr(one, name) for one in given} for name in ("judge", "language"))
    known = len(judges - {UNKNOWN})
    who = plural(known, "rater") if known else "unknown raters"
    if 0 < known < len(judges):
        who += " and of unknown ones"
    say(
        f"{plural(len(given), 'vote')} of {who} in "
        f"{plural(len(languages), 'language')} {agreeing(len(given), 'stands', 'stand')} beside "
        f"the run as '{name}'; `babelbits report {run}` shows them"
    )


def _means(meanings: tuple[str, ...]) -> "Mapping[str, Choice]":
    from babelbits.preferences.imports.raw import parse_choice

    found = {}
    for one in meanings:
        word, equals, side = one.rpartition("=")
        if not equals or not word:
            raise StudyError(f"--means {one!r} is not WORD=SIDE", hint="--means venstre=left")
        found[word] = parse_choice(side, where="--means")
    return found


def _read(
    file: Path,
    *,
    pairs: Path | None,
    raters: tuple[str, ...],
    means: "Mapping[str, Choice]",
    rater_column: str | None,
) -> "tuple[tuple[Vote, ...], dict[str, str]]":
    """Votes and where they came from."""
    from babelbits.preferences.imports import read_foreign
    from babelbits.preferences.pair_files import read_pairs
    from babelbits.preferences.votes import read_votes
    from babelbits.recipes.manifests import hash_file

    origin = {"file": file.name, "sha256": hash_file(file)}
    if pairs is None:
        if file.suffix != ".jsonl":
            raise StudyError(
                f"{file.name} does not say which answers were the variant's",
                hint="add --pairs with the file of pairs that these people judged",
            )
        return read_votes(file), {**origin, "format": "votes"}
    imported = read_foreign(
        file,
        pairs=read_pairs(pairs),
        raters=raters or None,
        means=means,
        rater_column=rater_column,
    )
    for line in _losses(imported):
        say(line)
    return imported.votes, {**origin, "format": imported.format}


def _losses(found: "Imported") -> "Iterator[str]":
    """What of the file is not among the votes, and what is not known of them."""
    if found.skipped:
        yield f"left out: {found.skipped:,} skipped, empty or drafts"
    if found.replaced:
        yield f"left out: {found.replaced:,} that their rater judged again later"
    for one in found.left_out:
        yield f"left out: {one.where}: {one.what}"
    if found.anonymous:
        yield (
            f"{plural(found.anonymous, 'vote')} without a rater's name: counted as of one "
            "unknown group, without agreement among raters (--rater-column names the field)"
        )
