"""`babelbits power`: what a study can see before it is paid for."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from babelbits.cli.console import print_data, print_json, say
from babelbits.errors import StoreError
from babelbits.words import plural

if TYPE_CHECKING:
    from babelbits.decide.power_analysis import PowerAnalysis
    from babelbits.results.results import Results

SCHEMA = "babelbits.power/1"
USUAL_CHURNS = (0.02, 0.05, 0.10, 0.20)
POINTS = click.FloatRange(0, 100, min_open=True, max_open=True)
ALPHA = click.FloatRange(0, 0.5, min_open=True, max_open=True)
FORMATS = ("table", "md", "csv", "json")


def parse_share(text: str) -> float:
    """A share of items: '0.1' or '10%'."""
    try:
        found = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        found = 0.0
    if not 0 < found <= 1:
        raise click.BadParameter(f"{text!r} is no share of items above 0: write 0.1 or 10%")
    return found


@click.command()
@click.argument("study", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--items", type=click.IntRange(min=1), help="Items a language, instead of counting.")
@click.option("--suite", "suites", multiple=True, help="A suite without a study, e.g. 'mgsm'.")
@click.option("--languages", "-l", multiple=True, metavar="CODES", help="Its languages.")
@click.option(
    "--churn",
    "churns",
    type=parse_share,
    metavar="SHARE",
    multiple=True,
    help="Share of answers that will change: 0.1 or 10%; may be repeated.  [2%, 5%, 10%, 20%]",
)
@click.option(
    "--pilot",
    type=click.Path(path_type=Path, exists=True),
    help="Measure it on a run folder instead; a smoke run will do.",
)
@click.option("--cautious", is_flag=True, help="With --pilot: take the upper end of its interval.")
@click.option("--margin", type=POINTS, metavar="POINTS", help="The study's unless given.")
@click.option("--alpha", type=ALPHA, metavar="LEVEL", help="The study's unless given.")
@click.option("--format", "kind", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def power(
    study: Path | None,
    *,
    items: int | None,
    suites: tuple[str, ...],
    languages: tuple[str, ...],
    churns: tuple[float, ...],
    pilot: Path | None,
    cautious: bool,
    margin: float | None,
    alpha: float | None,
    kind: str,
    as_json: bool,
) -> None:
    """Say what STUDY (study.toml) can see: the smallest loss, and the items that a margin takes.

    \b
    babelbits power study.toml --churn 5% --churn 10%     with assumed churn
    babelbits power study.toml --pilot my-study.run       with the churn of a pilot
    babelbits power --suite mgsm --languages ja,sw        a suite, without a study
    babelbits power --items 250 --churn 0.1               plain numbers

    Nothing is run and no model is read. Churn is the share of items whose answer changes from right
    to wrong or back. All is for a power of 80 %, and "to show" takes it that nothing is truly
    lost. A claim about a group of languages has languages as its units: more items do not help it.
    """
    from babelbits import load_study
    from babelbits import power as analyse_power
    from babelbits.cli import power_tables
    from babelbits.cli.decision_options import split_list
    from babelbits.stats.detectable import POWER

    if study is None and not suites and items is None and pilot is None:
        raise click.UsageError(
            "name a study, a suite (--suite mgsm), a number of items (--items 250) or a --pilot"
        )
    if study is not None and (suites or languages):
        raise click.UsageError("a study has its own suites and languages: leave out --suite and -l")
    if cautious and pilot is None:
        raise click.UsageError("--cautious needs a --pilot")
    if churns and pilot is not None:
        raise click.UsageError("churn is either assumed (--churn) or measured (--pilot)")
    analysis = analyse_power(
        None if study is None else load_study(study), items=items, suites=split_list(suites),
        languages=split_list(languages), churns=churns or USUAL_CHURNS,
        pilot=None if pilot is None else _pilot(pilot), cautious=cautious, margin=margin,
        alpha=alpha,
    )  # fmt: skip
    if as_json or kind == "json":
        print_json(power_tables.as_object(analysis, schema=SCHEMA, power=POWER))
    elif kind == "csv":
        print_data(power_tables.as_csv(analysis).rstrip("\n"))
    elif kind == "md":
        print_data(power_tables.as_markdown(analysis))
    else:
        power_tables.render(analysis)
        _talk(analysis, measured=pilot is not None)


def _talk(analysis: "PowerAnalysis", *, measured: bool) -> None:
    say(f"power 80 %, two-sided alpha {analysis.alpha:.3g}; numbers of items assume no true loss")
    if any(
        one.prospect and one.n_items and one.prospect.detectable_loss is None
        for one in analysis.lines
    ):
        say("none: even the loss of every item would not be called worse")
    joint = [one.prospect for one in analysis.lines if one.prospect and one.prospect.questions > 1]
    if joint:
        asked = plural(joint[0].questions, "question")
        say(
            f"items: whole gate: so many items in each of the {asked} show all of them "
            "with 80 % power; the questions are taken as independent unless a pilot of one task "
            "gives their correlation"
        )
    if not measured:
        say("churn is assumed: a smoke run measures it (`babelbits run --limit 50`, then --pilot)")
    if any(one.best != one.worst for one in analysis.pooled):
        say("the mean's smaller number holds if the translations of an item change independently")


def _pilot(folder: Path) -> "Results":
    """The pilot's results, or those of its smoke run where it has no others."""
    from babelbits.results.sources import load

    try:
        return load(folder)
    except StoreError:
        found = load(folder, smoke=True)
    say("the pilot is a smoke run: sufficient to estimate churn, with its interval")
    return found
