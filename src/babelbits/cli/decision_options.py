"""Options and tables that `gate` and `recommend` share: what is asked, and what was answered."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from babelbits.cli.early_stopping import early_stopping_option
from babelbits.errors import StudyError

if TYPE_CHECKING:
    from babelbits.analysis.tables import Row
    from babelbits.decide.decision_input import DecisionInput
    from babelbits.decide.decision_query import DecisionQuery
    from babelbits.decide.gate import DecisionAnswer, Gate

_Function = TypeVar("_Function", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--languages", "-l", multiple=True, metavar="CODES",
        help="Languages in any usual form, e.g. 'ja,swh_Latn'. All of the study unless named.",
    ),
    click.option("--group", help="A group's languages, e.g. 'non-latin', or one of the study's."),
    click.option("--suite", "suites", multiple=True, help="Task, e.g. 'mgsm'; may be repeated."),
    click.option(
        "--margin", "margins", multiple=True, metavar="POINTS|NAME=SIZE",
        help="Loss that would not matter: points, or e.g. text=0.02 for a task or a unit. "
        "The study's unless given.",
    ),
    click.option(
        "--claim", type=click.Choice(["not-worse", "equivalent"]), default="not-worse",
        show_default=True,
        help="not-worse: no loss of the margin or more. equivalent: no such gain either.",
    ),
    click.option(
        "--pooled", is_flag=True,
        help="Ask about the mean over the group, or all languages. It can hide a language's harm.",
    ),
    click.option("--smoke", is_flag=True, help="Read the folder's smoke run: decides nothing."),
    early_stopping_option("Read the run whose cells stop early."),
    click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout."),
)  # fmt: skip


def scope_options(function: _Function) -> _Function:
    """The options that say what is asked."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def read_query(
    findings: "DecisionInput",
    *,
    languages: Sequence[str],
    group: str | None,
    suites: Sequence[str],
    margins: Sequence[str],
    claim: str,
    pooled: bool,
) -> "DecisionQuery":
    """The options as a question to the findings.

    Raises
    ------
    StudyError
        If the parts do not go together; `UnknownNameError` for names that the study does not have.
    """
    from babelbits.decide.decision_query import ask, read_margins

    codes = split_list(languages)
    if languages and not codes:
        raise StudyError("--languages names no language", hint="e.g. --languages ja,sw")
    return ask(
        findings,
        languages=codes,
        group=group,
        suites=split_list(suites),
        pooled=pooled,
        claim="equivalent" if claim == "equivalent" else "not-worse",
        margins=read_margins(margins, findings),
    )


def split_list(texts: Sequence[str]) -> list[str]:
    """Names in options that may be repeated, and hold several with commas or spaces."""
    return [name for text in texts for name in text.replace(",", " ").split()]


# --- answers for people ------------------------------------------------------------------------


def answer_columns(alpha: float) -> tuple[str, ...]:
    """Heads of `answer_rows`; the interval is the one that a margin is held against."""
    head = f"{100 * (1 - 2 * alpha):.3g} % interval"
    return "outcome", "task", "where", "change", head, "why"


def answer_rows(answers: Sequence["DecisionAnswer"]) -> list[tuple[str, ...]]:
    """A row an answer."""
    from babelbits.analysis import format as shown
    from babelbits.decide.sentences import GLYPHS, WORDS

    rows: list[tuple[str, ...]] = []
    for one in answers:
        effect = one.effect
        rows.append(
            (
                f"{GLYPHS[one.outcome]} {WORDS[one.outcome]}",
                one.question.suite,
                one.question.where,
                shown.NOTHING if effect is None else shown.amount(effect.delta, effect.unit),
                shown.NOTHING if effect is None else _narrow(one),
                one.reason,
            )
        )
    return rows


def _narrow(answer: "DecisionAnswer") -> str:
    """The 1 - 2 alpha interval, which is what a margin is held against."""
    from babelbits.analysis import format as shown

    effect = answer.effect
    return (
        shown.NOTHING
        if effect is None
        else shown.interval(effect.inference.equivalence_interval, effect.unit)
    )


# --- answers for machines ----------------------------------------------------------------------


def make_asked_object(asked: "DecisionQuery") -> "dict[str, Any]":
    """What was asked, as JSON."""
    return {
        "claim": asked.claim,
        "pooled": asked.pooled,
        "questions": [
            {"suite": one.suite, "where": one.where, "languages": list(one.languages)}
            for one in asked.questions
        ],
        "not_in_the_study": list(asked.not_there),
    }


def make_gate_object(gate: "Gate") -> "dict[str, Any]":
    """A gate and its answers as JSON."""
    return {
        "variant": gate.variant,
        "outcome": gate.outcome,
        "smoke": gate.smoke,
        "answers": [answer_object(one) for one in gate.answers],
    }


def answer_object(answer: "DecisionAnswer") -> "Row":
    """One answer, numbers in the metric's own unit."""
    effect = answer.effect
    numbers: Row = {}
    if effect is not None:
        wide, narrow = effect.inference.interval, effect.inference.equivalence_interval
        numbers = {
            "metric": effect.metric,
            "unit": effect.unit,
            "n_items": effect.counts.n_items,
            "delta": effect.delta,
            "low": None if wide is None else wide.low,
            "high": None if wide is None else wide.high,
            "equivalence_low": None if narrow is None else narrow.low,
            "equivalence_high": None if narrow is None else narrow.high,
            "p": effect.inference.p_value,
        }
    return {
        "suite": answer.question.suite,
        "where": answer.question.where,
        "outcome": answer.outcome,
        "reason": answer.reason,
        "margin": answer.margin,
        "p_adjusted": answer.p_adjusted,
        "p_beyond_margin": answer.p_beyond,
        "level": None if effect is None else effect.decision.level,
        **numbers,
    }
