"""What a judge graded, as table rows for the page and the terminal.

Differences are in points of the grade (1.0 is 100), variant less baseline: harm is negative. Pure:
no files, no markup.
"""

from collections.abc import Iterable

from babelbits.analysis.format import NOTHING, detectable, interval, p_value, percent, score, signed
from babelbits.judge.grading.grade_effects import GradedEffect
from babelbits.judge.grading.rule_agreement import Coverage, RuleAgreement

HEADS = (
    *("variant", "suite", "language", "n", "ungraded", "baseline", "Δ", "interval", "p"),
    *("if ungraded worst/best", "verdict", "could have seen"),
)
COVERAGE_HEADS = ("suite", "language", "answers", "distinct", "empty", "no grade", "why")
ACCORD_HEADS = (
    *("suite", "language", "distinct", "both right", "rule alone", "judge alone", "both wrong"),
    *("same", "κ"),
)


def effect_rows(effects: Iterable[GradedEffect]) -> list[tuple[str, ...]]:
    """Rows of `HEADS`: every language, and all together. Groups would hide the languages."""
    return [effect_row(one) for one in effects if one.effect.scope != "group"]


def effect_row(one: GradedEffect) -> tuple[str, ...]:
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


def coverage_row(one: Coverage) -> tuple[str, ...]:
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


def accord_row(one: RuleAgreement) -> tuple[str, ...]:
    """The values of `ACCORD_HEADS`."""
    counts = (one.n, one.both_right, one.rule_alone, one.judge_alone, one.both_wrong)
    return (
        one.suite,
        one.language,
        *(f"{count:,}" for count in counts),
        percent(one.agreement),
        NOTHING if one.kappa is None else f"{one.kappa:.2f}".replace("-", "−"),
    )
