"""Whether a variant is shown to be no worse than the margin, in everything that is asked.

* *shown*: every question is shown. An intersection-union claim: each at alpha, no correction
  (Berger & Hsu 1996, Statistical Science 11:283).
* *worse*: a loss is shown in some question, p adjusted by Holm over the questions asked, and it is
  not shown to be within the margin.
* *undecided*: anything else. A missing, damaged or unpaired cell, a baseline at its floor, noise
  beyond the margin, and a smoke run can never pass.

Each question is judged by `verdicts.decide`, the rule of the report. Harm is negative.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from babelbits.compare.asked import Asked, Question
from babelbits.compare.cells import BASELINE
from babelbits.compare.findings import Findings, primary_effects, why_missing
from babelbits.compare.format import size
from babelbits.compare.verdicts import Evidence, decide
from babelbits.records import Effect, Interval
from babelbits.stats.multiplicity import holm

Outcome = Literal["shown", "worse", "undecided"]

SMOKE = "this is a SMOKE run: nothing in it is a result"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the data say to one question."""

    question: Question
    outcome: Outcome
    reason: str
    effect: Effect | None
    """None where there is no result."""
    margin: float | None
    """In the metric's unit."""
    p_adjusted: float | None
    """Holm over the questions asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A variant and the answers to everything that was asked of it."""

    variant: str
    outcome: Outcome
    answers: tuple[Answer, ...]
    smoke: bool

    def of(self, outcome: Outcome) -> tuple[Answer, ...]:
        """The answers with this outcome."""
        return tuple(answer for answer in self.answers if answer.outcome == outcome)


def gate(findings: Findings, variant: str, asked: Asked) -> Gate:
    """Answer every question, and all together.

    Parameters
    ----------
    variant : str
        Label of a variant that the study has.
    """
    ours, noise = primary_effects(findings, variant), primary_effects(findings, BASELINE)
    effects = [_effect(ours, question) for question in asked.questions]
    adjusted = holm([_p(effect) for effect in effects])
    answers = tuple(
        _answer(
            question, effect, findings=findings, variant=variant, asked=asked,
            p_adjusted=p, members=_members(ours, question), noise=_effect(noise, question),
        )
        for question, effect, p in zip(asked.questions, effects, adjusted, strict=True)
    )  # fmt: skip
    smoke = findings.analysis.smoke
    return Gate(
        variant=variant,
        outcome="undecided" if smoke else _together(answers),
        answers=answers,
        smoke=smoke,
    )


def _together(answers: Sequence[Answer]) -> Outcome:
    found = {answer.outcome for answer in answers}
    if "worse" in found:
        return "worse"
    return "shown" if found == {"shown"} else "undecided"


def _effect(effects: Sequence[Effect], question: Question) -> Effect | None:
    """The effect over exactly the languages of a question, not over those that are left."""
    wanted = (question.suite, set(question.languages))
    return next((one for one in effects if (one.task, set(one.languages)) == wanted), None)


def _members(effects: Sequence[Effect], question: Question) -> tuple[Effect, ...]:
    """The effects of a question's single languages."""
    return tuple(
        effect
        for effect in effects
        if effect.task == question.suite and effect.language in question.languages
    )


def _p(effect: Effect | None) -> float:
    return 1.0 if effect is None or effect.p_value is None else effect.p_value


def _answer(
    question: Question,
    effect: Effect | None,
    *,
    findings: Findings,
    variant: str,
    asked: Asked,
    p_adjusted: float,
    members: Sequence[Effect],
    noise: Effect | None,
) -> Answer:
    doubt = _missing(findings, variant, question)
    if effect is None:
        reason = doubt or "no result for it"
        return Answer(
            question=question, outcome="undecided", reason=reason, effect=None, margin=None,
            p_adjusted=None,
        )  # fmt: skip
    margin = asked.margin(effect)
    outcome, reason = _judge(
        effect, members=members, margin=margin, p_adjusted=p_adjusted, asked=asked,
        alpha=findings.alpha,
    )  # fmt: skip
    doubt = doubt or _noise(noise, margin)
    if outcome == "shown" and doubt is not None:
        outcome, reason = "undecided", doubt
    return Answer(
        question=question, outcome=outcome, reason=reason, effect=effect, margin=margin,
        p_adjusted=p_adjusted,
    )  # fmt: skip


def _judge(
    effect: Effect,
    *,
    members: Sequence[Effect],
    margin: float | None,
    p_adjusted: float,
    asked: Asked,
    alpha: float,
) -> tuple[Outcome, str]:
    narrow = effect.equivalence_interval
    decision = decide(
        Evidence(
            p_value=p_adjusted,
            interval=effect.interval,
            equivalence_interval=_harm_only(narrow) if asked.claim == "not-worse" else narrow,
            margin=margin,
            alpha=alpha,
            at_floor=effect.at_floor,
            floor_languages=[str(one.language) for one in members if one.at_floor],
            lost_share=_lost_share(members),
            has_range=effect.kind != "real",
            withheld=effect.withheld,
            fewest_units=effect.fewest_units if margin == effect.margin else None,
            units=effect.n_source_items,
        )
    )
    if decision.verdict == "equivalent":
        return "shown", decision.reason
    if decision.verdict == "worse":
        return "worse", decision.reason
    if decision.verdict == "better":
        return "undecided", "a gain is shown, and not that it is within the margin"
    return "undecided", decision.reason


def _harm_only(interval: Interval | None) -> Interval | None:
    """The interval as non-inferiority sees it: gains are no question.

    Inside ±margin exactly when the interval's lower end lies above -margin.
    """
    return interval and replace(interval, low=min(interval.low, 0.0), high=0.0)


def _lost_share(members: Sequence[Effect]) -> float:
    """Mean over languages of the share of items that failed under the variant alone."""
    shares = [one.n_lost / (one.n_items + one.n_lost) for one in members]
    return sum(shares) / len(shares) if shares else 0.0


def _missing(findings: Findings, variant: str, question: Question) -> str | None:
    found = (
        why_missing(findings, (variant, question.suite, language))
        for language in question.languages
    )
    return next((reason for reason in found if reason is not None), None)


def _noise(noise: Effect | None, margin: float | None) -> str | None:
    """The baseline against itself moves by more than the margin."""
    if noise is None or margin is None or abs(noise.delta) <= margin:
        return None
    return f"the baseline run twice differs by {size(abs(noise.delta), noise.unit)}: noise"
