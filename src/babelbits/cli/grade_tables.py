"""What `babelbits grade` prints: effects, then what has no grade, then rule against judge.

Differences are in points of the grade (1.0 is 100), variant less baseline: harm is negative.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from babelbits.analysis.format import interval, percent
from babelbits.cli.console import print_data, print_plain_table, say
from babelbits.cli.judge_tables import note_failures
from babelbits.report import grades
from babelbits.words import plural

if TYPE_CHECKING:
    from babelbits.judge.grading.grading_run import GradeResult


def print_result(result: "GradeResult") -> None:
    """Print the effects and tables to stdout, and the rest of what a reader must know to stderr."""
    rows = grades.make_effect_rows(result.effects)
    if rows:
        print_plain_table(grades.HEADS, rows, numeric=range(3, 10))
    else:
        print_data("nothing can be compared: no item has a grade in both arms")
    for sentence in describe_grades(result):
        print_data(sentence)
    print_data("")
    print_plain_table(
        grades.COVERAGE_HEADS,
        [grades.make_coverage_row(one) for one in result.coverage],
        numeric=range(2, 7),
    )
    if result.accords:
        print_data("")
        print_plain_table(
            grades.ACCORD_HEADS,
            [grades.make_accord_row(one) for one in result.accords],
            numeric=range(2, 9),
        )
    for line in list_notes(result):
        say(line)


def describe_grades(result: "GradeResult") -> Iterator[str]:
    """The verdicts that are one, and why, and the A/A control."""
    from babelbits.preferences.collect import CONTROL

    for one in result.effects:
        effect = one.effect
        where = effect.language or "all languages"
        if effect.scope == "group":
            continue
        if effect.variant == CONTROL:
            if (
                effect.inference.interval is not None
                and not effect.inference.interval.low <= 0 <= effect.inference.interval.high
            ):
                change = interval(effect.inference.interval, effect.unit)
                yield (
                    f"warning: the baseline's second run in {where} differs from its first "
                    f"({change}): noise of the runs is not small"
                )
        elif effect.decision.verdict != "undecided" or "ungraded" in effect.decision.reason:
            said = f"{effect.decision.verdict} ({effect.decision.reason})"
            yield f"{effect.variant}, {effect.task}, {where}: {said}"


def list_notes(result: "GradeResult") -> Iterator[str]:
    """How to read the tables, what has no grade and why, what it cost, where it lies."""
    if result.smoke:
        yield "smoke run: a few items a task; nothing here is a result"
    level = percent(1 - result.settings.alpha, digits=0)
    yield (
        "Δ: variant less baseline, in points of the grade (1.0 is 100), over items with a grade in "
        f"both (interval {level}); p: Holm over a variant's languages of a suite"
    )
    if any(one.n_ungraded for one in result.effects):
        yield (
            "items without a grade are in neither arm: a claim of equivalence must hold with them "
            "either way"
        )
    if any(one.n_collapsed for one in result.coverage):
        count = sum(one.n_collapsed or 0 for one in result.coverage)
        yield (
            f"{plural(count, 'distinct graded answer')} collapsed (loops and the like, under "
            "'collapsed'): what a judge made of them says nothing about what the model knows"
        )
    if result.accords:
        yield "rule against judge: distinct answers; a grade of 0.5 or more counts as right"
    for problem in result.problems:
        if problem.severity == "error":
            yield f"warning: {problem.message} ({problem.hint})"
    yield from note_failures(
        result.reasons, result.n_errors, what="answer", missing="grade", spent=result.spent
    )
    yield f"grades and replies: {result.folder}"
