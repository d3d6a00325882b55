"""What `babelbits grade` prints: effects, then what has no grade, then rule against judge.

Differences are in points of the grade (1.0 is 100), variant less baseline: harm is negative.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from babelbits.cli.console import data, data_table, say
from babelbits.compare.format import NOTHING, detectable, interval, p_value, percent, score, signed

if TYPE_CHECKING:
    from babelbits.judge.grading.accord import Accord, Coverage
    from babelbits.judge.grading.effects import GradedEffect
    from babelbits.judge.grading.session import GradeResult

HEADS = (
    *("variant", "suite", "language", "n", "ungraded", "baseline", "Δ", "interval", "p"),
    *("if ungraded worst/best", "verdict", "could have seen"),
)
COVERAGE_HEADS = ("suite", "language", "answers", "distinct", "empty", "no grade", "why")
ACCORD_HEADS = (
    *("suite", "language", "distinct", "both right", "rule alone", "judge alone", "both wrong"),
    *("same", "κ"),
)
_REASONS_SHOWN = 5


def print_result(result: "GradeResult") -> None:
    """Print the effects and tables to stdout, and the rest of what a reader must know to stderr."""
    # Groups of languages are in the JSON; a table of all of them hides the languages.
    rows = [effect_row(one) for one in result.effects if one.effect.scope != "group"]
    if rows:
        data_table(HEADS, rows, numeric=range(3, 10))
    else:
        data("nothing can be compared: no item has a grade in both arms")
    for sentence in sentences(result):
        data(sentence)
    data("")
    data_table(COVERAGE_HEADS, [coverage_row(one) for one in result.coverage], numeric=range(2, 6))
    if result.accords:
        data("")
        data_table(ACCORD_HEADS, [accord_row(one) for one in result.accords], numeric=range(2, 9))
    for line in notes(result):
        say(line)


def effect_row(one: "GradedEffect") -> tuple[str, ...]:
    """The values of `HEADS`."""
    found = one.effect
    unit = found.unit
    p = found.p_value if found.p_adjusted is None else found.p_adjusted
    where = found.language or f"all {len(found.languages)}"
    return (
        found.variant,
        found.task,
        where,
        f"{found.n_items:,}",
        f"{one.n_ungraded:,}",
        score(found.baseline_score, unit),
        signed(found.delta, unit),
        interval(found.interval, unit),
        p_value(p),
        NOTHING if one.bounds is None else " / ".join(signed(end, unit) for end in one.bounds),
        f"{found.verdict}{' (at floor)' if found.at_floor else ''}",
        detectable(found).partition(":")[0] if found.verdict == "undecided" else NOTHING,
    )


def coverage_row(one: "Coverage") -> tuple[str, ...]:
    """The values of `COVERAGE_HEADS`."""
    kinds = ", ".join(f"{kind} {count}" for kind, count in one.ungraded.items())
    return (
        one.suite,
        one.language,
        f"{one.n_answers:,}",
        f"{one.n_distinct:,}",
        f"{one.n_empty:,}",
        f"{one.n_ungraded:,} ({percent(one.ungraded_share)})",
        kinds or NOTHING,
    )


def accord_row(one: "Accord") -> tuple[str, ...]:
    """The values of `ACCORD_HEADS`."""
    counts = (one.n, one.both_right, one.rule_alone, one.judge_alone, one.both_wrong)
    return (
        one.suite,
        one.language,
        *(f"{count:,}" for count in counts),
        percent(one.agreement),
        NOTHING if one.kappa is None else f"{one.kappa:.2f}".replace("-", "−"),
    )


def sentences(result: "GradeResult") -> Iterator[str]:
    """The verdicts that are one, and why, and the A/A control."""
    from babelbits.judge.collect import CONTROL

    for one in result.effects:
        found = one.effect
        where = found.language or "all languages"
        if found.scope == "group":
            continue
        if found.variant == CONTROL:
            if found.interval is not None and not found.interval.low <= 0 <= found.interval.high:
                yield (
                    f"warning: the baseline's second run in {where} differs from its first "
                    f"({interval(found.interval, found.unit)}): noise of the runs is not small"
                )
        elif found.verdict != "undecided" or "ungraded" in found.reason:
            yield f"{found.variant}, {found.task}, {where}: {found.verdict} ({found.reason})"


def notes(result: "GradeResult") -> Iterator[str]:
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
    if result.accords:
        yield "rule against judge: distinct answers; a grade of 0.5 or more counts as right"
    for problem in result.problems:
        if problem.severity == "error":
            yield f"warning: {problem.message} ({problem.hint})"
    for reason, count in sorted(result.reasons.items(), key=lambda one: -one[1])[:_REASONS_SHOWN]:
        yield f"no grade, {count} ×: {reason[:200]}"
    if result.spent is not None and result.spent > 0:
        yield f"spent so far: {result.spent:.4g}"
    if result.n_errors:
        yield f"{result.n_errors} answers could not be asked about: run the same command again"
    yield f"grades and replies: {result.folder}"
