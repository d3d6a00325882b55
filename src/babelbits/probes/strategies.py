"""Two ways of quantizing against each other, on a task and between one task and another.

Marchisio et al. 2024 (arXiv 2407.03211, section 4.5) ask whether SmoothQuant wins back what int8
activations lost, and whether scales by group hurt prompts that ask for another language. Both are
contrasts of two variants: the first less the second on the same items, clustered by source item;
and between two tasks the difference of these differences, whose items are two samples.

Sign: first variant less second, oriented, so that a negative number says that the first does worse.
A difference of differences is that of the first task less that of the second. Exploratory unless
the study declares the pair. p-values are Holm's over all that was asked at once; intervals are 95 %
each. No torch here; nothing is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from babelbits.records import Interval, quantities
from babelbits.stats.cluster import ClusterScores
from babelbits.stats.difference_in_differences import difference_of_samples
from babelbits.stats.multiplicity import holm
from babelbits.stats.student import MeanTest, t_of_changed
from babelbits.words import plural

LANGUAGE = "tokens in the language"
"""The measure of `switching`: restricted mean number of tokens before the first switch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyPair:
    """Two variants, by label."""

    variant: str
    against: str
    declared: bool = False
    """By the study, before it was run."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ConditionScores:
    """What two variants, and each of them and the baseline, differ by on a task."""

    suite: str
    measure: str
    unit: str
    languages: tuple[str, ...]
    n_items: int
    contrast: ClusterScores
    own: ClusterScores | None = None
    """First variant less the baseline; None where it was not measured."""
    theirs: ClusterScores | None = None
    horizon: int | None = None
    """Of `LANGUAGE`: tokens that count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A mean difference."""

    difference: float
    interval: Interval | None
    """None where too little changed to tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyContrast:
    """Two variants on a task, or on one task against another."""

    pair: StrategyPair
    suite: str
    other_suite: str | None
    """Second task of a difference of differences; else None."""
    measure: str
    unit: str
    languages: tuple[str, ...] = ()
    n_items: int = 0
    n_units: int = 0
    """Independent sources, of both tasks."""
    horizon: int | None = None
    difference: float | None = None
    interval: Interval | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    own: Change | None = None
    """First variant against the baseline; of a difference of differences, in the first task the
    first variant against the second."""
    theirs: Change | None = None
    """Second variant against the baseline; the pair's contrast in the second task."""
    shown: bool = False
    """Whether the adjusted p is at most alpha."""
    why_not: str | None = None
    """Why there is no number, or no interval."""


def contrast_on(pair: StrategyPair, found: ConditionScores, *, alpha: float) -> StrategyContrast:
    """First variant less second on a task: Student's t over sources, changed ones as df."""
    tested = _tested(found.contrast, level=1 - alpha)
    return StrategyContrast(
        pair=pair,
        suite=found.suite,
        other_suite=None,
        measure=found.measure,
        unit=found.unit,
        languages=found.languages,
        n_items=found.n_items,
        n_units=found.contrast.n_clusters,
        horizon=found.horizon,
        difference=found.contrast.estimate,
        interval=None if tested is None else tested.interval,
        p_value=None if tested is None else tested.p_value,
        own=_change(found.own, level=1 - alpha),
        theirs=_change(found.theirs, level=1 - alpha),
        why_not=None if tested is not None else "too few items changed for an interval",
    )


def contrast_between(
    pair: StrategyPair, first: ConditionScores, second: ConditionScores, *, alpha: float
) -> StrategyContrast:
    """The contrast on the first task less that on the second, whose items are others: Welch's t.

    Both are over the same languages, in the same unit; of `LANGUAGE`, up to the same token.
    """
    tested = difference_of_samples(first.contrast, second.contrast, level=1 - alpha)
    return StrategyContrast(
        pair=pair,
        suite=first.suite,
        other_suite=second.suite,
        measure=first.measure if first.measure == second.measure else "score",
        unit=first.unit,
        languages=first.languages,
        n_items=first.n_items + second.n_items,
        n_units=first.contrast.n_clusters + second.contrast.n_clusters,
        horizon=first.horizon,
        difference=first.contrast.estimate - second.contrast.estimate,
        interval=None if tested is None else tested.interval,
        p_value=None if tested is None else tested.p_value,
        own=_change(first.contrast, level=1 - alpha),
        theirs=_change(second.contrast, level=1 - alpha),
        why_not=None if tested is not None else "too few items changed for an interval",
    )


def pair_conditions(
    found: Sequence[ConditionScores],
) -> list[tuple[ConditionScores, ConditionScores]]:
    """Conditions that can be held against each other: of one unit, language or score alike."""
    return [
        (one, other)
        for one, other in combinations(found, 2)
        if one.unit == other.unit and (one.measure == LANGUAGE) == (other.measure == LANGUAGE)
    ]


def adjust(found: Sequence[StrategyContrast], *, alpha: float) -> tuple[StrategyContrast, ...]:
    """Holm over those that the study declares, and over the others."""
    adjusted: dict[int, float] = {}
    for declared in (True, False):
        members = [
            number
            for number, one in enumerate(found)
            if one.pair.declared is declared and one.p_value is not None
        ]
        values = holm([found[number].p_value or 0.0 for number in members])
        adjusted.update(zip(members, map(float, values), strict=True))
    return tuple(
        replace(one, p_adjusted=adjusted.get(number), shown=adjusted.get(number, 1.0) <= alpha)
        for number, one in enumerate(found)
    )


def _tested(scores: ClusterScores, *, level: float) -> MeanTest | None:
    changed = int(np.count_nonzero(np.abs(scores.contributions) > 1e-9))
    return t_of_changed(scores.linearised, n_changed=changed, level=level)


def _change(scores: ClusterScores | None, *, level: float) -> Change | None:
    if scores is None:
        return None
    tested = _tested(scores, level=level)
    return Change(difference=scores.estimate, interval=None if tested is None else tested.interval)


# --- in words -------------------------------------------------------------------------------------


def contrast_sentence(one: StrategyContrast) -> str:
    """What is shown of a contrast, with what each variant does itself."""
    if one.difference is None:
        return f"{_who(one)}: no contrast: {one.why_not}"
    if one.other_suite is not None:
        return f"{_who(one)}: {_between(one)}{_ending(one)}"
    own, theirs = one.pair.variant, one.pair.against
    parts = [
        f"{name} itself {_amount(found, one.unit)}"
        for name, found in ((theirs, one.theirs), (own, one.own))
        if found is not None
    ]
    itself = f"; against the baseline, {', '.join(parts)}: {_undone(one)}" if parts else ""
    return f"{_who(one)}: {_plain(one)}{itself}{_ending(one)}"


def _who(one: StrategyContrast) -> str:
    where = one.suite if one.other_suite is None else f"{one.suite} against {one.other_suite}"
    return f"{one.pair.variant} less {one.pair.against} on {where} ({one.measure})"


def _amount(found: Change, unit: str) -> str:
    told = quantities.amount(found.difference, unit)
    if found.interval is None:
        return f"{told} (no interval: too few items changed)"
    return f"{told} ({quantities.interval(found.interval, unit)})"


def _plain(one: StrategyContrast) -> str:
    found = Change(difference=one.difference or 0.0, interval=one.interval)
    said = "no difference is shown"
    if one.shown:
        better = "better" if found.difference > 0 else "worse"
        said = f"{one.pair.variant} does {better} than {one.pair.against}"
    return f"{said}, {_amount(found, one.unit)}"


def _between(one: StrategyContrast) -> str:
    found = Change(difference=one.difference or 0.0, interval=one.interval)
    said = "no difference between the two tasks is shown"
    if one.shown:
        way = "worse" if found.difference < 0 else "better"
        said = f"relative to {one.pair.against} it does {way} on {one.suite}"
    sides = [
        f"{name} {_amount(side, one.unit)}"
        for name, side in ((one.suite, one.own), (one.other_suite, one.theirs))
        if side is not None
    ]
    return f"{said}, {_amount(found, one.unit)}; {', '.join(sides)}"


def _undone(one: StrategyContrast) -> str:
    """Whether the first undoes harm of the second, where any is shown."""
    own, theirs, name = one.own, one.theirs, one.pair.against
    if theirs is None or theirs.interval is None or theirs.interval.high >= 0:
        return f"no harm of {name} is shown, so there is none to undo"
    if not one.shown or (one.difference or 0.0) <= 0:
        return f"{name} harms, and that {one.pair.variant} undoes it is not shown"
    left = own is not None and own.interval is not None and own.interval.high < 0
    whole = "part of it, and harm is left" if left else "it, as far as can be seen"
    return f"{name} harms, and {one.pair.variant} undoes {whole}"


def _ending(one: StrategyContrast) -> str:
    until = "" if one.horizon is None else f", of the first {plural(one.horizon, 'token')}"
    kind = "declared" if one.pair.declared else "exploratory"
    adjusted = "" if one.p_adjusted is None else f"; adjusted p {_p(one.p_adjusted)}"
    return (
        f"{until} ({plural(one.n_items, 'item')} of {plural(one.n_units, 'source')} in "
        f"{plural(len(one.languages), 'language')}{adjusted}; {kind})"
    )


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
