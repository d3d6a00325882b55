"""`babelbits grade`: what recorded answers are worth to a judge, by variant and language."""

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from babelbits.cli.chat_judge import (
    ChatWishes,
    chat_options,
    check_model,
    open_chat,
    progress,
    split_wishes,
)
from babelbits.cli.console import print_json, say
from babelbits.cli.pairs import make_query
from babelbits.errors import ExitCode, Interrupted
from babelbits.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from babelbits.analysis import AnalysisSettings
    from babelbits.engines.chat import ChatModel
    from babelbits.judge.grading.answers import Answered
    from babelbits.judge.grading.grader import Grader
    from babelbits.study import Study

_TEMPLATE = click.option(
    "--template",
    type=click.Path(path_type=Path),
    help="File with the question about answers that have gold answers.",
)


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="FOLDER|STUDY")
@click.option(
    "--suite", "suites", multiple=True,
    help="Task whose answers are graded; may be repeated. MixEval's unless named.",
)  # fmt: skip
@chat_options(_TEMPLATE)
@click.option("--variant", "variants", multiple=True, help="Only this variant; repeatable.")
@click.option(
    "--languages", "-l", multiple=True, metavar="CODES", help="Only these, e.g. 'ja,swh_Latn'."
)
@click.option("--limit", type=click.IntRange(min=1), help="First N items of each task.")
@click.option("--smoke", is_flag=True, help="The folder's smoke run instead of its results.")
@click.option(
    "--margin", type=click.FloatRange(min=0, max=100, min_open=True, max_open=True),
    help="Largest difference that does not matter, in points.  [default: the study's]",
)  # fmt: skip
@click.option(
    "--alpha", type=click.FloatRange(min=0, max=0.5, min_open=True, max_open=True),
    help="Error rate of each family of tests.  [default: the study's]",
)  # fmt: skip
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for grades; in the run folder unless given.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def grade(
    source: Path,
    *,
    suites: tuple[str, ...],
    variants: tuple[str, ...],
    languages: tuple[str, ...],
    limit: int | None,
    smoke: bool,
    margin: float | None,
    alpha: float | None,
    output: Path | None,
    as_json: bool,
    **who: Any,
) -> int:
    """Let a judge grade recorded answers against their gold answers.

    SOURCE is a run folder or its study file. Free-form answers get a grade from 0.0 to 1.0; of
    written choices the judge reads which option they choose. Each distinct answer is asked about
    once. The same command again asks only what has no reply yet.

    \b
    babelbits grade study.toml --endpoint http://127.0.0.1:8080/v1 --model qwen3-32b
    babelbits grade study.toml --suite mixeval-free-form --suite mixeval --local ./judge
    babelbits grade my.run --suite math --endpoint URL --model m --price 0.2 0.8 --max-cost 5

    The API key is read from BABELBITS_API_KEY. Exit code 3: some answers could not be asked about.
    """
    from babelbits.cli.grade_tables import print_result
    from babelbits.judge.grading.answers import collect_answers
    from babelbits.judge.grading.grading_run import as_object, run_grading
    from babelbits.results.sources import locate
    from babelbits.store import Store
    from babelbits.study.planning.recorded import update_study

    chat, own = split_wishes(who)
    check_model(chat)
    wanted = make_query(suites, variants, languages, limit=limit)
    folder, study_file, is_smoke = locate(source, smoke=smoke)
    collected = collect_answers(folder, wanted, smoke=is_smoke)
    study = update_study(Store(folder, smoke=is_smoke), study_file)
    settings = _settings(study, collected, margin=margin, alpha=alpha)
    parent = output or folder / ("smoke" if is_smoke else "") / "grades"
    with _grader(chat, own["template"], parent) as grader, progress("grading") as told:
        _tell(collected)
        try:
            result = run_grading(grader, collected.cells, parent=parent, settings=settings,
                                 progress=told)  # fmt: skip
        except KeyboardInterrupt:
            raise Interrupted(
                "every reply so far is kept", hint="go on with the same command"
            ) from None
    if as_json:
        print_json(as_object(result))
    else:
        print_result(result)
    return int(ExitCode.INCOMPLETE if result.n_errors else ExitCode.DONE)


def _tell(answered: "Answered") -> None:
    """To stderr: what is graded, and what cannot be."""
    from babelbits.judge.grading.answers import list_asked

    answers = [
        one
        for cell in answered.cells
        for row in cell.rows
        if row.failure is None
        for one in list_asked(row, suite=cell.meta.task.suite)
    ]
    say(
        f"{plural(len(answers), 'answer')} in {plural(len(answered.cells), 'cell')}, "
        f"{len(set(answers)):,} distinct"
    )
    failed = sum(row.failure is not None for cell in answered.cells for row in cell.rows)
    if failed:
        say(f"{plural(failed, 'item')} without an answer left out")
    for cell in answered.unfinished:
        say(f"left out: {cell} is not finished, or has no counterpart")


def _settings(
    study: "Study",
    found: "Answered",
    *,
    margin: float | None,
    alpha: float | None,
) -> "AnalysisSettings":
    """What the study declares, unless the command line says otherwise."""
    from babelbits.results.load import make_settings

    codes: Sequence[str] = list(dict.fromkeys(cell.meta.task.language for cell in found.cells))
    settings = make_settings(study, codes)
    if margin is not None:
        settings = replace(settings, margins={"fraction": margin / 100})
    return settings if alpha is None else replace(settings, alpha=alpha)


@contextmanager
def _grader(wishes: ChatWishes, template: Path | None, parent: Path) -> "Iterator[Grader]":
    """The judge with its two questions, open."""
    from babelbits.judge.grading.grader import Grader
    from babelbits.judge.grading.grading_run import grade_folder
    from babelbits.judge.templates import load_template

    questions = {
        "grade": load_template(template, mode="grade"),
        "option": load_template(None, mode="option"),
    }

    def described(model: "ChatModel", name: str = "") -> "Grader":
        return Grader(
            model=model,
            name=f"{name} · {questions['grade'].name}",
            templates={"grade": questions["grade"], "option": questions["option"]},
            settings=wishes.settings(),
        )

    with open_chat(
        wishes, folder_of=lambda model: grade_folder(parent, described(model))
    ) as opened:
        yield replace(described(opened.model, opened.name), spent=opened.spent)
