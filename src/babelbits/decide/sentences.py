"""Answers in words: what was claimed and where, what was seen, what is open.

Commands, notebooks and the page say the same. Nothing is decided here: see `decision`. A loss is a
negative change.
"""

from collections.abc import Mapping, Sequence

from babelbits.analysis import format as shown
from babelbits.decide.decision import DecisionAnswer, Outcome
from babelbits.decide.decision_query import DecisionQuery
from babelbits.words import listed, plural

NAMED = 3
"""Places that a sentence names."""
LONG_LIST = 8
"""More languages than this are counted, not named."""
GLYPHS = {"shown": "✓", "worse": "✗", "loss": "▼", "undecided": "?"}
WORDS: Mapping[Outcome, str] = {
    "shown": "pass",
    "worse": "fail",
    "loss": "loss shown, size open",
    "undecided": "undecided",
}
"""The four answers, as people read them; in JSON they keep their short names."""


def describe_claim(answers: Sequence[DecisionAnswer], asked: DecisionQuery) -> str:
    """'not worse than the baseline by 2 points or more', 'equivalent to it within ±2 points'."""
    sizes = [
        shown.size(one.margin, one.effect.unit)
        for one in answers
        if one.effect is not None and one.margin is not None
    ]
    margin = listed(list(dict.fromkeys(sizes))) or "the margin"
    if asked.claim == "equivalent":
        return f"equivalent to the baseline within ±{margin}"
    return f"not worse than the baseline by {margin} or more"


def describe_open_questions(answers: Sequence[DecisionAnswer], *, limit: int) -> str:
    """Places by what stands against them: 'math in en and sw (at floor); pairs in ja (...)'."""
    places: dict[str, dict[str, list[str]]] = {}
    for one in answers:
        places.setdefault(one.reason, {}).setdefault(one.question.suite, []).append(
            one.question.where
        )
    link = (
        " in "
        if all(one.question.where in one.question.languages for one in answers)
        else ", mean of "
    )
    parts = []
    for reason, suites in places.items():
        where = [f"{suite}{link}{_listed(names)}" for suite, names in suites.items()]
        parts.append(f"{listed(where)} ({reason})")
    more = [f"and {plural(len(parts) - limit, 'other reason')}"] if len(parts) > limit else []
    return "; ".join([*parts[:limit], *more])


def _listed(names: Sequence[str]) -> str:
    return listed(names) if len(names) <= LONG_LIST else plural(len(names), "language")


def describe_place(answer: DecisionAnswer) -> str:
    """'math in ja', 'math, mean of non-latin'."""
    one = answer.question
    if one.where in one.languages:
        return f"{one.suite} in {one.where}"
    return f"{one.suite}, mean of {one.where}"


def describe_scope(asked: DecisionQuery) -> str:
    """'math and pairs in en, hi and ja'."""
    suites = list(dict.fromkeys(one.suite for one in asked.questions))
    places = list(dict.fromkeys(one.where for one in asked.questions))
    if asked.pooled:
        return f"{listed(suites)}, mean of {listed(places)}"
    return f"{listed(suites)} in {_listed(places)}"


def describe_family(asked: DecisionQuery) -> str:
    """Which family a gate declared: 'Holm over the 11 questions asked'."""
    count = len(asked.questions)
    if count == 1:
        return "one question, no adjustment"
    return f"Holm over the {plural(count, 'question')} asked"


def describe_evidence(answer: DecisionAnswer) -> str:
    """'−8.1 points (95 % interval −12.0 to −4.5)', or '' without a result."""
    effect = answer.effect
    if effect is None:
        return ""
    text = shown.amount(effect.delta, effect.unit)
    if effect.inference.interval is None:
        return text
    found = shown.interval(effect.inference.interval, effect.unit)
    level = shown.percent(effect.inference.interval.level, digits=0)
    return f"{text} ({level} interval {found})"
