"""`babelbits compare`: paired verdicts on runs that other tools made."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from babelbits.cli.console import print_data, print_plain_table, say
from babelbits.errors import ExitCode, StudyError
from babelbits.words import plural

if TYPE_CHECKING:
    from babelbits.records import Effect
    from babelbits.results.analyse_logs import CompareOptions
    from babelbits.results.results import Results

KINDS = ("table", "md", "csv", "json", "html", "latex")


@click.command()
@click.argument("baseline", metavar="BASELINE")
@click.argument("variants", metavar="VARIANT...", nargs=-1, required=True)
@click.option(
    "--margin", "margins", multiple=True, metavar="POINTS|NAME=SIZE",
    help="Largest difference that does not matter: points, or e.g. score=1.5 for another unit or "
    "a task.  [default: 2]",
)  # fmt: skip
@click.option(
    "--chance", type=click.FloatRange(min=0, max=100, max_open=True), metavar="POINTS",
    help="What a guess scores, where the logs do not say: 25 for four choices, 0 for written "
    "answers.",
)  # fmt: skip
@click.option(
    "--alpha", type=click.FloatRange(min=0, max=0.5, min_open=True, max_open=True), default=0.05,
    show_default=True, help="Error rate of each family of tests.",
)  # fmt: skip
@click.option("--aa", help="The baseline evaluated a second time: the noise floor.")
@click.option(
    "--languages",
    "map_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="TOML file that says which language a task is in.",
)
@click.option("--group", "group_words", multiple=True, help="NAME=de,fr,...: a group of languages.")
@click.option("--metric", help="What verdicts are about, where a task has it.")
@click.option("--matched-only", is_flag=True, help="Compare the items that all runs have.")
@click.option("--strict", is_flag=True, help="Refuse runs that differ in more than their weights.")
@click.option(
    "--format", "kind", type=click.Choice(KINDS), default="table", show_default=True,
    help="What goes to stdout, or to --output.",
)  # fmt: skip
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="File.")
@click.option(
    "--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Write the report too."
)
@click.option(
    "--history", type=click.Path(path_type=Path, dir_okay=False),
    help="File that remembers releases: VARIANT is one, BASELINE the one before it.",
)  # fmt: skip
@click.option(
    "--run-length", type=click.FloatRange(min=5, max=10_000), default=100, show_default=True,
    help="With --history: releases until a false alarm, on average.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def compare(
    baseline: str,
    variants: tuple[str, ...],
    *,
    margins: tuple[str, ...],
    chance: float | None,
    alpha: float,
    aa: str | None,
    map_file: Path | None,
    group_words: tuple[str, ...],
    metric: str | None,
    matched_only: bool,
    strict: bool,
    kind: str,
    output: Path | None,
    page: Path | None,
    history: Path | None,
    run_length: float,
    seed: int,
) -> int:
    """Compare results of lm-eval, lighteval, Inspect, EvalScope, llama-perplexity, tables, runs.

    Each source is a path or label=path; a run folder of ours may name a variant, folder:w4-g@en.
    Items are paired on their content; prompts and settings must be the same. Several sources with
    one label are one run, the baseline's too: fp16=out/a fp16=out/b w4=out/c.

    \b
    babelbits compare out/fp16 out/w4
    babelbits compare fp16=out/a w4=out/b nf4=out/c --margin 1 --format md
    babelbits compare out/fp16 out/w4 --html report.html
    babelbits compare v1=out/v1 v2=out/v2 --history releases.jsonl
    """
    from babelbits.report.exports import FORMATS
    from babelbits.results.analyse_logs import load_foreign, parse_source

    wishes = _wishes(margins, alpha, map_file, group_words, metric, seed,
                     chance=chance, matched_only=matched_only, strict=strict)  # fmt: skip
    results = load_foreign(
        parse_source(baseline),
        [parse_source(one) for one in variants],
        aa=None if aa is None else parse_source(aa),
        wishes=wishes,
    )
    _tell(results)
    if page is not None:  # before stdout, whose reader may go away
        _put(FORMATS["html"](results), page)
    if kind == "table" and output is None:
        print_table(results)
    else:
        text = _plain_table(results) if kind == "table" else FORMATS[kind](results)
        _put(text, output)
    if history is not None:
        record_release(results, history, previous=parse_source(baseline).name, length=run_length)
    gaps = any(one.severity == "error" for one in results.analysis.problems)
    return int(ExitCode.INCOMPLETE if gaps else ExitCode.DONE)


def _wishes(
    margin_words: Sequence[str],
    alpha: float,
    map_file: Path | None,
    group_words: Sequence[str],
    metric: str | None,
    seed: int,
    *,
    chance: float | None,
    matched_only: bool,
    strict: bool,
) -> "CompareOptions":
    from babelbits.interop.readers.naming import read_map
    from babelbits.results.analyse_logs import CompareOptions
    from babelbits.study.config.spec import AnalysisSpec

    named = dict(map(parse_margin, margin_words))
    return CompareOptions(
        margins={**AnalysisSpec().margins, **named},
        named_margins=tuple(named),
        chance=None if chance is None else chance / 100,
        alpha=alpha,
        groups=dict(map(_group, group_words)),
        mapped={} if map_file is None else read_map(map_file),
        matched_only=matched_only,
        strict=strict,
        metric=metric,
        seed=seed,
    )


def parse_margin(word: str) -> tuple[str, float]:
    """`--margin`: a unit or task, and the largest loss that does not matter."""
    return parse_difference(word, option="--margin")


def parse_difference(word: str, *, option: str = "--difference") -> tuple[str, float]:
    """'2' as 0.02 for fractions, 'score=1.5' as it is."""
    name, equals, text = word.rpartition("=")
    name = name if equals else "fraction"
    try:
        size = float(text)
    except ValueError:
        size = 0.0
    if not 0 < size < float("inf"):
        raise click.UsageError(f"{option} {word!r}: expected POINTS or NAME=SIZE, above 0")
    if name == "fraction" and size >= 100:
        raise click.UsageError(f"{option} {word!r}: no score loses 100 points; 2 points are 2")
    return name, size / 100 if name == "fraction" else size


def _group(word: str) -> tuple[str, tuple[str, ...]]:
    """'germanic=de,nl,sv' as a name and canonical codes."""
    from babelbits.languages import GROUP_NAMES, resolve

    name, equals, codes = word.partition("=")
    if not name or not equals or not codes:
        raise click.UsageError(f"--group {word!r}: expected NAME=de,fr,...")
    if name in GROUP_NAMES:
        raise click.UsageError(f"--group {name}: there is a group of that name already")
    return name, tuple(resolve(code).code for code in codes.split(",") if code)


def _tell(results: "Results") -> None:
    """To stderr: what was read, how many items matched, and what a reader must know."""
    foreign = results.foreign
    if foreign is None:
        return
    for source in foreign.sources:
        say(f"{source.label}: {source.tool}, {source.path}")
    for label in dict.fromkeys(one.label for one in foreign.matches):
        ours = [one for one in foreign.matches if one.label == label]
        matched, whole = sum(m.used for m in ours), sum(m.baseline_items for m in ours)
        say(
            f"{label}: {matched:,} of {plural(whole, 'item')} matched, in "
            f"{plural(len(ours), 'task')}"
        )
    for note in foreign.notes:
        say(f"note: {note}")
    for one in results.analysis.problems:
        if one.severity == "error":
            say(f"warning: {one.message} ({one.hint})")


# --- the table -------------------------------------------------------------------------------

HEADS = (
    *("variant", "task", "language", "n", "baseline", "Δ", "interval", "p (Holm)", "verdict"),
    "min. detectable loss",
)


def make_table_rows(results: "Results") -> list[tuple[str, ...]]:
    """The values of `HEADS`: every variant, task and language, and all languages together."""
    from babelbits.analysis.format import verdict_word
    from babelbits.analysis.tables import make_effect_row
    from babelbits.report import views

    primary = views.map_primary_metrics(results)
    rows = []
    for effect in results.analysis.effects:
        if effect.metric != primary.get(effect.task) or effect.scope == "group":
            continue
        row = make_effect_row(effect)
        p = f"({row['p_text']})" if effect.inference.p_adjusted is None else row["p_adjusted_text"]
        code = effect.language
        where = results.languages[code].name if code else f"all {len(effect.languages)}"
        words = (
            effect.variant,
            effect.task,
            where,
            f"{effect.counts.n_items:,}",
            row["baseline_text"],
        )
        verdict = verdict_word(effect)
        numbers = (row["delta_text"], row["interval_text"], p, verdict, _seen(effect))
        rows.append((*words, *numbers))
    return [tuple(str(word) for word in row) for row in rows]


def _seen(effect: "Effect") -> str:
    """The smallest effect that the data could have shown."""
    from babelbits.analysis.format import NOTHING, detectable

    if (
        effect.inference.minimal_detectable_effect is None
        and effect.decision.verdict != "undecided"
    ):
        return NOTHING
    return detectable(effect).partition(":")[0]


def print_table(results: "Results") -> None:
    """The verdicts, then the logs without items, then one sentence a variant."""
    from babelbits.report import perplexity_logs

    rows = make_table_rows(results)
    if rows:
        print_plain_table(HEADS, rows, numeric=(3, 4, 5, 6, 7))
        for why in _withheld(results):
            say(f"note: {why}")
        print_data("")
        for sentence in (*_sentences(results), *describe_bounds(results)):
            print_data(sentence)
    print_collapses(results)
    logs = results.foreign.logs if results.foreign else ()
    if logs:
        print_data(perplexity_logs.CAPTION)
        shown = perplexity_logs.make_rows(logs, results.languages)
        print_plain_table(
            perplexity_logs.HEADS, shown, numeric=range(3, len(perplexity_logs.HEADS))
        )


def print_collapses(results: "Results") -> None:
    """Degenerate answers where something was written; nothing where nothing was."""
    from babelbits.report import collapse_section

    collapses = results.collapses
    found = collapse_section.make_section(results, collapses)
    if found is None:
        return
    if found.rows:
        print_data("")
        print_data("collapsed answers (exploratory: no part of the verdicts above)")
        print_plain_table(collapse_section.HEADS, found.rows, numeric=collapse_section.NUMERIC)
        for sentence in collapse_section.describe_collapse(collapses):
            print_data(sentence)
    if found.quiet:
        print_data(found.quiet)
    for line in found.off if found.rows else ():
        say(f"note: {line}")
    if found.losses:
        print_data("")
        print_data("what the worst items carry of a loss, gains left out")
        print_plain_table(
            collapse_section.LOSS_HEADS, found.losses, numeric=collapse_section.LOSS_NUMERIC
        )


def _withheld(found: "Results") -> tuple[str, ...]:
    """Why equivalence is not said of rows whose interval alone would show it, once a reason."""
    from babelbits.report import views

    primary = views.map_primary_metrics(found)
    reasons = {
        f"{one.variant} · {one.task}: not called equivalent: {one.decision.withheld}": None
        for one in found.analysis.effects
        if one.metric == primary.get(one.task)
        and one.scope == "language"
        and one.decision.withheld
        and one.decision.verdict == "undecided"
    }
    return tuple(reasons)


def _sentences(found: "Results") -> list[str]:
    from babelbits.report.exports import make_screen
    from babelbits.report.first_screen import list_sentences

    first = make_screen(found)
    return [*list_sentences(first), *(f"{one.variant}: {one.sentence}" for one in first.verdicts)]


def _plain_table(found: "Results") -> str:
    """The table as text with tabs, for a file."""
    from babelbits.cli.console import make_safe

    lines = ["\t".join(HEADS), *("\t".join(make_safe(w, one_line=True) for w in row)
                                 for row in make_table_rows(found))]  # fmt: skip
    return "\n".join(lines) + "\n"


def _put(text: str, output: Path | None) -> None:
    from babelbits.report.exports import write_text

    if output is None:
        click.echo(text.encode(), nl=False)
        return
    write_text(output, text)
    say(f"written: {output}")


# --- beside verdicts ------------------------------------------------------------------------------


def describe_bounds(found: "Results") -> list[str]:
    """One sentence a variant and benchmark with several languages."""
    from babelbits.report.joint_estimates_section import describe_bound

    return [f"{one.variant}: {describe_bound(one)}." for one in found.analysis.beside]


def record_release(found: "Results", path: Path, *, previous: str, length: float) -> None:
    """Add the one variant to a history of releases, and say what the history shows.

    Raises
    ------
    StudyError
        If there are several variants, or the last release is another than the baseline.
    """
    from babelbits.decide.release_history import (
        describe_tracks,
        follow,
        make_release,
        read_history,
        track_releases,
        write_history,
    )
    from babelbits.report import views

    labels = list(dict.fromkeys(one.variant for one in found.analysis.effects))
    if len(labels) != 1:
        raise StudyError(
            f"a history has one release at a time; there are {len(labels)}",
            hint="babelbits compare PREVIOUS RELEASE --history FILE",
        )
    one = make_release(
        found.analysis.effects,
        primary=views.map_primary_metrics(found),
        release=labels[0],
        previous=previous,
    )
    history = follow(read_history(path), one)
    write_history(path, history)
    for sentence in describe_tracks(track_releases(history, length=length), length=length):
        print_data(sentence)
