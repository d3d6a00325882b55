"""`babelbits recommend`: the variant to ship, by a rule fixed beforehand, and why not another."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from babelbits.cli.console import make_cell, open_console, print_data, print_json, say
from babelbits.cli.decision_options import (
    make_asked_object,
    make_gate_object,
    read_query,
    scope_options,
)
from babelbits.errors import ExitCode
from babelbits.words import bytes_size

if TYPE_CHECKING:
    from babelbits.decide.decision_query import DecisionQuery
    from babelbits.decide.recommend import Candidate, Recommendation
    from babelbits.study.speed.recorded_speed import RecordedSpeed

SCHEMA = "babelbits.recommend/1"


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="FOLDER|STUDY")
@scope_options
@click.option(
    "--any",
    "any_passing",
    is_flag=True,
    help="The smallest that passes, whatever stands before it; wrong more often.",
)
@click.option(
    "--max-memory",
    metavar="SIZE",
    help="Only what `babelbits speed` measured to hold no more at batch 1, e.g. 8GB.",
)
@click.option(
    "--min-speed",
    metavar="SPEED",
    help="Only what it measured to write as many tokens a second alone, or e.g. '5 sentences/s' "
    "in every language asked, '5 sentences/s in ml' in one.",
)
@click.option("--all", "every", is_flag=True, help="Every reason, not the three weightiest each.")
def recommend(
    source: Path,
    *,
    smoke: bool,
    early_stopping: bool,
    as_json: bool,
    any_passing: bool,
    max_memory: str | None,
    min_speed: str | None,
    every: bool,
    **scope: Any,
) -> int:
    """Name the variant to ship: shown to be not worse than the margin in every language.

    \b
    babelbits recommend study.toml --languages ja,sw,en
    babelbits recommend my-study.run --group non-latin --suite mgsm --margin 2
    babelbits recommend my-study.run --languages nb --claim equivalent --json
    babelbits recommend study.toml -l nb,hi --max-memory 8GB --min-speed 20

    Variants are gated in an order that no result changes, most bits per weight first; the walk
    stops at the first that does not pass, and the last that passed is recommended: wrong in at
    most alpha of reports. --any takes the smallest that passes. For each other variant: what
    stands against it, and how many items would decide what is undecided. Exit code 0: recommended;
    5: none.
    """
    from babelbits.analysis import BASELINE
    from babelbits.cli.report import tell_names
    from babelbits.decide.cost_limits import close_calls, read_limits
    from babelbits.decide.decision_input import collect_decision_input
    from babelbits.decide.recommend import read_sizes
    from babelbits.decide.recommend import recommend as choose
    from babelbits.results.sources import load

    loaded = load(source, smoke=smoke, early=early_stopping)
    tell_names(loaded)
    decision_input = collect_decision_input(loaded)
    question = read_query(decision_input, **scope)
    known = read_sizes(loaded)
    codes = dict.fromkeys(code for one in question.questions for code in one.languages)
    limits = read_limits(max_memory=max_memory, min_speed=min_speed, languages=list(codes))
    result = choose(
        decision_input, question, sizes=known, baseline=known.get(BASELINE),
        any_passing=any_passing, limits=limits, speed=loaded.speed,
    )  # fmt: skip
    if as_json:
        found = as_object(result, question, alpha=decision_input.alpha, speed=loaded.speed)
        print_json(found)
    else:
        render(result, question, alpha=decision_input.alpha, every=every, speed=loaded.speed)
        for line in close_calls(limits, loaded.speed, decision_input.variants):
            say(line)
    return int(ExitCode.UNDECIDED if result.chosen is None else ExitCode.DONE)


# --- for people --------------------------------------------------------------------------------

REASONS = 3


def render(
    choice: "Recommendation",
    asked: "DecisionQuery",
    *,
    alpha: float,
    every: bool = False,
    speed: "RecordedSpeed | None" = None,
) -> None:
    """Print the sentence, a table of all variants, and what stands against the others."""
    from rich import box
    from rich.table import Table

    from babelbits.decide.recommend import describe_recommendation
    from babelbits.decide.sentences import WORDS

    print_data(describe_recommendation(choice, asked))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("variant")
    measured = () if speed is None else ("memory", "tokens/s")
    for name in ("size", "bits/weight", *measured, *WORDS.values()):
        table.add_column(name, justify="right")
    table.add_column("")
    for one in choice.candidates:
        table.add_row(*map(make_cell, _row(one, choice, speed)))
    open_console().print(table)
    for one in choice.candidates:
        if one is not choice.chosen:
            _explain(one, choice, asked, alpha=alpha, limit=None if every else REASONS)
    _asides(choice, asked, alpha=alpha, speed=speed)


def _row(
    one: "Candidate", found: "Recommendation", speed: "RecordedSpeed | None"
) -> tuple[str, ...]:
    from babelbits.decide.sentences import WORDS
    from babelbits.study.speed.speed_words import NOTHING, format_number

    bits = "?" if one.size is None else f"{one.size.bits_per_weight:.2f}"
    arm = None if speed is None else speed.arms.get(one.variant)
    held = NOTHING if arm is None or arm.memory_alone is None else bytes_size(arm.memory_alone)
    fast = NOTHING if arm is None or arm.decode is None else format_number(arm.decode.median)
    measured = () if speed is None else (held, fast)
    counts = (str(one.count(outcome)) for outcome in WORDS)
    stop = "← stops here" if one is found.stopped_at and not found.any_passing else ""
    last = "← recommended" if one is found.chosen else stop
    return (one.variant, _size(one), bits, *measured, *counts, last)


def _size(one: "Candidate") -> str:
    return bytes_size(None if one.size is None else one.size.bytes_on_disk)


def _explain(
    one: "Candidate",
    choice: "Recommendation",
    asked: "DecisionQuery",
    *,
    alpha: float,
    limit: int | None,
) -> None:
    """What stands against a variant: losses first, most harmed first; then doubts."""
    from babelbits.decide.recommend import list_reasons

    lines = list_reasons(one, asked, alpha=alpha)
    passed = "passes, and is larger"
    if one.passes and not choice.any_passing and not one.reached:
        passed = "passes, and the walk stopped before it"
    print_data(f"{one.variant}: {'why not' if lines else passed}")
    for line in lines[:limit]:
        print_data(f"  {line}")
    if limit is not None and len(lines) > limit:
        print_data(f"  and {len(lines) - limit} more (--all)")


def _asides(
    choice: "Recommendation",
    asked: "DecisionQuery",
    *,
    alpha: float,
    speed: "RecordedSpeed | None",
) -> None:
    """What limits the claim."""
    from babelbits.analysis.format import percent

    count = sum(one.in_order for one in choice.candidates)
    level = percent(alpha, digits=0)
    if choice.any_passing and count > 1:
        by_luck = percent(min(1.0, alpha * count), digits=0)
        say(
            f"up to {by_luck}: the chance that any of {count} variants passes although it loses "
            f"the margin somewhere, each at {level}"
        )
    elif choice.chosen is not None:
        say(
            f"gated in a fixed order, most bits per weight first, up to the first that does not "
            f"pass: the recommendation is wrong in at most {level} of reports"
        )
    say("numbers of items assume no true loss")
    if speed is None:
        say("memory and speed are not measured: babelbits speed measures them")
    else:
        say("memory and tokens a second are of one reader alone (batch 1), medians")
    for one in asked.not_there:
        say(f"not tested, the study does not have it: {one}")


# --- for machines ------------------------------------------------------------------------------


def as_object(
    choice: "Recommendation",
    asked: "DecisionQuery",
    *,
    alpha: float,
    speed: "RecordedSpeed | None" = None,
) -> dict[str, Any]:
    """The recommendation as JSON."""
    from babelbits.decide.recommend import describe_recommendation

    return {
        "schema": SCHEMA,
        "exit_code": int(ExitCode.UNDECIDED if choice.chosen is None else ExitCode.DONE),
        "sentence": describe_recommendation(choice, asked),
        "smoke": choice.smoke,
        "alpha": alpha,
        "asked": make_asked_object(asked),
        "recommended": None if choice.chosen is None else choice.chosen.variant,
        "nearest": None if choice.nearest is None else choice.nearest.variant,
        "rule": "any passing" if choice.any_passing else "fixed order",
        "order": [one.variant for one in choice.candidates if one.in_order],
        "stopped_at": None if choice.stopped_at is None else choice.stopped_at.variant,
        "limits": {
            "memory": choice.limits.memory,
            "tokens_per_second": choice.limits.tokens,
            "sentences_per_second": choice.limits.sentences,
            "languages": list(choice.limits.languages),
        },
        "variants": [_object(one, asked, alpha=alpha, speed=speed) for one in choice.candidates],
    }


def _object(
    one: "Candidate",
    asked: "DecisionQuery",
    *,
    alpha: float,
    speed: "RecordedSpeed | None",
) -> dict[str, Any]:
    from babelbits.decide.recommend import count_items_to_decide, describe_items_to_decide

    judged = make_gate_object(one.gate)
    arm = None if speed is None else speed.arms.get(one.variant)
    decode = None if arm is None else arm.decode
    for index, way in count_items_to_decide(
        one.gate, asked, alpha=alpha, correlation=one.correlation
    ).items():
        judged["answers"][index]["items_to_show"] = None if way is None else way.to_show.items
        together = None if way is None else way.to_show_all
        judged["answers"][index]["items_to_show_all"] = together and together.items
        judged["answers"][index]["items_to_fail"] = None if way is None else way.to_fail
        judged["answers"][index]["to_decide"] = describe_items_to_decide(
            way, one.gate.answers[index]
        )
    return {
        **judged,
        "qualifies": one.qualifies,
        "bytes_on_disk": None if one.size is None else one.size.bytes_on_disk,
        "bits_per_weight": None if one.size is None else one.size.bits_per_weight,
        "peak_memory": None if arm is None else arm.memory_alone,
        "tokens_per_second": None if decode is None else decode.median,
        "exceeds": list(one.exceeds),
    }
