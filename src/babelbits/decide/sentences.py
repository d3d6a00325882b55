"""What is said of a gate and of a recommendation: one sentence, and what stands against a variant.

Commands, notebooks and the page say the same. Nothing is decided here: see `decision`. A loss is a
negative change.
"""

from collections.abc import Mapping, Sequence

from babelbits.analysis import format as shown
from babelbits.decide.decision import SMOKE, DecisionAnswer, Outcome
from babelbits.decide.decision_query import DecisionQuery
from babelbits.decide.gate import Gate
from babelbits.decide.power_planning import units
from babelbits.decide.recommend import (
    Candidate,
    ItemsToDecide,
    Recommendation,
    count_items_to_decide,
)
from babelbits.words import bytes_size, listed, plural

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


def claim_words(gate: Gate, asked: DecisionQuery) -> str:
    """'not worse than the baseline by 2 points or more', 'equivalent to it within ±2 points'."""
    sizes = [
        shown.size(one.margin, one.effect.unit)
        for one in gate.answers
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


def place(answer: DecisionAnswer) -> str:
    """'math in ja', 'math, mean of non-latin'."""
    one = answer.question
    if one.where in one.languages:
        return f"{one.suite} in {one.where}"
    return f"{one.suite}, mean of {one.where}"


def scope_words(asked: DecisionQuery) -> str:
    """'math and pairs in en, hi and ja'."""
    suites = list(dict.fromkeys(one.suite for one in asked.questions))
    places = list(dict.fromkeys(one.where for one in asked.questions))
    if asked.pooled:
        return f"{listed(suites)}, mean of {listed(places)}"
    return f"{listed(suites)} in {_listed(places)}"


def family_words(asked: DecisionQuery) -> str:
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


def describe_items_to_decide(way: ItemsToDecide | None, answer: DecisionAnswer) -> str:
    """'about 2,141 items would show it ...', or why no number of items would."""
    effect = answer.effect
    if effect is None:
        return "run it"
    if effect.arms.at_floor:
        return "cannot be decided with this benchmark"
    if answer.margin is None:
        return "needs a margin (--margin)"
    if effect.decision.withheld is not None:
        return f"more items would not help: {effect.decision.withheld}"
    if way is None:
        return "the number of items needed cannot be estimated"

    have, show = units(effect), way.to_show
    unit = "items" if effect.scope == "language" else "source items"
    about = "at least" if show.at_least else "about"
    words = _items_words(have, show.items, about, unit)
    if way.to_show_all is not None:
        times = f"{way.to_show_all.items / have:.1f} ×"
        words = f"{words}; for all questions together about {way.to_show_all.items:,} ({times})"
    if way.to_fail is None:
        return words
    times = f"{way.to_fail / have:.1f} ×"
    return f"{words}; {way.to_fail:,} would show the loss if it is real ({times})"


def _items_words(have: int, needed: int, about: str, unit: str) -> str:
    """Never fewer items than there are: those did not show it."""
    if needed <= have:
        return f"enough {unit} for this question alone if nothing is truly lost"
    times = f"{needed / have:.1f} × the {have:,} here"
    return f"{about} {needed:,} {unit} would show it if nothing is truly lost ({times})"


def gate_sentence(gate: Gate, asked: DecisionQuery) -> str:
    """The verdict of a gate."""
    head = f"{WORDS[gate.outcome]}: {gate.variant}"
    if gate.smoke:
        return f"{head}: {SMOKE}"
    total = len(gate.answers)
    if gate.outcome == "shown":
        return f"{head} is shown to be {claim_words(gate, asked)}: {scope_words(asked)}"
    if gate.outcome in ("worse", "loss"):
        losses = sorted(
            gate.of(gate.outcome), key=lambda one: one.effect.delta if one.effect else 0.0
        )
        named = "; ".join(f"{place(one)} {describe_evidence(one)}" for one in losses[:NAMED])
        more = f"; and {len(losses) - NAMED} more" if len(losses) > NAMED else ""
        what = "loses more than the margin" if gate.outcome == "worse" else "loses something"
        return f"{head} {what} in {len(losses)} of {total}: {named}{more}"
    open_ones = describe_open_questions(gate.of("undecided"), limit=NAMED)
    if not gate.of("shown"):
        return f"{head} is shown nowhere to be {claim_words(gate, asked)}: {open_ones}"
    where = f"in {len(gate.of('shown'))} of {total}"
    return f"{head} is shown to be {claim_words(gate, asked)} {where} only; open: {open_ones}"


def recommendation_sentence(choice: Recommendation, asked: DecisionQuery) -> str:
    """What is recommended, or why nothing is."""
    if choice.smoke:
        return f"none: {SMOKE}"
    if choice.chosen is not None:
        share = ""
        if choice.baseline is not None and choice.chosen.size is not None:
            ratio = choice.chosen.size.bytes_on_disk / choice.baseline.bytes_on_disk
            share = f", {shown.percent(ratio, digits=0)} of the baseline"
        which = "the smallest variant" if choice.any_passing else "the last variant in order"
        return (
            f"{choice.chosen.variant} ({_size(choice.chosen)}{share}): {which} that is "
            f"shown to be {claim_words(choice.chosen.gate, asked)}: {scope_words(asked)}"
        )
    if choice.nearest is None:
        return "none: the study has no variant beside its baseline"
    near = choice.nearest
    words = claim_words(near.gate, asked)
    total = len(near.gate.answers)
    passing = [one.variant for one in choice.candidates if one.passes and one.in_order]
    if passing and choice.stopped_at is not None:
        return (
            f"none: {choice.stopped_at.variant}, first in the order, is not shown to be {words}: "
            f"{scope_words(asked)}; --any takes the smallest that passes"
        )
    counts = ", ".join(
        f"{word} in {near.count(outcome)}" for outcome, word in WORDS.items() if outcome != "shown"
    )
    return (
        f"none: no variant is shown to be {words}: {scope_words(asked)}; nearest is {near.variant} "
        f"(pass in {near.count('shown')} of {total}, {counts})"
    )


def list_reasons(one: Candidate, asked: DecisionQuery, *, alpha: float) -> list[str]:
    """Every reason against a variant, weightiest first."""
    lines = []
    if one.larger:
        lines.append("not smaller than the baseline")
    if one.size is None:
        lines.append("its size is unknown: no manifest")
    worse = sorted(one.gate.of("worse"), key=lambda answer: answer.effect.delta)  # type: ignore[union-attr]  # worse has one
    lines += [f"fail: {place(answer)} {describe_evidence(answer)}" for answer in worse]
    answers, open_ways = (
        one.gate.answers,
        count_items_to_decide(one.gate, asked, alpha=alpha, correlation=one.correlation),
    )
    order = sorted(
        open_ways, key=lambda index: (answers[index].outcome != "loss", -_delta_size(one, index))
    )
    for index in order:
        one_answer = answers[index]
        shown_there = f"{place(one_answer)} {describe_evidence(one_answer)}".rstrip()
        what = f"{WORDS[one_answer.outcome]}: {shown_there}"
        lines.append(
            f"{what}: {one_answer.reason}; {describe_items_to_decide(open_ways[index], one_answer)}"
        )
    return lines


def _delta_size(one: Candidate, index: int) -> float:
    """Loss in margins, so that units can be compared; 0 where there is none."""
    answer = one.gate.answers[index]
    if answer.effect is None or not answer.margin:
        return 0.0
    return -answer.effect.delta / answer.margin


def _size(one: Candidate) -> str:
    return bytes_size(None if one.size is None else one.size.bytes_on_disk)
