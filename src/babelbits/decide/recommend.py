"""Which variant to ship, by a rule fixed before the results, and what speaks against the others.

Variants are gated in an order that no result changes: most bits per weight first, then bytes, then
name. Each is gated at alpha; the walk stops at the first that does not pass, and the last that
passed is recommended. The first variant in the order that truly loses the margin somewhere passes
with probability at most alpha, and nothing behind it is reached unless it does: so a
recommendation is wrong in at most alpha of reports (a fixed sequence; Maurer, Hothorn & Lehmacher
1995). No variant is recommended for want of evidence, and none whose size is unknown.

`any_passing` takes the smallest that passes instead, in whatever order: with k variants the chance
that it loses the margin somewhere is at most k alpha. Limits of memory and speed (`cost_limits`)
take variants out of the order before the walk; no result of quality decides which.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from babelbits.analysis import format as shown
from babelbits.decide.cost_limits import NO_LIMITS, CostLimits, find_exceeded
from babelbits.decide.decision import SMOKE, DecisionAnswer, Outcome
from babelbits.decide.decision_input import DecisionInput, select_primary_effects
from babelbits.decide.decision_query import DecisionQuery
from babelbits.decide.gate import Gate, answer_gate
from babelbits.decide.power_planning import (
    ItemsNeeded,
    count_items_needed,
    count_items_to_see,
    count_units,
    estimate_correlation,
    measure_spread,
)
from babelbits.decide.sentences import (
    WORDS,
    describe_claim,
    describe_evidence,
    describe_place,
    describe_scope,
)
from babelbits.results.results import Results
from babelbits.words import bytes_size, html_table

if TYPE_CHECKING:
    from babelbits.study.speed.recorded_speed import RecordedSpeed


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a variant is."""

    bytes_on_disk: int
    bits_per_weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsToDecide:
    """Items that would decide an undecided answer, at the churn that was seen."""

    to_show: ItemsNeeded
    """To pass, if nothing is truly lost: this question alone."""
    to_fail: int | None
    """To be shown worse, if the loss is truly as seen; None where that is inside the margin, or so
    many items are there already."""
    to_show_all: ItemsNeeded | None = None
    """To pass together with all other questions; None where there is one question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A variant, its size and its gate."""

    gate: Gate
    size: Size | None
    """None where no manifest says."""
    larger: bool
    """Not smaller than the baseline: no reason to take it."""
    reached: bool
    """Whether the walk came to it."""
    correlation: float = 0.0
    """Between the estimates of its questions; 0 where unknown, which promises least."""
    exceeds: tuple[str, ...] = ()
    """Why it does not keep to the limits of memory and speed that were asked."""
    apart: str | None = None
    """Why it can have no verdict: engine and server differ; None: it can."""

    @property
    def variant(self) -> str:
        """Its label."""
        return self.gate.variant

    @property
    def in_order(self) -> bool:
        """Of known size, smaller than the baseline, within the limits, with a verdict."""
        known = self.size is not None and not self.larger
        return known and not self.exceeds and self.apart is None

    @property
    def passes(self) -> bool:
        """Shown in everything asked."""
        return self.gate.outcome == "shown"

    @property
    def qualifies(self) -> bool:
        """Passes, and would be smaller than the baseline."""
        return self.passes and self.in_order

    def count(self, outcome: Outcome) -> int:
        """How many answers have an outcome."""
        return len(self.gate.of(outcome))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The choice, and every variant."""

    chosen: Candidate | None
    stopped_at: Candidate | None
    """The first in the order that does not pass; None where all pass, or none is in the order."""
    nearest: Candidate | None
    """Where nothing is chosen: the variant with the fewest losses, then the fewest doubts."""
    candidates: tuple[Candidate, ...]
    """In the order of the walk; those that are not in it last."""
    baseline: Size | None
    smoke: bool
    any_passing: bool
    """The smallest that passes was taken, not the last of the walk."""
    query: DecisionQuery | None = None
    """What was asked."""
    limits: CostLimits = NO_LIMITS
    """What memory and speed had to keep to."""

    def __str__(self) -> str:
        """The sentence that the command prints."""
        return "" if self.query is None else describe_recommendation(self, self.query)

    def __repr__(self) -> str:
        """The sentence: all that it rests on would fill a screen."""
        return f"<Recommendation {self}>"

    def _repr_html_(self) -> str:
        """The sentence and a row a variant, for notebooks."""
        heads = ("variant", "bits/weight", *WORDS.values())
        rows = [
            (
                one.variant,
                "?" if one.size is None else f"{one.size.bits_per_weight:.2f}",
                *(str(one.count(outcome)) for outcome in WORDS),
            )
            for one in self.candidates
        ]
        return html_table(heads, rows, caption=str(self), numeric=heads[1:])


def recommend(
    findings: DecisionInput,
    asked: DecisionQuery,
    *,
    sizes: Mapping[str, Size],
    baseline: Size | None,
    any_passing: bool = False,
    limits: CostLimits = NO_LIMITS,
    speed: "RecordedSpeed | None" = None,
) -> Recommendation:
    """Gate variants in the fixed order and take the last that passes before one does not.

    Parameters
    ----------
    sizes : mapping
        Variant label to size; a variant without one cannot be chosen.
    baseline : Size, optional
        The unquantized model's.
    any_passing : bool
        Take the smallest that passes, whatever stands before it.
    limits : CostLimits
        Of memory and speed: a variant that is not shown to keep to them cannot be chosen.
    speed : RecordedSpeed, optional
        What was measured.
    """
    over = find_exceeded(limits, speed, findings.variants)
    order = sorted(findings.variants, key=lambda name: _place(name, sizes.get(name), baseline))
    candidates: list[Candidate] = []
    stopped: Candidate | None = None
    for name in order:
        size = sizes.get(name)
        one = Candidate(
            gate=answer_gate(findings, name, asked),
            size=size,
            larger=_larger(size, baseline),
            reached=stopped is None,
            correlation=_correlation(findings, asked, name),
            exceeds=over.get(name, ()),
            apart=findings.analysis.apart.get(name),
        )
        candidates.append(one)
        if one.in_order and not one.passes and stopped is None:
            stopped = one
    chosen = _smallest(candidates) if any_passing else _last(candidates)
    judged = [one for one in candidates if one.apart is None and not one.exceeds]
    return Recommendation(
        chosen=None if findings.analysis.smoke else chosen,
        stopped_at=stopped,
        nearest=min(judged, key=_by_distance, default=None),
        candidates=tuple(candidates),
        baseline=baseline,
        smoke=findings.analysis.smoke,
        any_passing=any_passing,
        query=asked,
        limits=limits,
    )


def _larger(size: Size | None, baseline: Size | None) -> bool:
    return (
        size is not None and baseline is not None and size.bytes_on_disk >= baseline.bytes_on_disk
    )


def _place(name: str, size: Size | None, baseline: Size | None) -> tuple[int, float, float, str]:
    """Most bits first; then what is no smaller than the baseline, then what has no size."""
    if size is None:
        return 2, 0.0, 0.0, name
    first = 1 if _larger(size, baseline) else 0
    return first, -size.bits_per_weight, -float(size.bytes_on_disk), name


def _last(found: Sequence[Candidate]) -> Candidate | None:
    """The last that passed before the walk stopped."""
    passed = [one for one in found if one.reached and one.qualifies]
    return passed[-1] if passed else None


def _smallest(found: Sequence[Candidate]) -> Candidate | None:
    passed = [one for one in found if one.qualifies]
    return min(passed, key=_by_bytes) if passed else None


def _by_bytes(one: Candidate) -> tuple[bool, float, float, str]:
    size = one.size
    if size is None:
        return True, 0.0, 0.0, one.variant
    return False, float(size.bytes_on_disk), size.bits_per_weight, one.variant


def _by_distance(one: Candidate) -> tuple[int, int, int, tuple[bool, float, float, str]]:
    counts = one.count("worse"), one.count("loss"), one.count("undecided")
    return (*counts, _by_bytes(one))


def _correlation(findings: DecisionInput, asked: DecisionQuery, variant: str) -> float:
    """Between the languages of the one suite that is asked about; 0 for several suites."""
    suites = {question.suite for question in asked.questions}
    if len(suites) > 1 or asked.pooled:
        return 0.0
    ours = [one for one in select_primary_effects(findings, variant) if one.task in suites]
    pooled = next((one for one in ours if one.scope == "all"), None)
    return estimate_correlation([one for one in ours if one.scope == "language"], pooled)


def count_items_to_decide(
    found: Gate, asked: DecisionQuery, *, alpha: float, correlation: float = 0.0
) -> dict[int, ItemsToDecide | None]:
    """Position of an open answer to the items that would decide it; None: items would not."""
    return {
        index: find_items_to_decide(answer, asked, alpha=alpha, correlation=correlation)
        for index, answer in enumerate(found.answers)
        if answer.outcome in ("undecided", "loss")
    }


def find_items_to_decide(
    answer: DecisionAnswer, asked: DecisionQuery, *, alpha: float, correlation: float = 0.0
) -> ItemsToDecide | None:
    """Items that would decide an answer.

    None where items are not what is lacking (no result, no margin, a baseline at its floor, a
    claim that is withheld, enough items already), or where too few changed to tell how many it
    takes. No number at or below the items at hand is told: these did not show it.

    Parameters
    ----------
    correlation : float
        Between the questions' estimates; 0 promises least.
    """
    effect, margin = answer.effect, answer.margin
    spread = None if effect is None or effect.arms.at_floor else measure_spread(effect)
    if effect is None or spread is None or margin is None or effect.decision.withheld is not None:
        return None
    tests, here = len(asked.questions), count_units(effect)
    show = count_items_needed(asked.claim, spread, margin=margin, alpha=alpha)
    everything = None
    if tests > 1:
        everything = count_items_needed(
            asked.claim, spread, margin=margin, alpha=alpha, questions=tests,
            correlation=correlation,
        )  # fmt: skip
    last = show if everything is None else everything
    if here >= last.items:
        return None
    fail = None
    if effect.delta <= -margin:
        fail = count_items_to_see(-effect.delta, spread, alpha=alpha, tests=tests)
        fail = fail if fail > here else None
    return ItemsToDecide(to_show=show, to_fail=fail, to_show_all=everything)


def read_sizes(found: Results) -> Mapping[str, Size]:
    """Label to size, of the variants that have a manifest; the baseline's too."""
    return {
        label: Size(bytes_on_disk=one.bytes_on_disk, bits_per_weight=one.bits_per_weight)
        for label, one in found.manifests.items()
    }


# --- in words ------------------------------------------------------------------------------------


def describe_recommendation(choice: Recommendation, asked: DecisionQuery) -> str:
    """What is recommended, or why nothing is."""
    if choice.smoke:
        return f"none: {SMOKE}"
    if choice.chosen is not None:
        share = ""
        if choice.baseline is not None and choice.chosen.size is not None:
            ratio = choice.chosen.size.bytes_on_disk / choice.baseline.bytes_on_disk
            share = f", {shown.percent(ratio, digits=0)} of the baseline"
        which = "the smallest variant" if choice.any_passing else "the last variant in order"
        within = f" with {choice.limits}" if choice.limits else ""
        return (
            f"{choice.chosen.variant} ({_size(choice.chosen)}{share}): {which}{within} that is "
            f"shown to be {describe_claim(choice.chosen.gate.answers, asked)}: "
            f"{describe_scope(asked)}"
        )
    if choice.nearest is None:
        if any(one.exceeds for one in choice.candidates):
            return f"none: no variant is shown to run with {choice.limits}{_why_none(choice)}"
        if choice.candidates:
            return "none: no variant can have a verdict"
        return "none: the study has no variant beside its baseline"
    near = choice.nearest
    words = describe_claim(near.gate.answers, asked)
    total = len(near.gate.answers)
    passing = [one.variant for one in choice.candidates if one.passes and one.in_order]
    if passing and choice.stopped_at is not None:
        return (
            f"none: {choice.stopped_at.variant}, first in the order, is not shown to be {words}: "
            f"{describe_scope(asked)}; --any takes the smallest that passes"
        )
    counts = ", ".join(
        f"{word} in {near.count(outcome)}" for outcome, word in WORDS.items() if outcome != "shown"
    )
    return (
        f"none: no variant is shown to be {words}: {describe_scope(asked)}; nearest is "
        f"{near.variant} (pass in {near.count('shown')} of {total}, {counts})"
    )


def _why_none(choice: Recommendation) -> str:
    """The one reason of all variants, where they have one; else each has its own below."""
    reasons = {one.exceeds for one in choice.candidates}
    return f": {reasons.pop()[0]}" if len(reasons) == 1 else ""


def list_reasons(one: Candidate, asked: DecisionQuery, *, alpha: float) -> list[str]:
    """Every reason against a variant, weightiest first."""
    lines = []
    if one.larger:
        lines.append("not smaller than the baseline")
    if one.size is None:
        lines.append("its size is unknown: no manifest")
    lines += one.exceeds
    if one.apart is not None:
        return [*lines, f"no verdict: {one.apart}"]
    worse = sorted(one.gate.of("worse"), key=lambda answer: answer.effect.delta)  # type: ignore[union-attr]  # worse has one
    lines += [f"fail: {describe_place(answer)} {describe_evidence(answer)}" for answer in worse]
    answers, open_ways = (
        one.gate.answers,
        count_items_to_decide(one.gate, asked, alpha=alpha, correlation=one.correlation),
    )
    order = sorted(
        open_ways, key=lambda index: (answers[index].outcome != "loss", -_delta_size(one, index))
    )
    for index in order:
        one_answer = answers[index]
        shown_there = f"{describe_place(one_answer)} {describe_evidence(one_answer)}".rstrip()
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

    have, show = count_units(effect), way.to_show
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
