"""The first screen in words: what was shown for each variant, and what was not shown.

Every sentence follows from a `decide.decision.Decision` and the effects it is about; nothing is
decided here. Pure: decisions and effects in, sentences out. Pooled effects lead, languages follow.
"No harm" is never said without the minimum detectable loss. Harm is negative; fractions are told
in points (×100).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from babelbits.analysis import format as numbers
from babelbits.analysis.engine_identity import APART
from babelbits.analysis.format import amount, shared_margin
from babelbits.decide.decision import Decision
from babelbits.decide.recommend import Recommendation
from babelbits.records import Effect, Level, Verdict
from babelbits.report.item_pairs import Axes
from babelbits.words import agreeing, listed, plural

VERDICTS: tuple[Verdict, ...] = ("worse", "equivalent", "better", "undecided")
GLYPHS: Mapping[str, str] = {"worse": "▼", "equivalent": "=", "better": "▲", "undecided": "?"}
"""Colour is never alone."""


MOST_NAMED = 5
"""Variants that the headline calls by name, and that the first screen tells in full."""
SMOKE_HEADLINE = "This is a SMOKE run: nothing in it is a result."
LEVEL_WORDS: Mapping[Level | None, str] = {
    "confirmed": "confirmed",
    "family": "in its family alone",
    None: "exploratory",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Primary effects, found by variant, suite and language."""

    axes: Axes
    by_cell: Mapping[tuple[str, str, str], Effect]
    pooled: Mapping[tuple[str, str], Effect]
    grouped: Mapping[tuple[str, str], tuple[Effect, ...]]
    """Variant and suite to its effects over language groups."""

    def row(self, variant: str, suite: str) -> tuple[Effect, ...]:
        """Effects of a variant on a suite, one a language, most harmed first."""
        found = [
            self.by_cell[variant, suite, language]
            for language in self.axes.languages
            if (variant, suite, language) in self.by_cell
        ]
        return tuple(sorted(found, key=lambda effect: effect.delta))

    def tally(self, variant: str, suite: str) -> Counter[str]:
        """How many languages got each verdict."""
        return Counter(effect.decision.verdict for effect in self.row(variant, suite))

    def mean(self, variant: str, suite: str) -> Effect | None:
        """The effect over all languages; of a suite in one language, that language's."""
        found = self.pooled.get((variant, suite))
        if found is None:
            row = self.row(variant, suite)
            found = row[0] if len(row) == 1 else None
        return found


def make_board(effects: Sequence[Effect], primary: Mapping[str, str], axes: Axes) -> Board:
    """Sort effects by what they are about; `primary` maps a suite to its primary metric."""
    kept = [effect for effect in effects if primary.get(effect.task) == effect.metric]
    grouped: dict[tuple[str, str], list[Effect]] = {}
    for effect in kept:
        if effect.scope == "group":
            grouped.setdefault((effect.variant, effect.task), []).append(effect)
    return Board(
        axes=axes,
        by_cell={
            (e.variant, e.task, e.language): e for e in kept if e.scope == "language" and e.language
        },
        pooled={(e.variant, e.task): e for e in kept if e.scope == "all"},
        grouped={key: tuple(group) for key, group in grouped.items()},
    )


# --- one sentence a variant ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantVerdict:
    """What the study showed about a variant, in words."""

    variant: str
    overall: Verdict
    """worse: a harm is shown; undecided: none is, but doubt somewhere; else unharmed."""
    level: Level | None
    """How firmly a "worse" is shown."""
    summary: str
    """The means over languages in short, for a page of many variants."""
    sentence: str
    """Means, languages, groups, gains, and what stays open."""
    parts: tuple[str, ...]
    """The same, part by part."""


def describe_variant(
    decision: Decision, board: Board, names: Mapping[str, str], *, alpha: float
) -> VariantVerdict:
    """Everything that is said of a variant: harm, gain, equivalence, and what stays open."""
    variant = decision.variant
    if decision.smoke:
        parts = ["a smoke run: no verdict"]
        summary = parts[0]
    elif decision.apart is not None:
        summary = f"no verdict, because {decision.apart}"
        parts = [summary, *_differences(board, variant)]
    else:
        rows = {suite: board.row(variant, suite) for suite in board.axes.suites}
        rows = {suite: row for suite, row in rows.items() if row}
        said = [
            _means(board, variant),
            *_harm(decision, rows, names),
            _groups(decision),
            _estimate(decision, names),
            _gain(rows),
            _equivalence(rows, alpha=alpha),
            _open(decision, rows),
        ]
        parts = [part for part in said if part] or ["nothing was compared"]
        summary = _in_short(decision, board) or "nothing was compared"
    return VariantVerdict(
        variant=variant,
        overall=decision.verdict,
        level=decision.level,
        summary=f"{summary}.",
        sentence=f"{'; '.join(parts)}.",
        parts=tuple(parts),
    )


def describe_effect(effect: Effect) -> str:
    """'−3.5 points, −4.2 to −2.9'."""
    change, interval = amount(effect.delta, effect.unit), effect.inference.interval
    return change if interval is None else f"{change}, {numbers.interval(interval, effect.unit)}"


def _means(board: Board, variant: str) -> str:
    """Pooled effects by verdict, each with its interval where something was shown."""
    pooled = [one for suite in board.axes.suites if (one := board.pooled.get((variant, suite)))]
    parts = []
    for verdict in VERDICTS:
        ours = [one for one in pooled if one.decision.verdict == verdict]
        if verdict in ("worse", "better"):
            words = [
                f"{one.task} ({describe_effect(one)}"
                + (f"; {LEVEL_WORDS[one.decision.level]})" if verdict == "worse" else ")")
                for one in ours
            ]
        else:
            words = [one.task for one in ours]
        parts += [f"{verdict} on {listed(words)}"] if words else []
    return f"mean over languages {', '.join(parts)}" if parts else ""


def _differences(board: Board, variant: str) -> list[str]:
    """The means over languages of a variant without a verdict, each with its interval."""
    means = [one for suite in board.axes.suites if (one := board.mean(variant, suite)) is not None]
    told_means = [f"{one.task} ({describe_effect(one)})" for one in means]
    return [f"mean over languages on {listed(told_means)}"] if means else []


def _harm(
    decision: Decision, rows: Mapping[str, Sequence[Effect]], names: Mapping[str, str]
) -> list[str]:
    """Languages: those that are confirmed, then those that are worse in their family alone."""
    return [
        part
        for level, harms, lead in (
            ("confirmed", decision.confirmed, "harm confirmed in "),
            ("family", decision.in_family, "worse in its family, not confirmed, in "),
        )
        if (part := _harm_at(level, harms, lead, rows, names))
    ]


def _harm_at(
    level: str,
    harms: Sequence[Effect],
    lead: str,
    rows: Mapping[str, Sequence[Effect]],
    names: Mapping[str, str],
) -> str:
    parts: list[str] = []
    for suite, row in rows.items():
        harmed = [one for one in harms if one.task == suite and one.scope == "language"]
        if harmed:
            worst = min(harmed, key=lambda one: one.delta)
            scope = f" of {len(row)}" if parts else f" of {plural(len(row), 'language')}"
            name = names.get(worst.language or "", worst.language or "")
            largest = "largest shown " if level == "confirmed" else "largest "
            parts.append(
                f"{len(harmed)}{scope} on {suite} ({largest}{name}, {describe_effect(worst)})"
            )
    return f"{lead}{listed(parts)}" if parts else ""


def _groups(decision: Decision) -> str:
    """Language groups have a family each variant and suite, and are never confirmed."""
    found = [one for one in decision.in_family if one.scope == "group"]
    if not found:
        return ""
    largest = f"largest {found[0].group} on {found[0].task}, {describe_effect(found[0])}"
    count = plural(len(found), "group")
    return f"worse in its family in the mean of {count} of languages ({largest})"


def _estimate(decision: Decision, names: Mapping[str, str]) -> str:
    """The largest estimate where it is not the largest harm shown: noise is large, too."""
    largest = decision.largest_estimate
    if (
        largest is None
        or largest.decision.level is not None
        or largest.decision.verdict == "equivalent"
    ):
        return ""
    name = names.get(largest.language or "", largest.language or "")
    change = describe_effect(largest)
    return f"largest estimate {name} on {largest.task}, {change}, {largest.decision.verdict}"


def _gain(rows: Mapping[str, Sequence[Effect]]) -> str:
    parts = []
    for suite, row in rows.items():
        better = [effect for effect in row if effect.decision.verdict == "better"]
        if better:
            parts.append(f"{len(better)} of {len(row)} on {suite} ({_luck(better[-1])})")
    return f"better, which is exploratory, in {listed(parts)}" if parts else ""


def _luck(best: Effect) -> str:
    """The largest gain beside what the best of all comparisons would show by chance."""
    chance = best.inference.best_by_chance
    largest = f"largest {amount(best.delta, best.unit)}"
    return largest if chance is None else f"{largest}; by chance {amount(chance, best.unit)}"


def _share(count: int, total: int) -> str:
    """'2 of 13 languages', 'all 13 languages', 'both languages', 'the one language'."""
    if count < total:
        return f"{count} of {plural(total, 'language')}"
    few = {1: "the one language", 2: "both languages"}
    return few.get(total, f"all {plural(total, 'language')}")


def _equivalence(rows: Mapping[str, Sequence[Effect]], *, alpha: float) -> str:
    """Counts by suite, suites of one margin together, with what chance would add to them."""
    by_margin: dict[str, list[str]] = {}
    asked, partial = 0, False
    for suite, row in rows.items():
        if count := sum(effect.decision.verdict == "equivalent" for effect in row):
            words = f"{_share(count, len(row))} of {suite}"
            by_margin.setdefault(shared_margin(row), []).append(words)
            partial |= count < len(row)
            asked += len(row)
    parts = [
        f"{f'within {margin} ' if margin else ''}in {listed(suites)}"
        for margin, suites in by_margin.items()
    ]
    if not parts:
        return "equivalence shown in no language"
    expected = describe_expected(alpha * asked)
    chance = f" (each at {alpha:.0%}: {expected} expected by chance if all were at "
    note = f"{chance}the margin)".replace("%", " %") if partial else ""
    return f"equivalent {listed(parts)}{note}"


def describe_expected(count: float) -> str:
    """A number of false claims to expect: '0.65', '12'."""
    return f"{count:.2g}" if count < 10 else f"{count:.0f}"


def _open(decision: Decision, rows: Mapping[str, Sequence[Effect]]) -> str:
    everything = [effect for row in rows.values() for effect in row]
    undecided = [effect for effect in everything if effect.decision.verdict == "undecided"]
    floor = sum(effect.arms.at_floor for effect in undecided)
    parts = []
    if undecided:
        tail = f" ({floor} at the floor)" if floor else ""
        parts.append(
            f"undecided in {len(undecided)} of {plural(len(everything), 'comparison')}{tail}"
        )
    if decision.unanswered:
        asked = len(decision.answers)
        parts.append(f"no result for {decision.unanswered} of {plural(asked, 'question')}")
    return "; ".join(parts)


def _in_short(decision: Decision, board: Board) -> str:
    """Means by verdict, counted, with the largest harm shown; what has no result."""
    means = [
        one
        for suite in board.axes.suites
        if (one := board.mean(decision.variant, suite)) is not None
    ]
    parts = []
    for verdict in VERDICTS:
        ours = [one for one in means if one.decision.verdict == verdict]
        if ours:
            largest = ""
            if verdict == "worse":
                worst = min(ours, key=lambda one: one.delta / (one.decision.margin or 1.0))
                level = LEVEL_WORDS[worst.decision.level]
                largest = f" (largest {worst.task}, {describe_effect(worst)}; {level})"
            parts.append(f"{verdict} on {len(ours)} of {plural(len(means), 'task')}{largest}")
    text = f"mean {', '.join(parts)}" if parts else ""
    harms = [one for one in decision.confirmed if one.scope == "language"]
    if harms:
        text += f"; harm confirmed in {plural(len(harms), 'comparison')} of single languages"
    more = [one for one in decision.in_family if one.scope != "all"]
    if more:
        text += f"; worse in its family in {plural(len(more), 'comparison')} of languages or groups"
    if decision.unanswered:
        asked = plural(len(decision.answers), "question")
        text += f"; no result for {decision.unanswered} of {asked}"
    return text.removeprefix("; ")


def sort_decisions(
    decisions: Sequence[Decision], found: Board, chosen: str | None = None
) -> tuple[Decision, ...]:
    """Best first: the recommended one, unharmed, undecided, then by the largest mean loss."""
    rank = {"equivalent": 0, "better": 0, "undecided": 1, "worse": 2}

    def key(one: Decision) -> tuple[bool, int, bool, bool, float]:
        means = [found.mean(one.variant, suite) for suite in found.axes.suites]
        losses = [
            mean.delta / mean.decision.margin
            for mean in means
            if mean is not None and mean.decision.margin
        ]
        confirmed = one.level == "confirmed"
        largest = -min(losses, default=0.0)
        return one.variant != chosen, rank[one.verdict], confirmed, not losses, largest

    return tuple(sorted(decisions, key=key))


# --- the headline ----------------------------------------------------------------------------


def write_headline(decisions: Sequence[Decision], *, alpha: float, smoke: bool = False) -> str:
    """The study in a few sentences, over every scope that has a verdict.

    "Unharmed" is a claim about each variant at `alpha`: of several, the number to expect by chance
    is said with it.
    """
    if smoke or any(one.smoke for one in decisions):
        return SMOKE_HEADLINE
    decisions, apart = _judged(decisions)
    if apart and not decisions:
        return f"No variant has a verdict: {apart}."
    if all(one.answers and one.unanswered == len(one.answers) for one in decisions):
        return "Nothing was compared yet: no variant has a result to hold against the baseline."
    confirmed = [one.variant for one in decisions if one.level == "confirmed"]
    family = [one.variant for one in decisions if one.level == "family"]
    safe = [one.variant for one in decisions if one.verdict == "equivalent"]
    total = len(decisions)
    sentences = [
        f"Harm is confirmed for {_named(confirmed, total)}."
        if confirmed
        else "Harm is confirmed for no variant; the minimum detectable losses are below."
    ]
    rows = sum(len(one.in_family) for one in decisions)
    if rows:
        where = f" (all that is shown against {_named(family, total)})" if family else ""
        sentences.append(
            f"{plural(rows, 'comparison')} {agreeing(rows, 'is', 'are')} worse in "
            f"{agreeing(rows, 'its', 'their')} family and not confirmed{where}."
        )
    sentences.append(
        f"{_named(safe, total)} {agreeing(len(safe), 'is', 'are')} shown to be unharmed in "
        f"every required comparison{_each(total, alpha)}."
        if safe
        else "No variant is shown to be unharmed in every required comparison."
    )
    mean = [
        one.variant
        for one in decisions
        if one.equivalent_in_the_mean and one.verdict not in ("worse", "equivalent")
    ]
    if mean:
        sentences.append(
            f"{_named(mean, total)} {agreeing(len(mean), 'is', 'are')} equivalent on every task in "
            "the mean over languages, and not in every language"
            f"{_each(total, alpha)}."
        )
    if apart:
        sentences.append(f"No verdict on {apart}.")
    return " ".join(sentences)


def _judged(decisions: Sequence[Decision]) -> tuple[Sequence[Decision], str]:
    """Those that can have a verdict, and the others by name with why they have none."""
    others = [one.variant for one in decisions if one.apart is not None]
    told = f"{_named(others, len(decisions))} ({APART})" if others else ""
    return [one for one in decisions if one.apart is None], told


def _each(total: int, alpha: float) -> str:
    """How many variants that lose exactly their margin would be called so."""
    if total == 1:
        return ""
    level = f"{alpha:.0%}".replace("%", " %")
    return (
        f" (each at {level}: if all {total} lost exactly their margin, up to "
        f"{describe_expected(alpha * total)} would be)"
    )


def _named(names: Sequence[str], total: int) -> str:
    """The variants by name, or how many of how many where that would be no sentence."""
    if len(names) <= MOST_NAMED:
        return listed(names)
    return f"{len(names)} of {plural(total, 'variant')}"


COSTS_NAMED = 4
"""Suites whose cost the recommendation names."""


def ship(choice: Recommendation, found: Board) -> str:
    """'Ship X; the cost is Y', or why that cannot be said."""
    if choice.smoke or not choice.candidates:
        return ""
    if not any(one.in_order for one in choice.candidates):
        return "No variant can be recommended: none has a known size below the baseline's."
    unknown = [one.variant for one in choice.candidates if one.size is None]
    text = _shipped(choice, found)
    if not unknown:
        return text
    named = _named(unknown, len(choice.candidates))
    have = agreeing(len(unknown), "has", "have")
    return (
        f"{text} {named} {have} no known size and {agreeing(len(unknown), 'is', 'are')} left out."
    )


def _shipped(choice: Recommendation, board: Board) -> str:
    chosen, stop = choice.chosen, choice.stopped_at
    if chosen is not None and chosen.size is not None:
        text = (
            f"Ship {chosen.variant} ({chosen.size.bits_per_weight:.2f} bits per weight); the cost "
            f"is {_cost(chosen.variant, board)}."
        )
        return text if stop is None else f"{text} {stop.variant}, the next, is not shown to pass."
    if stop is None:
        return "No variant can be recommended."
    reasons = Counter(one.reason for one in stop.gate.answers if one.outcome != "shown")
    reason, count = reasons.most_common(1)[0] if reasons else ("no comparison is required", 0)
    asked = len(stop.gate.answers)
    return (
        f"No variant can be recommended: {stop.variant}, the first in order, does not pass in "
        f"{asked - stop.count('shown')} of {plural(asked, 'question')} (in {count}: {reason})."
    )


def ship_by_mean(
    choice: Recommendation, mean: Recommendation, decisions: Sequence[Decision], board: Board
) -> str:
    """What the mean over languages alone would ship, where that is another variant.

    With many languages no single one may be seen well enough to pass, while their mean is. It can
    hide one language's harm, so harm that is shown in a language is said beside it.
    """
    best = mean.chosen
    if mean.smoke or best is None or best.size is None:
        return ""
    if choice.chosen is not None and choice.chosen.variant == best.variant:
        return ""
    harms = [
        harm
        for one in decisions
        if one.variant == best.variant
        for harm in one.harms
        if harm.scope != "all"
    ]
    hidden = (
        f"harm is shown in {plural(len(harms), 'comparison')} of its languages or groups"
        if harms
        else "a mean can hide one language's harm"
    )
    return (
        f"By the mean over languages alone: {best.variant} ({best.size.bits_per_weight:.2f} bits "
        f"per weight); the cost is {_cost(best.variant, board)}; {hidden}."
    )


def _cost(variant: str, found: Board) -> str:
    """Mean losses over languages with their intervals, the largest in margins first."""
    means = [one for suite in found.axes.suites if (one := found.mean(variant, suite)) is not None]
    ordered = sorted(means, key=lambda one: one.delta / (one.decision.margin or 1.0))
    named = [
        f"{describe_effect(one).replace(', ', ' (', 1)}) on {one.task}"
        for one in ordered[:COSTS_NAMED]
        if one.inference.interval is not None
    ]
    more = len(ordered) - len(named)
    tail = [f"less on {plural(more, 'other task')}"] if more > 0 and named else []
    return f"{listed([*named, *tail])} in the mean over languages" if named else "not known"
