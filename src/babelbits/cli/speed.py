"""`babelbits speed`: size, memory, speed, and tokens by language, in the engines that serve."""

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from babelbits.cli.console import open_console, print_data, print_json, print_plain_table, say
from babelbits.cli.decision_options import split_list
from babelbits.errors import ExitCode, Interrupted, StudyError

if TYPE_CHECKING:
    from babelbits import Study
    from babelbits.study.speed.speed_records import SpeedSettings
    from babelbits.study.speed.speed_summary import SpeedTable

SCHEMA = "babelbits.speed-table/1"


@click.command()
@click.argument("study", type=click.Path(path_type=Path, dir_okay=False), default="study.toml")
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=15,
    show_default=True,
    help="Times that each variant is measured, in turn with the others.",
)
@click.option(
    "--batch",
    "batches",
    default="1,8,32",
    show_default=True,
    metavar="SIZES",
    help="Sequences computed together; larger ones as long as the memory holds them.",
)
@click.option(
    "--prompt-tokens",
    type=click.IntRange(min=2),
    default=128,
    show_default=True,
    help="Length of each prompt.",
)
@click.option(
    "--new-tokens",
    type=click.IntRange(min=2),
    default=64,
    show_default=True,
    help="Tokens written after each.",
)
@click.option(
    "--variants",
    multiple=True,
    metavar="LABELS",
    help="Only these, and the baseline. All that are made unless named.",
)
@click.option("--again", is_flag=True, help="Measure anew, in place of what is recorded.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def speed(
    study: Path,
    *,
    rounds: int,
    batches: str,
    prompt_tokens: int,
    new_tokens: int,
    variants: Sequence[str],
    again: bool,
    as_json: bool,
) -> int:
    """Measure load time, memory and tokens a second of every variant that `babelbits run` has made.

    \b
    babelbits speed study.toml
    babelbits speed study.toml --variants q4_k_m,nf4 --batch 1,4 --rounds 30

    Each variant is measured in a process of its own, in the engine that would serve its format;
    one that is only imitated here says so. The baseline is measured twice: the difference is the
    noise. Interrupted, the same command goes on where it stopped.
    """
    from babelbits import load_study

    settings = _settings(batches, prompt_tokens=prompt_tokens, new_tokens=new_tokens)
    return measure_and_print(
        load_study(study), settings, rounds=rounds, variants=split_list(variants), again=again,
        as_json=as_json,
    )  # fmt: skip


def _settings(batches: str, *, prompt_tokens: int, new_tokens: int) -> "SpeedSettings":
    """The options as a question.

    Raises
    ------
    StudyError
        If the batch sizes are no positive numbers.
    """
    from babelbits.study.speed.speed_records import SpeedSettings

    texts = split_list([batches])
    if not texts or not all(text.isdecimal() and int(text) > 0 for text in texts):
        raise StudyError(f"--batch {batches!r} names no batch sizes", hint="e.g. --batch 1,8,32")
    return SpeedSettings(
        prompt_tokens=prompt_tokens,
        new_tokens=new_tokens,
        batches=tuple(sorted({int(text) for text in texts})),
    )


def measure_and_print(
    study: "Study",
    settings: "SpeedSettings",
    *,
    rounds: int,
    variants: Sequence[str] = (),
    again: bool = False,
    as_json: bool = False,
) -> int:
    """Measure what is missing, print it; returns the exit code."""
    from babelbits.store import Store
    from babelbits.study.execution.interrupt import stop_on_interrupt
    from babelbits.study.execution.run_study import need_libraries
    from babelbits.study.planning.base_model import locate
    from babelbits.study.planning.plan import build_light, make_plan
    from babelbits.study.speed.measure_arms import list_left_out, measure_arms
    from babelbits.study.speed.speed_summary import summarise_session

    need_libraries()
    store = Store(study.folder, smoke=study.smoke)

    def tell() -> None:
        say("stopping after the turn in flight; Ctrl-C again stops now")

    try:
        with store.writing(), stop_on_interrupt(tell) as stop:
            plan = make_plan(study, store, base=locate(study.model), build=build_light)
            session = measure_arms(
                plan, store, settings=settings, rounds=rounds, variants=variants, again=again,
                say=say, stop=stop,
            )  # fmt: skip
    except KeyboardInterrupt:
        raise Interrupted("what was measured is kept", hint="the same command goes on") from None
    table = summarise_session(session)
    if as_json:
        print_json(as_object(table))
    else:
        print_table(table)
    if stop.is_requested():
        say("interrupted; the same command goes on")
        return int(ExitCode.INTERRUPTED)
    missing = list_left_out(plan)
    if missing:
        again_words = shlex.join(["babelbits", "run", str(study.file)])
        say(f"not made yet: {', '.join(missing)}; make them with: {again_words}")
    return int(ExitCode.INCOMPLETE if missing else ExitCode.DONE)


def as_object(table: "SpeedTable") -> dict[str, object]:
    """What `--json` prints: seconds, bytes, tokens a second."""
    from babelbits.store.codec import to_json

    return {"schema": SCHEMA, **to_json(table)}


# --- for people ----------------------------------------------------------------------------------


def print_table(table: "SpeedTable") -> None:
    """Print sizes and speeds, then what each language takes."""
    from babelbits.study.speed.speed_words import (
        describe_floor,
        describe_host,
        describe_languages,
        list_notes,
        make_language_rows,
        make_size_rows,
        make_speed_rows,
    )

    print_data(describe_floor(table))
    open_console().print()
    for make in (make_size_rows, make_speed_rows, make_language_rows):
        _print(make, table)
    for line in describe_languages(table):
        print_data(line)
    for line in (describe_host(table), *list_notes(table)):
        say(line)


def _print(
    make: "Callable[[SpeedTable], tuple[list[str], list[list[str]], int]]", table: "SpeedTable"
) -> None:
    heads, rows, n_names = make(table)
    if rows:  # a table of languages: '/s' are sentences a second, one reader alone
        print_plain_table(heads, rows, numeric=range(n_names, len(heads)))
        open_console().print()
