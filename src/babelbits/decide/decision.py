"""What may be said of a variant over a set of questions: the one place that decides.

A question is one suite in one language, or a mean over several. The page, its Markdown and JSON,
`gate` and `recommend` all say what is decided here; they differ in the questions alone, and say
which they asked. A cell that is missing, failed or unfinished is a question without an answer.

Each question has one of four answers about a loss of the margin or more:

* *shown*: it is ruled out. "Shown everywhere" is an intersection-union claim: each at alpha, no
  correction (Berger & Hsu 1996, Statistical Science 11:283);
* *worse*: it is shown. After Holm over the questions asked, the whole 1 - alpha interval lies below
  -margin;
* *loss*: some loss is shown after Holm, and not how large it is;
* *undecided*: anything else.

Harm is negative. Nothing here reads a file or formats a page.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from scipy import special

from babelbits.analysis.cells import BASELINE
from babelbits.analysis.format import size
from babelbits.analysis.verdicts import Evidence, decide
from babelbits.decide.decision_input import DecisionInput, explain_missing, select_primary_effects
from babelbits.decide.decision_query import DecisionQuery, DecisionQuestion, ask
from babelbits.records import Effect, Interval, Level, Verdict
from babelbits.stats.binary import PairedTable, score_statistic
from babelbits.stats.multiplicity import holm

Outcome = Literal["shown", "worse", "loss", "undecided"]
OUTCOMES: tuple[Outcome, ...] = ("shown", "worse", "loss", "undecided")

SMOKE = "this is a SMOKE run: nothing in it is a result"


# --- one question ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionAnswer:
    """What the data say to one question."""

    question: DecisionQuestion
    outcome: Outcome
    reason: str
    effect: Effect | None
    """None where there is no result."""
    margin: float | None
    """In the metric's unit."""
    p_adjusted: float | None
    """Of "no difference": two-sided, Holm over the questions asked."""
    p_beyond: float | None
    """Of "the loss is at most the margin": doubled, Holm over the questions asked."""


def answer_questions(
    findings: DecisionInput, variant: str, asked: DecisionQuery
) -> tuple[DecisionAnswer, ...]:
    """The answer to every question, in order.

    Parameters
    ----------
    variant : str
        Label of a variant that the study has.
    """
    ours, noise = (
        select_primary_effects(findings, variant),
        select_primary_effects(findings, BASELINE),
    )
    effects = [_effect(ours, question) for question in asked.questions]
    margins = [None if one is None else asked.margin(one) for one in effects]
    adjusted = holm([_p(effect) for effect in effects])
    beyond = holm([compute_p_beyond(one, at) for one, at in zip(effects, margins, strict=True)])
    return tuple(
        _answer(
            DecisionAnswer(
                question=question,
                outcome="undecided",
                reason="no result for it",
                effect=effect,
                margin=margin,
                p_adjusted=None if effect is None else p,
                p_beyond=None if effect is None or margin is None else far,
            ),
            findings=findings,
            variant=variant,
            asked=asked,
            members=_members(ours, question),
            noise=_effect(noise, question),
        )
        for question, effect, margin, p, far in zip(
            asked.questions, effects, margins, adjusted, beyond, strict=True
        )
    )


def combine_answers(found: Sequence[DecisionAnswer]) -> Outcome:
    """What all answers say: a failure before a loss, a loss before a doubt."""
    outcomes = {answer.outcome for answer in found}
    if "worse" in outcomes:
        return "worse"
    if "loss" in outcomes:
        return "loss"
    return "shown" if outcomes == {"shown"} else "undecided"


_HEAVY = 3
"""Degrees of freedom with which an interval of a metric without a range is continued outwards: what
lies beyond its ends was not seen, and may be far larger than what was."""


def compute_p_beyond(effect: Effect | None, margin: float | None) -> float:
    """Twice the one-sided p of "the loss is at most the margin"; 1 where there is no test.

    At most alpha exactly where the 1 - alpha interval lies below -margin: that of right/wrong items
    is inverted exactly (Tango's score test at -margin), a confidence sequence is taken at its own
    level, and any other is taken for Student's with its upper side's width; of metrics without a
    range with heavy tails, so that many questions ask for much more than one.
    """
    if (
        effect is None
        or margin is None
        or effect.inference.interval is None
        or effect.arms.at_floor
    ):
        return 1.0
    interval = effect.inference.interval
    if effect.counts.n_planned is not None:
        return 1 - interval.level if interval.high < -margin else 1.0
    if interval.method.startswith("Tango") and effect.counts.broke is not None:
        changed = effect.counts.broke + (effect.counts.fixed or 0)
        table = PairedTable(
            both_right=effect.counts.n_items - changed,
            broke=effect.counts.broke,
            fixed=effect.counts.fixed or 0,
            both_wrong=0,
        )
        return min(1.0, 2 * float(special.ndtr(score_statistic(table, delta=-margin))))
    df = max(
        1, min(effect.counts.n_source_items - 1, _HEAVY if effect.kind == "real" else math.inf)
    )
    error = (interval.high - effect.delta) / float(special.stdtrit(df, (1 + interval.level) / 2))
    if error <= 0:
        return 1.0
    return min(1.0, 2 * float(special.stdtr(df, (effect.delta + margin) / error)))


def _effect(effects: Sequence[Effect], question: DecisionQuestion) -> Effect | None:
    """The effect over exactly the languages of a question, not over those that are left."""
    wanted = (question.suite, set(question.languages))
    return next((one for one in effects if (one.task, set(one.languages)) == wanted), None)


def _members(effects: Sequence[Effect], question: DecisionQuestion) -> tuple[Effect, ...]:
    """The effects of a question's single languages."""
    return tuple(
        effect
        for effect in effects
        if effect.task == question.suite and effect.language in question.languages
    )


def _p(effect: Effect | None) -> float:
    return 1.0 if effect is None or effect.inference.p_value is None else effect.inference.p_value


def _answer(
    answer: DecisionAnswer,
    *,
    findings: DecisionInput,
    variant: str,
    asked: DecisionQuery,
    members: Sequence[Effect],
    noise: Effect | None,
) -> DecisionAnswer:
    """The answer with its outcome and reason."""
    doubt = _missing(findings, variant, answer.question)
    if answer.effect is None:
        return replace(answer, reason=doubt or answer.reason)
    if variant in findings.analysis.apart:
        return replace(answer, reason=findings.analysis.apart[variant])
    outcome, reason = _judge(answer, members=members, asked=asked, alpha=findings.alpha)
    doubt = doubt or _noise(noise, answer.margin)
    if outcome == "shown" and doubt is not None:
        outcome, reason = "undecided", doubt
    reason += _beside_the_page(answer.effect, outcome, len(asked.questions))
    return replace(answer, outcome=outcome, reason=reason)


def _judge(
    answer: DecisionAnswer, *, members: Sequence[Effect], asked: DecisionQuery, alpha: float
) -> tuple[Outcome, str]:
    effect, margin = answer.effect, answer.margin
    assert effect is not None  # noqa: S101  the caller looked
    narrow = effect.inference.equivalence_interval
    decision = decide(
        Evidence(
            p_value=1.0 if answer.p_adjusted is None else answer.p_adjusted,
            interval=effect.inference.interval,
            equivalence_interval=_harm_only(narrow) if asked.claim == "not-worse" else narrow,
            margin=margin,
            alpha=alpha,
            at_floor=effect.arms.at_floor,
            floor_languages=[str(one.language) for one in members if one.arms.at_floor],
            lost_share=_lost_share(members),
            has_range=effect.kind != "real",
            withheld=effect.decision.withheld,
            fewest_units=effect.counts.fewest_units if margin == effect.decision.margin else None,
            units=effect.counts.n_source_items,
        )
    )
    if decision.verdict == "equivalent":
        return "shown", decision.reason
    if answer.p_beyond is not None and answer.p_beyond <= alpha and margin is not None:
        return "worse", f"a loss of more than {size(margin, effect.unit)} is shown"
    if decision.verdict == "worse":
        return "loss", "a loss is shown; whether it is beyond the margin is open"
    if decision.verdict == "better":
        return "undecided", "a gain is shown, but not that it is within the margin"
    return "undecided", decision.reason


def _beside_the_page(effect: Effect, outcome: Outcome, asked: int) -> str:
    """Said where an answer and the page's row differ by the family alone."""
    here, there = outcome in ("worse", "loss"), effect.decision.verdict == "worse"
    if here == there or effect.inference.family is None or outcome == "shown":
        return ""
    if here:
        return f"; the report's family is larger than the {asked} asked here, and does not show it"
    return f"; the report's family is smaller than the {asked} asked here, and shows a loss"


def _harm_only(interval: Interval | None) -> Interval | None:
    """The interval as non-inferiority sees it: gains are no question.

    Inside ±margin exactly when the interval's lower end lies above -margin.
    """
    return interval and replace(interval, low=min(interval.low, 0.0), high=0.0)


def _lost_share(members: Sequence[Effect]) -> float:
    """Mean over languages of the share of items that failed under the variant alone."""
    shares = [one.counts.n_lost / (one.counts.n_items + one.counts.n_lost) for one in members]
    return sum(shares) / len(shares) if shares else 0.0


def _missing(findings: DecisionInput, variant: str, question: DecisionQuestion) -> str | None:
    found = (
        explain_missing(findings, (variant, question.suite, language))
        for language in question.languages
    )
    return next((reason for reason in found if reason is not None), None)


def _noise(noise: Effect | None, margin: float | None) -> str | None:
    """The baseline against itself moves by more than the margin."""
    if noise is None or margin is None or abs(noise.delta) <= margin:
        return None
    return f"the baseline run twice differs by {size(abs(noise.delta), noise.unit)}: noise"


# --- a variant, over everything the report asks ------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a report says of a variant: every sentence about it follows from this."""

    variant: str
    verdict: Verdict
    """worse: a harm is shown; equivalent: every question is shown; else undecided. Never better:
    a gain somewhere is no verdict on a variant."""
    level: Level | None
    """Of a "worse": confirmed if some harm is, else family."""
    confirmed: tuple[Effect, ...]
    """Harms shown at the error rate of the whole report: means over all languages first, then
    languages, each by its size in margins."""
    in_family: tuple[Effect, ...]
    """Harms shown in their family alone; language groups are always here."""
    worst_shown: Effect | None
    """The largest harm shown in a language, confirmed before family; None where none is."""
    largest_estimate: Effect | None
    """The most negative difference of a language, shown or not; None where none is negative."""
    equivalent_in_the_mean: bool
    """On every suite the mean over all languages asked is equivalent, and none has no result."""
    answers: tuple[DecisionAnswer, ...]
    """One a suite and language that the report asks of the variant."""
    smoke: bool
    apart: str | None = None
    """Why nothing is decided, though it has effects: engine and server differ; None: it may be."""
    reasons: tuple[str, ...]
    """Why the verdict is no "equivalent", most frequent first; empty where it is."""

    @property
    def harms(self) -> tuple[Effect, ...]:
        """All harms shown, confirmed ones first."""
        return (*self.confirmed, *self.in_family)

    @property
    def unanswered(self) -> int:
        """Questions without a result."""
        return sum(one.effect is None for one in self.answers)

    def count(self, outcome: Outcome) -> int:
        """How many answers have an outcome."""
        return sum(one.outcome == outcome for one in self.answers)


def decide_all(findings: DecisionInput) -> tuple[Decision, ...]:
    """One decision a variant of the study, whether it has a result or not, in the study's order."""
    if not findings.suites:
        return ()
    asked = ask(findings)
    return tuple(_decide(findings, variant, asked) for variant in findings.variants)


def _decide(findings: DecisionInput, variant: str, asked: DecisionQuery) -> Decision:
    smoke = findings.analysis.smoke
    answered = answer_questions(findings, variant, asked)
    effects = select_primary_effects(findings, variant)
    harms = () if smoke else [one for one in effects if one.decision.level is not None]
    confirmed = sorted((one for one in harms if one.decision.level == "confirmed"), key=_by_weight)
    family = sorted((one for one in harms if one.decision.level == "family"), key=_by_weight)
    languages = sorted((one for one in effects if one.scope == "language"), key=_in_margins)
    shown = [one for one in (*confirmed, *family) if one.scope == "language"]
    verdict: Verdict = "undecided"
    if confirmed or family:
        verdict = "worse"
    elif combine_answers(answered) == "shown" and not smoke:
        verdict = "equivalent"
    return Decision(
        variant=variant,
        verdict=verdict,
        level="confirmed" if confirmed else "family" if family else None,
        confirmed=tuple(confirmed),
        in_family=tuple(family),
        worst_shown=min(shown, key=_in_margins) if shown else None,
        largest_estimate=languages[0] if languages and languages[0].delta < 0 else None,
        equivalent_in_the_mean=not smoke and _equivalent_in_the_mean(findings, effects, answered),
        answers=answered,
        smoke=smoke,
        apart=findings.analysis.apart.get(variant),
        reasons=(SMOKE,) if smoke else () if verdict == "equivalent" else _reasons(answered),
    )


def _equivalent_in_the_mean(
    findings: DecisionInput, effects: Sequence[Effect], found: Sequence[DecisionAnswer]
) -> bool:
    """An intersection-union claim over suites, each at alpha; groups' means are not asked."""
    asked = {suite: set(languages) for suite, languages in findings.languages.items() if languages}
    shown = {
        one.task
        for one in effects
        if one.decision.verdict == "equivalent" and set(one.languages) == asked.get(one.task)
    }
    return shown == set(asked) and all(one.effect is not None for one in found)


def _reasons(found: Sequence[DecisionAnswer]) -> tuple[str, ...]:
    counts: dict[str, int] = {}
    for one in found:
        if one.outcome != "shown":
            counts[one.reason] = counts.get(one.reason, 0) + 1
    return tuple(sorted(counts, key=lambda reason: -counts[reason]))


_SCOPES: Mapping[str, int] = {"all": 0, "language": 1, "group": 2}


def _by_weight(effect: Effect) -> tuple[int, tuple[bool, float]]:
    """Pooled effects lead, languages follow; the largest loss first."""
    return _SCOPES[effect.scope], _in_margins(effect)


def _in_margins(effect: Effect) -> tuple[bool, float]:
    """Losses of different units by their size in margins; those without one after them."""
    return effect.decision.margin is None, effect.delta / (effect.decision.margin or 1.0)
