"""Claims about several comparisons at once: in all of them, or in at least one.

"Equivalent in *all* of these languages" is an intersection-union claim: it holds at level alpha if
every test does at level alpha, without a correction, because one failure sinks it. "Worse in *at
least one* language" picks its evidence from many tests and needs the correction. Harm is negative
in the intervals; p-values are those of the single claims.
"""

from collections.abc import Sequence

from babelbits.records import Interval
from babelbits.stats.equivalence import inside_margin
from babelbits.stats.multiplicity import holm


def in_all(p_values: Sequence[float]) -> float:
    """p-value of "every one of these claims is true": the largest.

    Raises
    ------
    ValueError
        If there are no claims: nothing is true of all languages of an empty set.

    References
    ----------
    Berger (1982), Technometrics 24:295; Berger & Hsu (1996), Statistical Science 11:283.
    """
    return max(_some(p_values))


def in_at_least_one(p_values: Sequence[float]) -> float:
    """p-value of "at least one of these claims is true": the smallest after Holm's correction.

    That is Bonferroni's n times the smallest p. Which ones are true is for `multiplicity.holm`.

    Raises
    ------
    ValueError
        If there are no claims.
    """
    return min(holm(_some(p_values)))


def equivalent_in_all(intervals: Sequence[Interval | None], margin: float) -> bool:
    """Whether equivalence within `margin` is shown in every comparison.

    Parameters
    ----------
    intervals : sequence of Interval or None
        Of level 1 - 2 alpha; None (nothing could be said) is not shown.
    """
    return bool(intervals) and all(
        one is not None and inside_margin(one, margin) for one in intervals
    )


def _some(p_values: Sequence[float]) -> Sequence[float]:
    if not p_values:
        raise ValueError("a claim about several comparisons needs at least one")
    return p_values
