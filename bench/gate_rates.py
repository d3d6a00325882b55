"""How often a gate gives each of its four answers, at true losses from nothing to two margins.

    python bench/gate_rates.py [studies]

Right/wrong items of one task, n in each language, of which a share `churn` changes; all languages
truly lose the same. The margin is 2 points, alpha 5 %, the claim "not worse". Each row also has the
share that `--fail-on loss` fails: a loss shown, whatever its size. Decided by the code of
`babelbits gate`; only items are left out, because counts of broken and fixed ones are all it needs.
"""

import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from babelbits.analysis.results import Analysis
from babelbits.decide.decision import OUTCOMES, Outcome, answer_questions, combine_answers
from babelbits.decide.decision_input import DecisionInput
from babelbits.decide.decision_query import DecisionQuery, DecisionQuestion
from babelbits.decide.recommend import Size, recommend
from babelbits.records import (
    Arms,
    Effect,
    EffectCounts,
    EffectDecision,
    EffectInference,
    Interval,
    Metric,
    RelativeEffect,
)
from babelbits.stats.binary import PairedTable, mcnemar_midp, tango

MARGIN, ALPHA = 0.02, 0.05
LOSSES = (0.0, 0.5, 1.0, 1.5, 2.0)
"""In margins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One gate."""

    languages: int
    n_items: int
    churn: float


PLANS = (
    Plan(languages=1, n_items=1000, churn=0.05),
    Plan(languages=1, n_items=4000, churn=0.10),
    Plan(languages=11, n_items=1000, churn=0.05),
    Plan(languages=11, n_items=4000, churn=0.10),
)


@cache
def evidence(n_items: int, broke: int, fixed: int) -> tuple[float, Interval, Interval]:
    """p-value and both intervals of a table."""
    table = PairedTable(both_right=n_items - broke - fixed, broke=broke, fixed=fixed, both_wrong=0)
    wide, narrow = tango(table, level=1 - ALPHA), tango(table, level=1 - 2 * ALPHA)
    return mcnemar_midp(table).p_value, wide, narrow


def effect(language: str, n_items: int, broke: int, fixed: int, *, variant: str = "w4") -> Effect:
    """What an analysis would make of such a table."""
    p, wide, narrow = evidence(n_items, broke, fixed)
    return Effect(
        variant=variant, task="task", metric="acc", kind="binary", unit="fraction",
        higher_is_better=True, scope="language", language=language, group=None,
        languages=(language,), delta=(fixed - broke) / n_items, recipe="",
        arms=Arms(baseline_score=0.6, variant_score=0.6, baseline_interval=None, at_floor=False),
        counts=EffectCounts(
            n_items=n_items, n_source_items=n_items, n_failed=0, n_truncated=0, n_over_long=0,
            broke=broke, fixed=fixed, churn=(broke + fixed) / n_items,
        ),
        inference=EffectInference(
            interval=wide, equivalence_interval=narrow, p_value=p, test="mid-p McNemar"
        ),
        decision=EffectDecision(margin=MARGIN, verdict="undecided", reason=""),
        relative=RelativeEffect(
            relative_change=None, mean_relative_change=None, above_chance_lost=None
        ),
    )  # fmt: skip


def findings(
    effects: Sequence[Effect], codes: Sequence[str], variants: Sequence[str]
) -> DecisionInput:
    """A study that holds nothing else."""
    return DecisionInput(
        analysis=Analysis(
            effects=tuple(effects), aa=(), contrasts=(), families=(), problems=(), smoke=False
        ),
        primary={"task": Metric(name="acc", kind="binary")},
        languages={"task": tuple(codes)},
        variants=tuple(variants),
        groups={},
        alpha=ALPHA,
    )


def gates(plan: Plan, loss: float, studies: int) -> Iterator[Outcome]:
    """The outcome of each study."""
    codes = [f"l{number}" for number in range(plan.languages)]
    asked = DecisionQuery(questions=tuple(
        DecisionQuestion(suite="task", where=code, languages=(code,)) for code in codes
    ))  # fmt: skip
    rng = np.random.default_rng([plan.languages, plan.n_items, round(loss * 10)])
    net = loss * MARGIN
    chances = [(plan.churn + net) / 2, (plan.churn - net) / 2, 1 - plan.churn]
    for _ in range(studies):
        drawn = rng.multinomial(plan.n_items, chances, plan.languages)
        effects = tuple(
            effect(code, plan.n_items, int(broke), int(fixed))
            for code, (broke, fixed, _) in zip(codes, drawn, strict=True)
        )
        found = findings(effects, codes, ("w4",))
        yield combine_answers(answer_questions(found, "w4", asked))


def walks(variants: int, studies: int) -> Iterator[tuple[bool, bool]]:
    """Whether a study recommends anything, in the fixed order and with --any.

    Every variant truly loses just the margin, so that each recommendation is wrong. One language.
    """
    rng = np.random.default_rng([variants, 1])
    plan = PLANS[0]
    chances = [(plan.churn + MARGIN) / 2, (plan.churn - MARGIN) / 2, 1 - plan.churn]
    names = [f"q{number:02d}" for number in range(variants)]
    asked = DecisionQuery(
        questions=(DecisionQuestion(suite="task", where="en", languages=("en",)),)
    )
    sizes = {
        name: Size(bytes_on_disk=1000 - number, bits_per_weight=8 - number / 10)
        for number, name in enumerate(names)
    }
    for _ in range(studies):
        drawn = rng.multinomial(plan.n_items, chances, variants)
        found = findings(
            [
                effect("en", plan.n_items, int(broke), int(fixed), variant=name)
                for name, (broke, fixed, _) in zip(names, drawn, strict=True)
            ],
            ("en",),
            names,
        )
        fixed_order, smallest = (
            recommend(found, asked, sizes=sizes, baseline=None, any_passing=any_passing).chosen
            for any_passing in (False, True)
        )
        yield fixed_order is not None, smallest is not None


def print_walks(studies: int) -> None:
    """Print the second table."""
    print("\n| variants, each losing just the margin | fixed order recommends one | `--any` does |")
    print("|---|---|---|")
    for variants in (1, 4, 20):
        found = list(walks(variants, studies))
        shares = [sum(one[at] for one in found) / studies for at in (0, 1)]
        print(f"| {variants} | {shares[0]:.1%} | {shares[1]:.1%} |")


def main(studies: int) -> None:
    """Print a table as Markdown."""
    print("| languages | items | churn | true loss | pass | fail | loss shown, size open |"
          " undecided | `--fail-on loss` fails |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    for plan in PLANS:
        for loss in LOSSES:
            counts = Counter(gates(plan, loss, studies))
            shares = [counts[outcome] / studies for outcome in OUTCOMES]
            cells = [f"{share:.1%}" for share in (*shares, shares[1] + shares[2])]
            print(f"| {plan.languages} | {plan.n_items:,} | {plan.churn:.0%} | {loss:g} margins | "
                  f"{' | '.join(cells)} |")  # fmt: skip
    error = math.sqrt(0.25 / studies), math.sqrt(0.05 * 0.95 / studies)
    print(f"\n{studies:,} studies a row; Monte Carlo error at most {error[0]:.1%}, "
          f"at 5 % {error[1]:.1%}.")  # fmt: skip


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    main(wanted)
    print_walks(wanted)
