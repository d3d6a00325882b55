"""One change on three scales: points, relative change, share of above-chance ability lost.

The scales can disagree about who was harmed more, so all are reported. Near the floor only points
are defined: a language with nothing to lose cannot show harm. Undefined is None with the reason.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

AT_FLOOR = "the baseline is at its floor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """A number on a scale, or why there is none."""

    value: float | None
    reason: str | None = None
    """Set exactly when `value` is None."""


def relative_change(
    baseline: float, variant: float, *, higher_is_better: bool = True, at_floor: bool = False
) -> Scaled:
    """(variant - baseline) / baseline, a fraction, oriented: harm is negative.

    Of macro means this is the ratio of means.
    """
    if at_floor:
        return Scaled(value=None, reason=AT_FLOOR)
    if baseline <= 0:
        return Scaled(value=None, reason=f"the baseline is {baseline:g}: nothing to be relative to")
    change = (variant - baseline) / baseline
    return Scaled(value=change if higher_is_better else -change)


def above_chance_lost(
    baseline: float, variant: float, *, chance: float | None, at_floor: bool = False
) -> Scaled:
    """(baseline - variant) / (baseline - chance), a fraction; positive is harm.

    1 says that the variant guesses; above 1 it is worse than guessing.
    """
    if chance is None:
        return Scaled(value=None, reason="the metric has no chance level")
    if at_floor:
        return Scaled(value=None, reason=AT_FLOOR)
    if baseline <= chance:
        return Scaled(value=None, reason="the baseline is not above chance")
    return Scaled(value=(baseline - variant) / (baseline - chance))


def signs_conflict(differences: Sequence[float | None]) -> bool:
    """Whether scales disagree on the direction; undefined and zero ones have no say."""
    signs = {math.copysign(1, value) for value in differences if value}
    return len(signs) > 1
