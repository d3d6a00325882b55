"""`babelbits recommend`: the smallest variant that is shown good enough, and why not the others."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from babelbits.cli.asking import (
    asked,
    asked_object,
    claim_words,
    evidence,
    gate_object,
    place,
    scope_options,
    scope_words,
    way_words,
)
from babelbits.cli.console import cell, console, data, data_json, say, size
from babelbits.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from babelbits.compare.asked import Asked
    from babelbits.compare.recommend import Candidate, Recommendation, Size
    from babelbits.records import Manifest

SCHEMA = "babelbits.recommend/1"


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="FOLDER|STUDY")
@scope_options
@click.option("--all", "every", is_flag=True, help="Every reason, not the three weightiest each.")
def recommend(
    source: Path, *, smoke: bool, stop: bool, as_json: bool, every: bool, **scope: Any
) -> int:
    """Name the smallest variant that is shown to be not worse than the margin in every language.

    \b
    babelbits recommend study.toml --languages ja,sw,en
    babelbits recommend my-study.run --group non-latin --suite mgsm --margin 2
    babelbits recommend my-study.run --languages nb --claim equivalent --json

    Small means bytes on disk; speed is not measured. For each other variant: what stands against
    it, and how many items would decide what is undecided. Exit code 0: recommended; 5: none.
    """  # noqa: D301  click wants the control character
    from babelbits.cli.sources import findings, load
    from babelbits.compare import BASELINE
    from babelbits.compare.recommend import recommend as choose

    loaded = load(source, smoke=smoke, early=stop)
    found = findings(loaded)
    question = asked(found, **scope)
    sizes = _sizes(loaded.manifests)
    result = choose(found, question, sizes=sizes, baseline=sizes.get(BASELINE))
    if as_json:
        data_json(as_object(result, question, alpha=found.alpha))
    else:
        render(result, question, alpha=found.alpha, every=every)
    return int(ExitCode.UNDECIDED if result.chosen is None else ExitCode.DONE)


def _sizes(manifests: "Mapping[str, Manifest]") -> "dict[str, Size]":
    from babelbits.compare.recommend import Size

    return {
        label: Size(bytes_on_disk=one.bytes_on_disk, bits_per_weight=one.bits_per_weight)
        for label, one in manifests.items()
    }


# --- for people --------------------------------------------------------------------------------

REASONS = 3


def sentence(found: "Recommendation", asked: "Asked") -> str:
    """The recommendation in one sentence."""
    from babelbits.compare.format import percent
    from babelbits.compare.gate import SMOKE

    if found.smoke:
        return f"none: {SMOKE}"
    if found.chosen is not None:
        share = ""
        if found.baseline is not None and found.chosen.size is not None:
            ratio = found.chosen.size.bytes_on_disk / found.baseline.bytes_on_disk
            share = f", {percent(ratio, digits=0)} of the baseline"
        return (
            f"{found.chosen.variant} ({_size(found.chosen)}{share}): the smallest variant that is "
            f"shown to be {claim_words(found.chosen.gate, asked)}: {scope_words(asked)}"
        )
    if found.nearest is None:
        return "none: the study has no variant beside its baseline"
    near = found.nearest
    words = claim_words(near.gate, asked)
    total = len(near.gate.answers)
    return (
        f"none: no variant is shown to be {words}: {scope_words(asked)}; nearest is {near.variant} "
        f"(shown in {near.count('shown')} of {total}, worse in {near.count('worse')}, "
        f"undecided in {near.count('undecided')})"
    )


def render(found: "Recommendation", asked: "Asked", *, alpha: float, every: bool = False) -> None:
    """Print the sentence, a table of all variants, and what stands against the others."""
    from rich import box
    from rich.table import Table

    data(sentence(found, asked))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("variant")
    for name in ("size", "bits/weight", "shown", "worse", "undecided"):
        table.add_column(name, justify="right")
    table.add_column("")
    for one in found.candidates:
        table.add_row(*map(cell, _row(one, found)))
    console().print(table)
    for one in found.candidates:
        if one is not found.chosen:
            _explain(one, limit=None if every else REASONS)
    _asides(found, asked, alpha=alpha)


def _row(one: "Candidate", found: "Recommendation") -> tuple[str, ...]:
    bits = "?" if one.size is None else f"{one.size.bits_per_weight:.2f}"
    counts = (str(one.count(outcome)) for outcome in ("shown", "worse", "undecided"))
    return (one.variant, _size(one), bits, *counts, "← recommended" if one is found.chosen else "")


def _size(one: "Candidate") -> str:
    return size(None if one.size is None else one.size.bytes_on_disk)


def _explain(one: "Candidate", *, limit: int | None) -> None:
    """What stands against a variant: losses first, most harmed first; then doubts."""
    lines = reasons(one)
    data(f"{one.variant}: {'qualifies, and is larger' if not lines else 'why not'}")
    for line in lines[:limit]:
        data(f"  {line}")
    if limit is not None and len(lines) > limit:
        data(f"  and {len(lines) - limit} more (--all)")


def reasons(one: "Candidate") -> list[str]:
    """Every reason against a variant, weightiest first."""
    found = []
    if one.larger:
        found.append("not smaller than the baseline")
    if one.size is None:
        found.append("its size is unknown: no manifest")
    worse = sorted(one.gate.of("worse"), key=lambda answer: answer.effect.delta)  # type: ignore[union-attr]  # worse has one
    found += [f"worse: {place(answer)} {evidence(answer)}" for answer in worse]
    answers = one.gate.answers
    order = sorted(one.ways, key=lambda index: -_delta_size(one, index))
    return found + [
        f"undecided: {place(answers[index])} {evidence(answers[index])}".rstrip()
        + f": {answers[index].reason}; {way_words(one.ways[index], answers[index])}"
        for index in order
    ]


def _delta_size(one: "Candidate", index: int) -> float:
    """Loss in margins, so that units can be compared; 0 where there is none."""
    answer = one.gate.answers[index]
    if answer.effect is None or not answer.margin:
        return 0.0
    return -answer.effect.delta / answer.margin


def _asides(found: "Recommendation", asked: "Asked", *, alpha: float) -> None:
    """What limits the claim."""
    from babelbits.compare.format import percent

    count = len(found.candidates)
    if found.chosen is not None and count > 1:
        by_luck = percent(min(1.0, alpha * count), digits=0)
        say(
            f"each claim holds at {percent(alpha, digits=0)} by itself; the chance that any of "
            f"{count} variants passes although it loses the margin somewhere is at most {by_luck}"
        )
    say("items needed are told for a variant that truly loses nothing; speed is not measured")
    for one in asked.not_there:
        say(f"not asked, the study does not have it: {one}")


# --- for machines ------------------------------------------------------------------------------


def as_object(found: "Recommendation", asked: "Asked", *, alpha: float) -> dict[str, Any]:
    """The recommendation as JSON."""
    return {
        "schema": SCHEMA,
        "exit_code": int(ExitCode.UNDECIDED if found.chosen is None else ExitCode.DONE),
        "sentence": sentence(found, asked),
        "smoke": found.smoke,
        "alpha": alpha,
        "asked": asked_object(asked),
        "recommended": None if found.chosen is None else found.chosen.variant,
        "nearest": None if found.nearest is None else found.nearest.variant,
        "variants": [_object(one) for one in found.candidates],
    }


def _object(one: "Candidate") -> dict[str, Any]:
    judged = gate_object(one.gate)
    for index, found in one.ways.items():
        judged["answers"][index]["items_to_show"] = None if found is None else found.to_show.items
        together = None if found is None else found.to_show_all
        judged["answers"][index]["items_to_show_all"] = together and together.items
        judged["answers"][index]["items_to_fail"] = None if found is None else found.to_fail
        judged["answers"][index]["to_decide"] = way_words(found, one.gate.answers[index])
    return {
        **judged,
        "qualifies": one.qualifies,
        "bytes_on_disk": None if one.size is None else one.size.bytes_on_disk,
        "bits_per_weight": None if one.size is None else one.size.bits_per_weight,
    }
