"""`babelbits run`: execute the plan of a study, then build its report."""

import os
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from babelbits.cli.console import is_debugging, say
from babelbits.cli.early_stopping import early_stopping_option
from babelbits.errors import ExitCode, Interrupted
from babelbits.words import agreeing, duration, every, plural

if TYPE_CHECKING:
    from babelbits import Study
    from babelbits.study.execution.run_study import LostItems, RunSummary


@click.command()
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--limit", type=click.IntRange(min=1), help="First N items a task: a smoke run.")
@early_stopping_option(
    "Stop a cell when its verdict is known; the report then shows confidence sequences."
)
@click.option("--no-report", is_flag=True, help="Only run; build the report later.")
@click.option("--speed", is_flag=True, help="Then measure memory and speed, as `babelbits speed`.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes that run cells at the same time; default: what suits model and machine.",
)
@click.option(
    "--ray",
    metavar="auto|ADDRESS",
    help="Compute on a Ray cluster; the run folder must be on storage that its nodes share.",
)
@click.option("--offline", is_flag=True, help="Use what `babelbits pull` got; no network.")
@click.option(
    "--no-rehearse",
    is_flag=True,
    envvar="BABELBITS_NO_REHEARSE",
    help="Do not try the variants on a miniature of the model first.",
)
@click.option(
    "--verify", is_flag=True, help="Read all weights anew, whatever is remembered of their hashes."
)
@click.option(
    "--allow-network", is_flag=True, help="Ask servers elsewhere although HF_HUB_OFFLINE is set."
)
def run(
    study: Path,
    *,
    limit: int | None,
    early_stopping: bool,
    no_report: bool,
    speed: bool,
    workers: int | None,
    ray: str | None,
    offline: bool,
    no_rehearse: bool,
    verify: bool,
    allow_network: bool,
) -> int:
    """Make the variants of STUDY and run the cells that are missing.

    The same command again resumes: what is recorded is never computed twice. Ctrl-C once finishes
    the batch in flight; twice stops now. The report's path is printed to stdout.
    """
    from babelbits import load_study

    if offline:
        _go_offline()
    return run_with_progress(
        load_study(study, limit=limit, stop=early_stopping),
        report=not no_report,
        speed=speed,
        workers=workers,
        ray=ray,
        rehearsed=not no_rehearse,
        verify=verify,
        allow_network=allow_network,
    )


def _go_offline() -> None:
    """Tell the hub's libraries, which are not imported yet, and the workers, who inherit it."""
    os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")


def run_with_progress(
    study: "Study",
    *,
    report: bool,
    speed: bool = False,
    workers: int | None = None,
    ray: str | None = None,
    rehearsed: bool = False,
    verify: bool = False,
    allow_network: bool = False,
) -> int:
    """Run a study, tell a person about it, build the report; returns the exit code."""
    from babelbits import run as run_study
    from babelbits.cli.progress import Reporter

    try:
        with Reporter(debug=is_debugging()) as reporter:
            done = run_study(
                study, progress=reporter, stop=reporter.stop, workers=workers,
                ray=ray, rehearsed=rehearsed, verify=verify, allow_network=allow_network,
            )  # fmt: skip
            terminated = reporter.stop.terminated
        _summarise(done)
        outcome, measured = done.outcome, ExitCode.DONE
        if speed and not outcome.interrupted:
            measured = _measure_speed(study)
        if report and not outcome.interrupted and (outcome.complete or outcome.n_cells):
            _report(study)
    except KeyboardInterrupt:
        raise Interrupted("what is recorded is kept", hint=_how_to_go_on(study)) from None
    code = _exit_code(done)
    if terminated and code is ExitCode.INTERRUPTED:
        code = ExitCode.TERMINATED
    return int(measured if code is ExitCode.DONE else code)


def _measure_speed(study: "Study") -> ExitCode:
    """Measure what `babelbits speed` does by default, and print it."""
    from babelbits.cli.speed import measure_and_print
    from babelbits.study.speed.speed_records import ROUNDS, SpeedSettings

    return ExitCode(measure_and_print(study, SpeedSettings(), rounds=ROUNDS))


def _how_to_go_on(study: "Study") -> str:
    """The command that resumes; a smoke run must not become the whole one."""
    if study.answers:
        return "go on with the same command"
    options = (f" --limit {study.limit}" if study.smoke else "") + (
        " --early-stopping" if study.stop else ""
    )
    return f"go on with: babelbits run {shlex.quote(str(study.file))}{options}"


# --- what was done and, loudly, what was not -----------------------------------------------------


def _summarise(done: "RunSummary") -> None:
    outcome, plan = done.outcome, done.plan
    if plan.complete:
        say(
            f"nothing to do: {every(len(plan.cells), 'cell')} "
            f"{agreeing(len(plan.cells), 'is', 'are')} recorded"
        )
    else:
        say(
            f"computed {plural(outcome.n_items, 'item')}, finished "
            f"{plural(outcome.n_cells, 'cell')}"
        )
    if outcome.n_skipped:
        say(
            f"{plural(outcome.n_skipped, 'item')} "
            f"{agreeing(outcome.n_skipped, 'was', 'were')} not needed: the "
            "verdicts of their cells were known"
        )
    _say_lost(done.lost)
    for line in outcome.failures:
        say(f"failed: {line}")
    for line in outcome.damaged:
        say(f"damaged: {line}")
    if outcome.interrupted:
        say(f"interrupted; {_how_to_go_on(plan.study)}")


def _say_lost(items: "LostItems") -> None:
    of = f"of {plural(items.n_items, 'recorded item')}"
    if items.truncated:
        say(
            f"{items.truncated} {of} had their prompt cut at the beginning: longer than the context"
        )
    if items.thoughts.thinking:
        say(items.thoughts.in_words())
    if items.failed:
        lost = sum(items.failed.values())
        kinds = ", ".join(f"{kind} {n}" for kind, n in sorted(items.failed.items()))
        say(
            f"{lost} {of} {agreeing(lost, 'has', 'have')} no score ({kinds}); the "
            "report counts them"
        )
    for line in items.empty_cells:
        say(f"no result: {line}")


def _report(study: "Study") -> None:
    from babelbits.cli.report import write_report

    started = time.monotonic()
    path = write_report(study.folder, smoke=study.smoke, early=study.stop, study_file=study.file)
    say(f"report built in {duration(time.monotonic() - started)}:")
    click.echo(str(path))


def _exit_code(done: "RunSummary") -> ExitCode:
    if done.outcome.interrupted:
        return ExitCode.INTERRUPTED
    if done.outcome.damaged:
        return ExitCode.STORE_DAMAGED
    failed = done.outcome.failures or done.lost.empty_cells
    return ExitCode.INCOMPLETE if failed else ExitCode.DONE
