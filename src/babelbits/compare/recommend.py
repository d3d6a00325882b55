"""The smallest variant that is shown to be good enough, and what stands against the others.

Small means bytes on disk; speed is not known. A variant qualifies when its gate is passed, so no
variant is recommended for want of evidence. Each variant's claim holds at level alpha by itself;
with k variants the chance that one which is worse somewhere qualifies is at most k alpha.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from babelbits.compare.asked import Asked
from babelbits.compare.findings import Findings, primary_effects
from babelbits.compare.foresight import (
    Need,
    correlation_between,
    items_needed,
    items_to_see,
    measured,
    units,
)
from babelbits.compare.gate import Answer, Gate, Outcome, gate


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a variant is."""

    bytes_on_disk: int
    bits_per_weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Items that would decide an undecided answer, at the churn that was seen."""

    to_show: Need
    """To pass, if nothing is truly lost: this question alone."""
    to_fail: int | None
    """To be shown worse, if the loss is truly as seen; None where that is inside the margin, or so
    many items are there already."""
    to_show_all: Need | None = None
    """To pass together with all other questions; None where there is one question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A variant, its size and its gate."""

    gate: Gate
    size: Size | None
    """None where no manifest says."""
    larger: bool
    """Not smaller than the baseline: no reason to take it."""
    ways: Mapping[int, Way | None]
    """Index of an undecided answer to the items that would decide it; None: items would not."""

    @property
    def variant(self) -> str:
        """Its label."""
        return self.gate.variant

    @property
    def qualifies(self) -> bool:
        """Shown in everything asked, of known size, and smaller than the baseline."""
        return self.gate.outcome == "shown" and self.size is not None and not self.larger

    def count(self, outcome: Outcome) -> int:
        """How many answers have an outcome."""
        return len(self.gate.of(outcome))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The choice, and every variant."""

    chosen: Candidate | None
    nearest: Candidate | None
    """Where nothing qualifies: the variant with the fewest losses, then the fewest doubts."""
    candidates: tuple[Candidate, ...]
    """Smallest first; those of unknown size last."""
    baseline: Size | None
    smoke: bool


def recommend(
    findings: Findings, asked: Asked, *, sizes: Mapping[str, Size], baseline: Size | None
) -> Recommendation:
    """Gate every variant and take the smallest that passes.

    Parameters
    ----------
    sizes : mapping
        Variant label to size; a variant without one cannot be chosen.
    baseline : Size, optional
        The unquantized model's.
    """
    found = [
        _candidate(gate(findings, variant, asked), findings, asked, sizes.get(variant), baseline)
        for variant in findings.variants
    ]
    found.sort(key=_by_size)
    return Recommendation(
        chosen=next((one for one in found if one.qualifies), None),
        nearest=min(found, key=_by_distance) if found else None,
        candidates=tuple(found),
        baseline=baseline,
        smoke=findings.analysis.smoke,
    )


def _candidate(
    passed: Gate, findings: Findings, asked: Asked, size: Size | None, baseline: Size | None
) -> Candidate:
    together = _correlation(findings, asked, passed.variant)
    return Candidate(
        gate=passed,
        size=size,
        larger=size is not None
        and baseline is not None
        and size.bytes_on_disk >= baseline.bytes_on_disk,
        ways={
            index: way(answer, asked, alpha=findings.alpha, correlation=together)
            for index, answer in enumerate(passed.answers)
            if answer.outcome == "undecided"
        },
    )


def _correlation(findings: Findings, asked: Asked, variant: str) -> float:
    """Between the languages of the one suite that is asked about; 0 for several suites."""
    suites = {question.suite for question in asked.questions}
    if len(suites) > 1 or asked.pooled:
        return 0.0
    ours = [one for one in primary_effects(findings, variant) if one.task in suites]
    pooled = next((one for one in ours if one.scope == "all"), None)
    return correlation_between([one for one in ours if one.scope == "language"], pooled)


def way(answer: Answer, asked: Asked, *, alpha: float, correlation: float = 0.0) -> Way | None:
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
    spread = None if effect is None or effect.at_floor else measured(effect)
    if effect is None or spread is None or margin is None or effect.withheld is not None:
        return None
    tests, here = len(asked.questions), units(effect)
    show = items_needed(asked.claim, spread, margin=margin, alpha=alpha)
    everything = None
    if tests > 1:
        everything = items_needed(
            asked.claim, spread, margin=margin, alpha=alpha, questions=tests,
            correlation=correlation,
        )  # fmt: skip
    last = show if everything is None else everything
    if here >= last.items:
        return None
    fail = None
    if effect.delta <= -margin:
        fail = items_to_see(-effect.delta, spread, alpha=alpha, tests=tests)
        fail = fail if fail > here else None
    return Way(to_show=show, to_fail=fail, to_show_all=everything)


def _by_size(one: Candidate) -> tuple[bool, float, float, str]:
    size = one.size
    if size is None:
        return True, 0.0, 0.0, one.variant
    return False, float(size.bytes_on_disk), size.bits_per_weight, one.variant


def _by_distance(one: Candidate) -> tuple[int, int, tuple[bool, float, float, str]]:
    return one.count("worse"), one.count("undecided"), _by_size(one)
