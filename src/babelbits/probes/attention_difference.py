"""By how much attention on a language's name differs between tokens that leave it and that stay.

Reads what `switch_attention` recorded. A switching token counts once; its matched tokens share its
weight. Within a language all values are taken less the mean of its matched tokens, so that only
what differs within a language counts. Switching and matched tokens are two samples of clusters
(source items): Welch's t. Sign: switching less matched. No torch here.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from babelbits.probes.switch_attention import ROWS, WINDOW
from babelbits.records import Interval
from babelbits.stats.cluster import cluster_scores
from babelbits.stats.difference_in_differences import difference_of_samples
from babelbits.words import agreeing, plural

NO_SWITCH = "no answer leaves its language"
_FEWEST_MATCHED = 2
"""Tokens that stay, without which a switching token has nothing to be held against."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionDifference:
    """A variant on a task, over its languages."""

    variant: str
    suite: str
    row: str
    """'token': of the switching token; 'choice': of the token before, which chose it."""
    n_switched: int
    """Answers that leave their language."""
    n_read: int
    """Of these, with names in the prompt and matched tokens."""
    n_matched: int
    switching: float | None = None
    """Mean attention on the names, in [0, 1]."""
    matched: float | None = None
    difference: float | None = None
    interval: Interval | None = None
    why_not: str | None = None
    """Why there is no difference, or no interval."""


def compare_attention(
    variant: str, suite: str, rows: Mapping[str, Sequence[Row]]
) -> tuple[AttentionDifference, ...]:
    """Both rows of attention; `rows` are by language, as `read_attention` has them."""
    return tuple(_difference(variant, suite, rows, row=name) for name in ROWS)


def _difference(
    variant: str, suite: str, rows: Mapping[str, Sequence[Row]], *, row: str
) -> AttentionDifference:
    switched = [one for ours in rows.values() for one in ours if one["switched"]]
    reasons = Counter(one["why"] for one in switched if one["why"] is not None)
    ours: list[tuple[float, str]] = []
    theirs: list[tuple[float, str, float]] = []
    centres: list[float] = []
    for language_rows in rows.values():
        sets = _matched_sets(language_rows)
        used = {id(one): one for _, stay in sets for one in stay}
        if not sets:
            continue
        centre = float(np.mean([one[row] for one in used.values()]))
        weights = dict.fromkeys(used, 0.0)
        for token, stay in sets:
            ours.append((token[row] - centre, token["unit"]))
            centres.append(centre)
            for one in stay:
                weights[id(one)] += 1 / len(stay)
        theirs += [(one[row] - centre, one["unit"], weights[key]) for key, one in used.items()]
    found = AttentionDifference(
        variant=variant,
        suite=suite,
        row=row,
        n_switched=len(switched),
        n_read=len(ours),
        n_matched=len(theirs),
    )
    return _with_numbers(found, ours, theirs, centres, reasons)


def _matched_sets(rows: Sequence[Row]) -> list[tuple[Row, list[Row]]]:
    """Switching tokens of a language that could be read, each with its matched tokens."""
    stay = [one for one in rows if not one["switched"]]
    sets = [
        (one, [other for other in stay if abs(other["position"] - one["position"]) <= WINDOW])
        for one in rows
        if one["switched"] and one["why"] is None
    ]
    return [(one, matched) for one, matched in sets if len(matched) >= _FEWEST_MATCHED]


def _with_numbers(
    found: AttentionDifference,
    ours: Sequence[tuple[float, str]],
    theirs: Sequence[tuple[float, str, float]],
    centres: Sequence[float],
    reasons: Counter[str],
) -> AttentionDifference:
    if not found.n_switched:
        return replace(found, why_not=NO_SWITCH)
    if not ours:
        why = (
            reasons.most_common(1)[0][0]
            if reasons
            else "fewer than two tokens that stay lie at its place"
        )
        return replace(found, why_not=why)
    names = dict.fromkeys([*(unit for _, unit in ours), *(unit for _, unit, _ in theirs)])
    units = {unit: number for number, unit in enumerate(names)}
    first = cluster_scores([v for v, _ in ours], clusters=[units[u] for _, u in ours])
    second = cluster_scores(
        [v for v, _, _ in theirs],
        clusters=[units[u] for _, u, _ in theirs],
        sizes=[w for _, _, w in theirs],
    )
    tested = difference_of_samples(first, second)
    centre = float(np.mean(centres))
    return replace(
        found,
        switching=first.estimate + centre,
        matched=second.estimate + centre,
        difference=first.estimate - second.estimate,
        interval=None if tested is None else tested.interval,
        why_not=None if tested is not None else "too few answers switch for an interval",
    )


def describe_attention(one: AttentionDifference) -> str:
    """What is shown of the switching token's attention, or why nothing can be said."""
    whose = "the switching token" if one.row == "token" else "the token that chose the switch"
    who = f"{one.variant} on {one.suite}, attention of {whose} to the language's name"
    if one.difference is None:
        many = ""
        if one.n_switched:
            verb = agreeing(one.n_switched, "leaves its", "leave their")
            many = f" ({plural(one.n_switched, 'answer')} {verb} language)"
        return f"{who}: not known: {one.why_not}{many}"
    sizes = (
        f"{100 * (one.switching or 0):.2f} % against {100 * (one.matched or 0):.2f} % of "
        f"{plural(one.n_matched, 'matched token')} that {agreeing(one.n_matched, 'stays', 'stay')}"
    )
    of_all = f"{one.n_read} of {plural(one.n_switched, 'switch', 'switches')}"
    if one.interval is None:
        return f"{who}: {sizes} ({of_all}; {one.why_not}; exploratory)"
    low, high = one.interval.low, one.interval.high
    said = "less is shown" if high < 0 else "more is shown" if low > 0 else "no difference is shown"
    change = f"{100 * one.difference:+.2f} points ({100 * low:+.2f} to {100 * high:+.2f})"
    return f"{who}: {said}, {change}; {sizes} ({of_all}; exploratory)"
