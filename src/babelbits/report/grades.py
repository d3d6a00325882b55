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
    *("if ungraded worst/best", "verdict", "min. detectable loss"),
)
COVERAGE_HEADS = (
    "suite",
    "language",
    "answers",
    "distinct",
    "empty",
    "collapsed",
    "no grade",
    "why",
)
ACCORD_HEADS = (
    *("suite", "language", "distinct", "both right", "rule only", "judge only", "both wrong"),
    *("same", "κ"),
)


def make_effect_rows(effects: Iterable[GradedEffect]) -> list[tuple[str, ...]]:
    """Rows of `HEADS`: every language, and all together. Groups would hide the languages."""
    return [make_effect_row(one) for one in effects if one.effect.scope != "group"]


def make_effect_row(one: GradedEffect) -> tuple[str, ...]:
    """The values of `HEADS`."""
    effect = one.effect
    unit = effect.unit
    p = (
        effect.inference.p_value
        if effect.inference.p_adjusted is None
        else effect.inference.p_adjusted
    )
    where = effect.language or f"all {len(effect.languages)}"
    return (
        effect.variant,
        effect.task,
        where,
        f"{effect.counts.n_items:,}",
        f"{one.n_ungraded:,}",
        score(effect.arms.baseline_score, unit),
        signed(effect.delta, unit),
        interval(effect.inference.interval, unit),
        p_value(p),
        NOTHING if one.bounds is None else " / ".join(signed(end, unit) for end in one.bounds),
        f"{effect.decision.verdict}{' (at floor)' if effect.arms.at_floor else ''}",
        detectable(effect).partition(":")[0] if effect.decision.verdict == "undecided" else NOTHING,
    )


def make_coverage_row(one: Coverage) -> tuple[str, ...]:
    """The values of `COVERAGE_HEADS`."""
    kinds = ", ".join(f"{kind} {count}" for kind, count in one.ungraded.items())
    return (
        one.suite,
        one.language,
        f"{one.n_answers:,}",
        f"{one.n_distinct:,}",
        f"{one.n_empty:,}",
        NOTHING if one.n_collapsed is None else f"{one.n_collapsed:,}",
        f"{one.n_ungraded:,} ({percent(one.ungraded_share)})",
        kinds or NOTHING,
    )


def make_accord_row(one: RuleAgreement) -> tuple[str, ...]:
    """The values of `ACCORD_HEADS`."""
    counts = (one.n, one.both_right, one.rule_alone, one.judge_alone, one.both_wrong)
    return (
        one.suite,
        one.language,
        *(f"{count:,}" for count in counts),
        percent(one.agreement),
        NOTHING if one.kappa is None else f"{one.kappa:.2f}".replace("-", "−"),
    )
