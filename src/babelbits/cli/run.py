"""`babelbits run`: execute the plan of a study, then build its report."""

import os
import shlex
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from babelbits.cli.console import debugging, duration, say
from babelbits.errors import ExitCode, Interrupted, MissingExtraError
from babelbits.store.thoughts import Thoughts
from babelbits.words import agreeing, every, plural

if TYPE_CHECKING:
    from babelbits.store import Store
    from babelbits.study import Study
    from babelbits.study.execution.run import RunOutcome
    from babelbits.study.planning.plan_types import Plan


@click.command()
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--limit", type=click.IntRange(min=1), help="First N items a task: a smoke run.")
@click.option(
    "--stop",
    is_flag=True,
    help="Stop a cell when its verdict is known; the report then shows confidence sequences.",
)
@click.option("--no-report", is_flag=True, help="Only run; build the report later.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes that run cells at the same time; default: what suits model and machine.",
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
def run(
    study: Path,
    *,
    limit: int | None,
    stop: bool,
    no_report: bool,
    workers: int | None,
    offline: bool,
    no_rehearse: bool,
    verify: bool,
) -> int:
    """Make the variants of STUDY and run the cells that are missing.

    The same command again resumes: what is recorded is never computed twice. Ctrl-C once finishes
    the batch in flight; twice stops now. The report's path is printed to stdout.
    """
    from babelbits.study import load

    if offline:
        _go_offline()
    return run_study(
        load(study, limit=limit, stop=stop),
        report=not no_report,
        workers=workers,
        rehearse=not no_rehearse,
        verify=verify,
    )


def _go_offline() -> None:
    """Tell the hub's libraries, which are not imported yet, and the workers, who inherit it."""
    os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")


def run_study(
    study: "Study",
    *,
    report: bool,
    workers: int | None = None,
    rehearse: bool = False,
    verify: bool = False,
) -> int:
    """Plan, rehearse where asked for, execute, report; returns the exit code."""
    from babelbits.store import Store

    need_libraries()
    store = Store(study.folder, smoke=study.smoke, early=study.stop, answers=study.answers)
    try:
        with store.writing():  # first of all: it also shows that the folder can be written
            plan = _plan(study, store, verify=verify)
            if rehearse:
                plan = _rehearsed(plan)
            outcome = _execute(plan, store, workers=workers, verify=verify)
        losses = _losses(plan, store)
        _summarise(outcome, plan, losses)
        if report and not outcome.interrupted and (outcome.complete or outcome.n_cells):
            _report(study)
    except KeyboardInterrupt:
        raise Interrupted("what is recorded is kept", hint=_how_to_go_on(study)) from None
    return int(_exit_code(outcome, losses))


def need_libraries() -> None:
    """Say what is missing of what loads models.

    Raises
    ------
    MissingExtraError
        If one of the libraries is not installed.
    """
    from babelbits.study.planning.identity import version_of
    from babelbits.study.planning.preflight import NEEDED

    for distribution in NEEDED:
        if version_of(distribution) is None:
            raise MissingExtraError(
                f"{distribution} is not installed", hint="pip install 'babelbits[run]'"
            )


def _plan(study: "Study", store: "Store", *, verify: bool) -> "Plan":
    """The plan, with everything checked that would be a pity to learn later."""
    from babelbits.study.config.chat_settings import in_words, unused_template
    from babelbits.study.planning.base_model import locate
    from babelbits.study.planning.hashes import FileHashes
    from babelbits.study.planning.plan import make_plan
    from babelbits.study.planning.plan_warnings import notices
    from babelbits.study.planning.preflight import check
    from babelbits.tasks import catalogue

    base = locate(study.model, hashes=FileHashes(verify=verify), download=True)
    plan = make_plan(study, store, base=base, build=catalogue.load)
    check(plan, tell=say)
    for line in in_words(plan.study):
        say(f"asked: {line}")
    if warning := unused_template(plan.study, base.folder):
        say(f"warning: {warning}")
    for line in notices(plan):
        say(f"note: {line}")
    if study.smoke:
        say(f"SMOKE run: {plural(study.limit or 0, 'item')} a task, stored apart from results")
    if study.stop:
        say("cells stop when their verdict is known; stored apart from runs of all items")
    return plan


def _rehearsed(plan: "Plan") -> "Plan":
    """The plan after a rehearsal of what it makes and runs.

    The bundled model is not rehearsed: every recipe is tested on it.
    """
    from babelbits.cli.rehearsal import rehearse_aloud
    from babelbits.study.config.spec import BUNDLED
    from babelbits.study.rehearsal.studies import marked, refuse

    if plan.complete or plan.study.model.path == BUNDLED:
        return plan
    results = rehearse_aloud(plan)
    refuse(results, model=plan.base.label)
    return marked(plan, results)


def _execute(
    plan: "Plan", store: "Store", *, workers: int | None, verify: bool = False
) -> "RunOutcome":
    from babelbits.cli.progress import Reporter
    from babelbits.study.execution.interrupt import stop_on_interrupt
    from babelbits.study.execution.run import execute
    from babelbits.study.planning.parallel import suggest

    reporter = Reporter(plan, debug=debugging())
    number = suggest(plan) if workers is None else workers
    if number > 1 and not plan.complete:
        say(f"{plural(number, 'worker')}, each with its own copy of the model")

    def tell() -> None:
        say("stopping after the batch in flight; Ctrl-C again stops now")

    with stop_on_interrupt(tell) as stop, reporter.live():
        return execute(plan, store, listener=reporter, stop=stop, workers=number, verify=verify)


def _how_to_go_on(study: "Study") -> str:
    """The command that resumes; a smoke run must not become the whole one."""
    if study.answers:
        return "go on with the same command"
    options = (f" --limit {study.limit}" if study.smoke else "") + (" --stop" if study.stop else "")
    return f"go on with: babelbits run {shlex.quote(str(study.file))}{options}"


# --- what was done and, loudly, what was not -----------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Losses:
    """Items without an answer, over all finished cells of the plan."""

    n_items: int
    failed: Mapping[str, int]
    truncated: int
    thoughts: Thoughts
    empty_cells: tuple[str, ...]
    """Cells without a single answer: they are recorded, and say nothing."""


def _losses(plan: "Plan", store: "Store") -> _Losses:
    counts = [(meta, found) for meta in plan.metas if (found := store.counts(meta)) is not None]
    kinds: Counter[str] = Counter()
    for _, found in counts:
        kinds.update(found.failed)
    return _Losses(
        n_items=sum(found.n_items for _, found in counts),
        failed=kinds,
        truncated=sum(found.truncated for _, found in counts),
        thoughts=sum((found.thoughts for _, found in counts), Thoughts()),
        empty_cells=tuple(
            f"{meta.variant}{' again (A/A)' if meta.replicate else ''} · {meta.task.name}: "
            f"none of its {plural(found.n_items, 'item')} has a score"
            for meta, found in counts
            if found.n_failed == found.n_items
        ),
    )


def _summarise(outcome: "RunOutcome", plan: "Plan", losses: _Losses) -> None:
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
    _say_losses(losses)
    for line in outcome.failures:
        say(f"failed: {line}")
    for line in outcome.damaged:
        say(f"damaged: {line}")
    if outcome.interrupted:
        say(f"interrupted; {_how_to_go_on(plan.study)}")


def _say_losses(losses: _Losses) -> None:
    of = f"of {plural(losses.n_items, 'recorded item')}"
    if losses.truncated:
        say(f"{losses.truncated} {of} lost the beginning of their prompt: longer than the context")
    if losses.thoughts.thinking:
        say(losses.thoughts.in_words())
    if losses.failed:
        lost = sum(losses.failed.values())
        kinds = ", ".join(f"{kind} {n}" for kind, n in sorted(losses.failed.items()))
        say(
            f"{lost} {of} {agreeing(lost, 'has', 'have')} no score ({kinds}); the "
            "report counts them"
        )
    for line in losses.empty_cells:
        say(f"no result: {line}")


def _report(study: "Study") -> None:
    from babelbits.cli.report import write_report

    started = time.monotonic()
    path = write_report(study.folder, smoke=study.smoke, early=study.stop, study_file=study.file)
    say(f"report built in {duration(time.monotonic() - started)}:")
    click.echo(str(path))


def _exit_code(outcome: "RunOutcome", losses: _Losses) -> ExitCode:
    if outcome.interrupted:
        return ExitCode.INTERRUPTED
    if outcome.damaged:
        return ExitCode.STORE_DAMAGED
    failed = outcome.failures or losses.empty_cells
    return ExitCode.INCOMPLETE if failed else ExitCode.DONE
