"""Whether a variant is shown to be no worse than the margin, in everything that is asked.

A gate declares its own family: the questions asked of it, however many the study has. Each is
answered by `decision.answers`, the rule of the report. Only *shown* passes:

* *shown*: every question is shown, each at alpha;
* *worse*: in some question a loss beyond the margin is shown, after Holm over the questions;
* *loss*: in some question a loss is shown, and its size is open;
* *undecided*: anything else. A missing, damaged or unpaired cell, a baseline at its floor, noise
  beyond the margin, and a smoke run can never pass.

Harm is negative.
"""

from dataclasses import dataclass

from babelbits.decide.decision import (
    SMOKE,
    DecisionAnswer,
    Outcome,
    answer_questions,
    combine_answers,
)
from babelbits.decide.decision_input import DecisionInput
from babelbits.decide.decision_query import DecisionQuery
from babelbits.decide.sentences import (
    GLYPHS,
    NAMED,
    WORDS,
    describe_claim,
    describe_evidence,
    describe_open_questions,
    describe_place,
    describe_scope,
)
from babelbits.words import html_table

__all__ = ["SMOKE", "DecisionAnswer", "Gate", "Outcome", "answer_gate", "describe_gate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A variant and the answers to everything that was asked of it."""

    variant: str
    outcome: Outcome
    answers: tuple[DecisionAnswer, ...]
    smoke: bool
    query: DecisionQuery | None = None
    """What was asked."""

    def __str__(self) -> str:
        """The sentence that the command prints."""
        return self.variant if self.query is None else describe_gate(self, self.query)

    def __repr__(self) -> str:
        """The sentence: all that it rests on would fill a screen."""
        return f"<Gate {self}>"

    def _repr_html_(self) -> str:
        """The sentence and every answer, for notebooks."""
        rows = [
            (
                f"{GLYPHS[one.outcome]} {WORDS[one.outcome]}",
                describe_place(one),
                describe_evidence(one),
                one.reason,
            )
            for one in self.answers
        ]
        heads = ("outcome", "where", "change", "why")
        return html_table(heads, rows, caption=str(self), numeric=heads[2:3])

    def of(self, outcome: Outcome) -> tuple[DecisionAnswer, ...]:
        """The answers with this outcome."""
        return tuple(answer for answer in self.answers if answer.outcome == outcome)


def answer_gate(findings: DecisionInput, variant: str, asked: DecisionQuery) -> Gate:
    """Answer every question, and all together.

    Parameters
    ----------
    variant : str
        Label of a variant that the study has.
    """
    answered = answer_questions(findings, variant, asked)
    smoke = findings.analysis.smoke
    return Gate(
        variant=variant,
        outcome="undecided" if smoke else combine_answers(answered),
        answers=answered,
        smoke=smoke,
        query=asked,
    )


def describe_gate(gate: Gate, asked: DecisionQuery) -> str:
    """The verdict of a gate."""
    head = f"{WORDS[gate.outcome]}: {gate.variant}"
    if gate.smoke:
        return f"{head}: {SMOKE}"
    total = len(gate.answers)
    if gate.outcome == "shown":
        return (
            f"{head} is shown to be {describe_claim(gate.answers, asked)}: {describe_scope(asked)}"
        )
    if gate.outcome in ("worse", "loss"):
        losses = sorted(
            gate.of(gate.outcome), key=lambda one: one.effect.delta if one.effect else 0.0
        )
        named = "; ".join(
            f"{describe_place(one)} {describe_evidence(one)}" for one in losses[:NAMED]
        )
        more = f"; and {len(losses) - NAMED} more" if len(losses) > NAMED else ""
        what = "loses more than the margin" if gate.outcome == "worse" else "loses something"
        return f"{head} {what} in {len(losses)} of {total}: {named}{more}"
    open_ones = describe_open_questions(gate.of("undecided"), limit=NAMED)
    if not gate.of("shown"):
        return f"{head} is shown nowhere to be {describe_claim(gate.answers, asked)}: {open_ones}"
    where = f"in {len(gate.of('shown'))} of {total}"
    claim = describe_claim(gate.answers, asked)
    return f"{head} is shown to be {claim} {where} only; open: {open_ones}"
