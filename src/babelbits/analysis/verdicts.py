"""Worse, equivalent, better or undecided: exactly one, from a test, two intervals and a margin.

In this order:

1. at its floor: undecided, whatever the numbers;
2. *equivalent*: a margin m is declared and the 1 - 2 alpha interval lies inside (-m, +m) (TOST). A
   loss that is real but inside the margin is equivalent, with a note;
3. *worse* (*better*): the p-value, adjusted within its family, is at most alpha and the 1 - alpha
   interval lies below (above) zero, and not inside the margin: a small loss that cannot be called
   equivalent, only because large ones may be too rare to have been seen, is no harm shown;
4. else *undecided*. A large p-value never says that nothing happened.

Equivalence is withheld where it would rest on items that could not speak: languages at their floor
within a group, or items that failed under the variant alone and could, all lost, leave the margin.
Withheld it is, too, for what the effect itself says (`Evidence.withheld`): an item that lost more
than the declared cap, a scale without one, a score that could be chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from babelbits.records import Interval, Verdict
from babelbits.stats.equivalence import inside_margin
from babelbits.words import plural


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a verdict rests on. Harm is negative."""

    p_value: float
    """Adjusted within the family, or raw for an exploratory effect."""
    interval: Interval | None
    equivalence_interval: Interval | None
    margin: float | None
    alpha: float
    at_floor: bool
    floor_languages: Sequence[str] = ()
    """Languages of a group that are at their floor."""
    lost_share: float = 0.0
    """Share of the items that failed under the variant alone."""
    has_range: bool = True
    """No difference exceeds 1, so that items without a score can be bounded."""
    withheld: str | None = None
    """Why equivalence is not said even where the interval lies inside the margin."""
    fewest_units: int | None = None
    """Below so many units no data show equivalence."""
    units: int | None = None
    """Independent units that there are."""
    may_stop: bool = False
    """The items were not fixed in number beforehand; intervals are confidence sequences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """A verdict and why."""

    verdict: Verdict
    reason: str
    notes: tuple[str, ...] = ()


def decide(evidence: Evidence) -> Conclusion:
    """The verdict; see the module's text for the definitions."""
    if evidence.at_floor:
        return Conclusion(verdict="undecided", reason="at floor")
    if evidence.interval is None or evidence.equivalence_interval is None:
        return Conclusion(verdict="undecided", reason=_no_interval(evidence))
    shown = _direction(evidence)
    withheld = _why_not_equivalent(evidence)
    if withheld is None:
        return Conclusion(
            verdict="equivalent", reason="interval inside the margin", notes=_negligible(shown)
        )
    if shown is not None and (withheld or not _lies_inside(evidence)):
        reason = "loss shown" if shown == "worse" else "gain shown"
        return Conclusion(verdict=shown, reason=reason)
    return Conclusion(verdict="undecided", reason=withheld or _open(evidence))


def _no_interval(evidence: Evidence) -> str:
    if evidence.may_stop:
        return "the cell could stop early, and no sequence holds for a metric without a range"
    return "too few items changed for an interval"


def _direction(evidence: Evidence) -> Verdict | None:
    """Shown worse or better than zero, margin apart."""
    interval = evidence.interval
    if interval is None or evidence.p_value > evidence.alpha or interval.low <= 0 <= interval.high:
        return None
    return "worse" if interval.high < 0 else "better"


def _why_not_equivalent(evidence: Evidence) -> str | None:
    """None: shown equivalent. '': the interval does not show it. Else why it is withheld."""
    interval, margin = evidence.equivalence_interval, evidence.margin
    if interval is None or margin is None or not inside_margin(interval, margin):
        return ""
    if evidence.floor_languages:
        names = ", ".join(evidence.floor_languages)
        return f"inside the margin, but at floor in {names}"
    if evidence.withheld is not None:
        return f"inside the margin, but {evidence.withheld}"
    if evidence.lost_share == 0:
        return None
    worst = interval.low * (1 - evidence.lost_share) - evidence.lost_share
    if evidence.has_range and worst > -margin:
        return None
    return "inside the margin, but items failed under the variant alone"


def _lies_inside(evidence: Evidence) -> bool:
    """The interval of what was seen, without what may be too rare to have been seen."""
    interval, margin = evidence.interval, evidence.margin
    return interval is not None and margin is not None and inside_margin(interval, margin)


def _negligible(shown: Verdict | None) -> tuple[str, ...]:
    if shown is None:
        return ()
    return (f"a real but negligible {'loss' if shown == 'worse' else 'gain'}",)


def _open(evidence: Evidence) -> str:
    interval = evidence.interval
    small = _direction(evidence)
    if small is not None:
        what = "loss" if small == "worse" else "gain"
        return (
            f"a {what} inside the margin is shown; large losses too rare to be seen could exceed it"
        )
    if interval is not None and not interval.low <= 0 <= interval.high:
        return "not shown after adjusting for the family"
    if evidence.p_value <= evidence.alpha:
        return "test and interval disagree"
    if evidence.margin is None:
        return "no difference shown; no margin declared"
    if evidence.units is not None and evidence.units < (evidence.fewest_units or 0):
        least = plural(evidence.fewest_units or 0, "unit")
        return f"fewer than the {least} that the margin takes"
    if _lies_inside(evidence):
        return "large losses too rare to have been seen could exceed the margin"
    return "interval reaches past the margin"
