"""Options and tables that `gate` and `recommend` share: what is asked, and what was answered."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from babelbits.errors import StudyError
from babelbits.words import plural

if TYPE_CHECKING:
    from babelbits.analysis.tables import Row
    from babelbits.decide.decision import Outcome
    from babelbits.decide.decision_input import DecisionInput
    from babelbits.decide.decision_query import DecisionQuery
    from babelbits.decide.gate import DecisionAnswer, Gate
    from babelbits.decide.recommend import Way

_Function = TypeVar("_Function", bound=Callable[..., Any])

LONG_LIST = 8
"""More languages than this are counted, not named."""
GLYPHS = {"shown": "✓", "worse": "✗", "loss": "▼", "undecided": "?"}
WORDS: "Mapping[Outcome, str]" = {
    "shown": "pass",
    "worse": "fail",
    "loss": "loss shown, size open",
    "undecided": "undecided",
}
"""The four answers, as people read them; in JSON they keep their short names."""

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
    click.option("--stop", is_flag=True, help="Read the run whose cells stop early."),
    click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout."),
)  # fmt: skip


def scope_options(function: _Function) -> _Function:
    """The options that say what is asked."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def asked(
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
    from babelbits.decide.decision_query import ask

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


def read_margins(texts: Sequence[str], findings: "DecisionInput") -> Mapping[str, float]:
    """'2' to 0.02 for scores in points, 'text=0.02' to 0.02 in the task's own unit.

    Raises
    ------
    StudyError
        If a text is no number.
    """
    found = {}
    for text in texts:
        name, equals, size = text.rpartition("=")
        name = name if equals else "fraction"
        unit = findings.primary[name].unit if name in findings.primary else name
        try:
            found[name] = float(size) / (100 if unit == "fraction" else 1)
        except ValueError:
            raise StudyError(
                f"--margin {text!r} is no margin",
                hint="--margin 2 means 2 points; --margin text=0.02 is in the task's own unit",
            ) from None
    return found


# --- answers for people ------------------------------------------------------------------------


def claim_words(gate: "Gate", asked: "DecisionQuery") -> str:
    """'not worse than the baseline by 2 points or more', 'equivalent to it within ±2 points'."""
    from babelbits.analysis.format import size
    from babelbits.report.phrases import listed

    sizes = [
        size(one.margin, one.effect.unit)
        for one in gate.answers
        if one.effect is not None and one.margin is not None
    ]
    margin = listed(list(dict.fromkeys(sizes))) or "the margin"
    if asked.claim == "equivalent":
        return f"equivalent to the baseline within ±{margin}"
    return f"not worse than the baseline by {margin} or more"


def doubts(answers: Sequence["DecisionAnswer"], *, limit: int) -> str:
    """Places by what stands against them: 'math in en and sw (at floor); pairs in ja (...)'."""
    from babelbits.report.phrases import listed

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
    from babelbits.report.phrases import listed

    return listed(names) if len(names) <= LONG_LIST else plural(len(names), "language")


def place(answer: "DecisionAnswer") -> str:
    """'math in ja', 'math, mean of non-latin'."""
    one = answer.question
    if one.where in one.languages:
        return f"{one.suite} in {one.where}"
    return f"{one.suite}, mean of {one.where}"


def scope_words(asked: "DecisionQuery") -> str:
    """'math and pairs in en, hi and ja'."""
    from babelbits.report.phrases import listed

    suites = list(dict.fromkeys(one.suite for one in asked.questions))
    places = list(dict.fromkeys(one.where for one in asked.questions))
    if asked.pooled:
        return f"{listed(suites)}, mean of {listed(places)}"
    return f"{listed(suites)} in {_listed(places)}"


def family_words(asked: "DecisionQuery") -> str:
    """Which family a gate declared: 'Holm over the 11 questions asked'."""
    count = len(asked.questions)
    if count == 1:
        return "one question asked, nothing to adjust for"
    return f"Holm over the {plural(count, 'question')} asked"


def evidence(answer: "DecisionAnswer") -> str:
    """'−8.1 points (95 % interval −12.0 to −4.5)', or '' without a result."""
    from babelbits.analysis import format as shown

    effect = answer.effect
    if effect is None:
        return ""
    text = shown.amount(effect.delta, effect.unit)
    if effect.interval is None:
        return text
    found = shown.interval(effect.interval, effect.unit)
    level = shown.percent(effect.interval.level, digits=0)
    return f"{text} ({level} interval {found})"


def way_words(way: "Way | None", answer: "DecisionAnswer") -> str:
    """'about 2,141 items would show it ...', or why no number of items would."""
    effect = answer.effect
    if effect is None:
        return "run it"
    if effect.at_floor:
        return "cannot be decided with this benchmark"
    if answer.margin is None:
        return "needs a margin (--margin)"
    if effect.withheld is not None:
        return f"items would not: {effect.withheld}"
    if way is None:
        return "how many items it takes cannot be told"
    from babelbits.decide.power_planning import units

    have, show = units(effect), way.to_show
    unit = "items" if effect.scope == "language" else "source items"
    about = "at least" if show.at_least else "about"
    words = _show_words(have, show.items, about, unit)
    if way.to_show_all is not None:
        times = f"{way.to_show_all.items / have:.1f} ×"
        words = f"{words}; for all questions together about {way.to_show_all.items:,} ({times})"
    if way.to_fail is None:
        return words
    times = f"{way.to_fail / have:.1f} ×"
    return f"{words}; {way.to_fail:,} would show the loss if it is real ({times})"


def _show_words(have: int, needed: int, about: str, unit: str) -> str:
    """Never fewer items than there are: those did not show it."""
    if needed <= have:
        return f"alone it has the {unit} that it takes if nothing is truly lost"
    times = f"{needed / have:.1f} × the {have:,} here"
    return f"{about} {needed:,} {unit} would show it if nothing is truly lost ({times})"


def answer_columns(alpha: float) -> tuple[str, ...]:
    """Heads of `answer_rows`; the interval is the one that a margin is held against."""
    head = f"{100 * (1 - 2 * alpha):.3g} % interval"
    return "outcome", "task", "where", "change", head, "why"


def answer_rows(answers: Sequence["DecisionAnswer"]) -> list[tuple[str, ...]]:
    """A row an answer."""
    from babelbits.analysis import format as shown

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
        else shown.interval(effect.equivalence_interval, effect.unit)
    )


# --- answers for machines ----------------------------------------------------------------------


def asked_object(asked: "DecisionQuery") -> "dict[str, Any]":
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


def gate_object(gate: "Gate") -> "dict[str, Any]":
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
        wide, narrow = effect.interval, effect.equivalence_interval
        numbers = {
            "metric": effect.metric,
            "unit": effect.unit,
            "n_items": effect.n_items,
            "delta": effect.delta,
            "low": None if wide is None else wide.low,
            "high": None if wide is None else wide.high,
            "equivalence_low": None if narrow is None else narrow.low,
            "equivalence_high": None if narrow is None else narrow.high,
            "p": effect.p_value,
        }
    return {
        "suite": answer.question.suite,
        "where": answer.question.where,
        "outcome": answer.outcome,
        "reason": answer.reason,
        "margin": answer.margin,
        "p_adjusted": answer.p_adjusted,
        "p_beyond_margin": answer.p_beyond,
        "level": None if effect is None else effect.level,
        **numbers,
    }
