"""`babelbits meta`: what studies of several models say together."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from babelbits.cli.console import print_data, print_json, print_plain_table, say
from babelbits.words import plural

if TYPE_CHECKING:
    from babelbits.decide.corpus_damage import CorpusDamage
    from babelbits.decide.evidence import Source
    from babelbits.decide.meta_analysis import MetaSettings, UnitEvidence

SCHEMA = "babelbits.meta/1"
HEADS = ("moderator", "coefficient", "interval", "p (Holm)", "df", "answer")


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1)
@click.option(
    "--logs", nargs=3, multiple=True, metavar="MODEL BASELINE VARIANT",
    help="Results of another tool, as `babelbits compare` reads them; may be repeated, also for "
    "further variants of the same model.",
)  # fmt: skip
@click.option(
    "--facts", type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="CSV with model and any of variant, bits, method, size: what results do not say.",
)  # fmt: skip
@click.option(
    "--moderator", "-m", "moderators", multiple=True,
    help="bits, size, script, tier, kind, method, share, claimed.  [default: the first five]",
)  # fmt: skip
@click.option(
    "--shares", metavar="NAME|FILE",
    help="Corpus whose shares are meant by 'share': a published one by name, or a CSV with "
    "language and share (a fraction).",
)  # fmt: skip
@click.option(
    "--difference", "difference_words", multiple=True, metavar="POINTS|UNIT=SIZE",
    help="Smallest difference that matters, for every moderator.  [default: 2]",
)  # fmt: skip
@click.option(
    "--alpha", type=click.FloatRange(min=0, max=0.5, min_open=True, max_open=True), default=0.05,
    show_default=True,
)  # fmt: skip
@click.option(
    "--picture", type=click.Path(path_type=Path), metavar="STEM",
    help="Write the forest picture to STEM.svg and STEM.png; with --shares, STEM-share too.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object to stdout.")
def meta(
    runs: tuple[str, ...],
    *,
    logs: tuple[tuple[str, str, str], ...],
    facts: Path | None,
    moderators: tuple[str, ...],
    shares: str | None,
    difference_words: tuple[str, ...],
    alpha: float,
    picture: Path | None,
    as_json: bool,
) -> None:
    """Put studies of several models together: which bits, sizes and languages are harmed more.

    RUN is a run folder, a study.toml or a CSV of published effects; NAME=RUN gives its model a
    name. Effects without standard errors are shown and not fitted.

    \b
    babelbits meta llama.run qwen.run gemma.run
    babelbits meta llama.run published.csv --picture forest
    babelbits meta llama.run --logs Qwen2-7B out/fp16 out/w4 --facts facts.csv
    babelbits meta *.run -m bits -m share --shares commoncrawl-2026-04
    """
    from babelbits.decide.evidence import gather, with_facts
    from babelbits.decide.meta_analysis import synthesise

    if not runs and not logs:
        raise click.UsageError("name run folders, tables or --logs: babelbits meta a.run b.run")
    settings = _settings(moderators, alpha, difference_words, shares)
    sources = [*map(_source, runs), *_of_logs(logs)]
    if facts is not None:
        sources = [with_facts(one, facts) for one in sources]
    rows, notes = gather(sources)
    found = synthesise(rows, settings)
    damage = _against_shares(found, settings)
    if damage:
        say(f"note: {_meaning(shares or '')}")
    for note in notes:
        say(f"note: {note}")
    if picture is not None:
        _draw(found, damage, picture, corpus=shares or "")
    if as_json:
        print_json(as_object(found, notes, damage))
        return
    for number, one in enumerate(found):
        if number:
            print_data("")
        render(one, titled=len(found) > 1)
        if damage:
            for line in describe_shares(damage[number]):
                print_data(line)


def _settings(
    moderators: tuple[str, ...], alpha: float, words: tuple[str, ...], shares: str | None
) -> "MetaSettings":
    from babelbits.cli.compare import parse_difference
    from babelbits.decide.meta_analysis import MODERATORS, USUAL, MetaSettings
    from babelbits.errors import StudyError
    from babelbits.languages.corpus_shares import read_shares
    from babelbits.suggest import did_you_mean

    for name in moderators:
        if name not in MODERATORS:
            hint = did_you_mean(name, MODERATORS) or f"there are {', '.join(MODERATORS)}"
            raise StudyError(f"no moderator '{name}'", hint=hint)
    if "share" in moderators and shares is None:
        raise StudyError(
            "of which corpus are shares meant?", hint="--shares commoncrawl-2026-04, or a CSV"
        )
    usual = (*USUAL, "share") if shares is not None else USUAL
    return MetaSettings(
        moderators=tuple(dict.fromkeys(moderators)) or usual,
        alpha=alpha,
        differences={"fraction": 0.02, "bits/byte": 0.02, **dict(map(parse_difference, words))},
        shares={} if shares is None else read_shares(shares),
    )


def _source(text: str) -> "Source":
    from babelbits.decide.evidence import make_rows, read_table
    from babelbits.results.load import load_run
    from babelbits.results.sources import locate

    label, equals, rest = text.partition("=")
    if not equals or Path(text).exists():
        label, rest = "", text
    path = Path(rest)
    if path.suffix.lower() == ".csv":
        return read_table(path)
    folder, study_file, smoke = locate(path, smoke=False)
    results = load_run(folder, smoke=smoke, study_file=study_file)
    return make_rows(results, source=rest, model=label or None)


def _of_logs(logs: tuple[tuple[str, str, str], ...]) -> "list[Source]":
    """One source a model; its variants are read against the same baseline."""
    from babelbits.decide.evidence import make_rows
    from babelbits.decide.hub_totals import compare_totals
    from babelbits.errors import StudyError
    from babelbits.interop.readers import hub_results
    from babelbits.results.analyse_logs import CompareOptions, load_foreign, parse_source

    found = []
    for model in dict.fromkeys(one[0] for one in logs):
        ours = [one for one in logs if one[0] == model]
        baselines = list(dict.fromkeys(one[1] for one in ours))
        if len(baselines) > 1:
            raise StudyError(
                f"{model} has two baselines: {' and '.join(baselines)}",
                hint="one model has one baseline; variants are compared with it",
            )
        if hub_results.looks_like(Path(baselines[0])):
            named = {Path(one[2]).name: Path(one[2]) for one in ours}
            source, notes = compare_totals(Path(baselines[0]), named, model=model)
            for note in notes:
                say(f"note: {note}")
            found.append(source)
            continue
        results = load_foreign(
            parse_source(baselines[0]),
            [parse_source(one[2]) for one in ours],
            aa=None,
            wishes=CompareOptions(),
        )
        found.append(make_rows(results, source=baselines[0], model=model))
    return found


def _against_shares(
    found: "tuple[UnitEvidence, ...]", settings: "MetaSettings"
) -> "tuple[CorpusDamage, ...]":
    """One a unit; none without shares."""
    from babelbits.decide.corpus_damage import correlate_damage

    if not settings.shares:
        return ()
    return tuple(correlate_damage(one.rows, settings.shares, alpha=settings.alpha) for one in found)


def _meaning(name: str) -> str:
    """What shares are of, and what nobody says."""
    from babelbits.languages.corpus_shares import CORPORA, make_title

    of = f", which are of {CORPORA[name].of}" if name in CORPORA else ""
    return f"shares of {make_title(name)}{of}; whether a model was trained on it is not known here"


def describe_shares(damage: "CorpusDamage") -> tuple[str, ...]:
    """What is said of damage against shares."""
    from babelbits.decide.corpus_damage import describe_damage

    return describe_damage(damage)


def _draw(
    found: "tuple[UnitEvidence, ...]",
    damage: "tuple[CorpusDamage, ...]",
    stem: Path,
    *,
    corpus: str,
) -> None:
    from babelbits.languages.corpus_shares import make_title
    from babelbits.report import meta_forest, share_picture, svg

    for number, one in enumerate(found):
        name = stem.name if number == 0 else f"{stem.name}-{number + 1}"
        charts = {name: meta_forest.draw(one)}
        if damage and damage[number].languages:
            charts[f"{name}-share"] = share_picture.draw(damage[number], corpus=make_title(corpus))
        for own, chart in charts.items():
            for written in svg.write(chart, stem.with_name(own)):
                say(f"written: {written}")


def render(found: "UnitEvidence", *, titled: bool) -> None:
    """The table of moderators, then the sentences; what is left out goes to stderr."""
    from babelbits.decide.meta_sentences import describe_left_out, describe_meta
    from babelbits.records import quantities

    if titled:
        print_data(f"measured in {quantities.unit_word(found.unit)}:")
    if found.questions:
        print_plain_table(HEADS, make_table_rows(found), numeric=(1, 2, 3, 4))
        print_data("")
    for line in describe_meta(found):
        print_data(line)
    for line in describe_left_out(found):
        say(f"note: {line}")
    if found.fit is not None:
        say(
            "note: intervals allow for effects of one model, and of one language, that go "
            f"together; they are about {plural(len(found.models), 'model')} that nobody drew at "
            "random, and what differs between models is an association"
        )


def make_table_rows(found: "UnitEvidence") -> list[tuple[str, ...]]:
    """The values of `HEADS`, a row a moderator's column."""
    from babelbits.analysis.format import p_value
    from babelbits.records import quantities

    return [
        (
            f"{one.name} ({one.step})",
            quantities.amount(one.coefficient.estimate, found.unit),
            quantities.interval(one.coefficient.interval, found.unit),
            p_value(one.p_adjusted),
            f"{one.coefficient.df:.1f}",
            one.answer,
        )
        for one in found.questions
    ]


def as_object(
    found: "tuple[UnitEvidence, ...]",
    notes: tuple[str, ...],
    damage: "tuple[CorpusDamage, ...]" = (),
) -> dict[str, Any]:
    """What `--json` prints; raw numbers in the metric's own unit."""
    from babelbits.decide.meta_sentences import describe_left_out, describe_meta

    return {
        "schema": SCHEMA,
        "notes": list(notes),
        "units": [
            {
                **dataclasses.asdict(one),
                "sentences": list(describe_meta(one)),
                "not_in_the_fit": list(describe_left_out(one)),
            }
            for one in found
        ],
        "shares": [
            {**dataclasses.asdict(one), "sentences": list(describe_shares(one))} for one in damage
        ],
    }
