"""`babelbits quick`: some files and some minutes to a first answer, without a study file."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from babelbits.cli.console import is_debugging, print_data, print_plain_table, say
from babelbits.errors import ExitCode, StudyError
from babelbits.words import duration

if TYPE_CHECKING:
    from babelbits.study.config.spec import Study
    from babelbits.study.planning.quick_study import QuickWish

_TRIAL = 0.35
"""Share of the time after which no more suites are timed."""

_COLUMNS = ("variant", "task", "language", "n", "baseline", "Δ", "interval", "verdict")
"""Of the table of `compare`: what a terminal holds."""


@click.command()
@click.argument("base")
@click.argument("variants", metavar="VARIANT...", nargs=-1, required=True)
@click.option("--languages", "-l", required=True, metavar="CODES",
              help="In any usual form, e.g. 'nb,hi,swh_Latn'.")  # fmt: skip
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), default=20, show_default=True,
    help="Time that everything may take; an estimate, and no promise.",
)  # fmt: skip
@click.option(
    "--margin", "margins", multiple=True, metavar="POINTS|NAME=SIZE",
    help="Loss that would not matter: points, or e.g. text=0.02 for a task.  [default: 2]",
)  # fmt: skip
@click.option("--suites", metavar="NAMES", help="Only these, e.g. 'text,belebele'.")
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), default=Path("babelbits-quick"),
    show_default=True, help="Where the study that is written and its results go.",
)  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1), help="As of `babelbits run`.")
def quick(
    base: str,
    variants: tuple[str, ...],
    *,
    languages: str,
    minutes: float,
    margins: tuple[str, ...],
    suites: str | None,
    folder: Path,
    workers: int | None,
) -> int:
    """Compare VARIANTs with BASE in some minutes: no study file, one table, a report.

    Each is a folder, a GGUF file or a hub id (owner/model, owner/model:Q4_K_M); a VARIANT may be a
    recipe too (w4-g, w4-g@nb). A few items say how fast each suite is here; then suites and numbers
    of items are chosen that fit the time. The same command again resumes.

    \b
    babelbits quick ./model ./model-Q4_K_M.gguf --languages nb,hi,sw
    babelbits quick Qwen/Qwen2.5-0.5B nf4 w4-g -l ja,sw --minutes 60
    babelbits quick bundled q4_k_m q2_k_s -l nb,hi,sw --minutes 3
    """
    from babelbits.cli.compare import parse_margin
    from babelbits.languages import resolve
    from babelbits.study.planning.quick_study import QuickWish, resumes

    wish = QuickWish(
        base=base,
        variants=variants,
        languages=tuple(dict.fromkeys(resolve(code).code for code in _listed(languages))),
        minutes=minutes,
        margins=dict(map(parse_margin, margins)),
        suites=_listed(suites or ""),
    )
    file = folder / "study.toml"
    code = ExitCode.DONE
    started = time.monotonic()
    if not resumes(file, wish):
        code = _choose(wish, file, workers=workers, started=started)
    if code is not ExitCode.DONE:
        return int(code)
    return _run(wish, file, workers=workers, started=started)


def _listed(words: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in words.split(",") if word.strip())


def _choose(wish: "QuickWish", file: Path, *, workers: int | None, started: float) -> ExitCode:
    """Time the suites, choose among them, and write the study."""
    from babelbits.study.planning.quick_study import (
        RESERVE,
        choose_items,
        describe_choice,
        describe_left_out,
        draft_text,
        find_suites,
        write_study_text,
    )

    tasks, left_out = find_suites(wish)
    for line in describe_left_out(left_out):
        say(line.strip())
    _write(file, draft_text(wish, tasks))
    timings = _timings(wish, file, seconds=_TRIAL * wish.minutes * 60, workers=workers)
    if timings is None:
        say("interrupted; the same command starts again with what is made")
        return ExitCode.INTERRUPTED
    left = wish.minutes * 60 * (1 - RESERVE) - (time.monotonic() - started)
    say(f"left for items: {duration(max(left, 0))} of {duration(wish.minutes * 60)}")
    choice = choose_items(tasks, timings, seconds=left)
    for line in describe_choice(choice):
        say(line)
    _write(file, write_study_text(wish, choice.tasks))
    return ExitCode.DONE


def _timings(
    wish: "QuickWish", file: Path, *, seconds: float, workers: int | None
) -> "dict[str, float] | None":
    """Seconds an item of each suite; None if a person stopped it."""
    from babelbits.cli.progress import Reporter
    from babelbits.study.execution.suite_timing import TRIAL_ITEMS, Deadline, time_suites

    study = _load(wish, file, limit=TRIAL_ITEMS)
    say(f"timing suites on their first {TRIAL_ITEMS} items, which are no result …")
    with Reporter(debug=is_debugging()) as reporter:
        stop = Deadline(reporter.stop, seconds=seconds)
        done, timings = time_suites(study, progress=reporter, stop=stop, workers=workers)
        if reporter.stop.is_requested():
            return None
    if done.outcome.failures:
        raise StudyError(
            f"not everything can be run: {done.outcome.failures[0]}",
            where=str(file),
            hint="leave out what fails, or see the whole error with --debug",
        )
    if not timings:
        raise StudyError(
            "making and loading the variants took all of the time",
            where="--minutes",
            hint="what was made is kept: the same command with more minutes goes on",
        )
    return dict(timings)


def _write(file: Path, text: str) -> None:
    from babelbits.report.exports import write_text

    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, text)


def _load(wish: "QuickWish", file: Path, *, limit: int | None = None) -> "Study":
    """The written study; its mistakes are those of the arguments, which a person can mend."""
    from babelbits import load_study
    from babelbits.study.config.problems import StudyFileError
    from babelbits.study.planning.quick_study import locate_in_arguments

    try:
        return load_study(file, limit=limit)
    except StudyFileError as error:
        raise locate_in_arguments(error, file.read_text("utf-8"), wish) from error


def _run(wish: "QuickWish", file: Path, *, workers: int | None, started: float) -> int:
    """Run the study that was chosen, and say what came of it."""
    from babelbits.cli.report import write_report
    from babelbits.cli.run import run_with_progress

    study = _load(wish, file)
    code = run_with_progress(study, report=False, workers=workers)
    if code not in (ExitCode.DONE, ExitCode.INCOMPLETE):
        return code
    path = write_report(study.folder, study_file=study.file)
    _print_answer(study)
    say(f"everything took {duration(time.monotonic() - started)}")
    say(f"study: {file}  (babelbits run {file} resumes it)")
    print_data(f"report: {path}")
    return code


def _print_answer(study: "Study") -> None:
    """The table, what was decided, and what so small a sample cannot say."""
    from babelbits.cli.compare import HEADS, make_table_rows
    from babelbits.report.exports import make_screen
    from babelbits.report.first_screen import list_sentences
    from babelbits.report.sample_note import sample_sentences
    from babelbits.results.load import load_run

    found = load_run(study.folder, study_file=study.file)
    kept = [HEADS.index(name) for name in _COLUMNS]
    rows = [[row[number] for number in kept] for row in make_table_rows(found)]
    print_plain_table(_COLUMNS, rows, numeric=(3, 4, 5, 6))
    print_data("")
    first = make_screen(found)
    for sentence in (*list_sentences(first), *first.engine_changes, "", "How small the sample is:"):
        print_data(sentence)
    for sentence in sample_sentences(found):
        print_data(f"  {sentence}")
