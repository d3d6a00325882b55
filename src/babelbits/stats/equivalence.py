"""Showing that nothing beyond a margin happened: two one-sided tests (TOST).

A p-value above 0.05 never shows that. Equivalence at level alpha is shown exactly when the
1 - 2 alpha interval lies inside the margin; any interval method that fits the data may be used.
Equivalence tests are no part of a family of difference tests, and "equivalent in all languages" is
an intersection-union claim: each at alpha, no correction (Berger & Hsu 1996, Statistical Science
11:283).
Sign: harm is negative; margins are positive and in the unit of the difference.
"""

from babelbits.records import Interval


def inside_margin(interval: Interval, margin: float) -> bool:
    """Whether an interval of level 1 - 2 alpha lies strictly inside (-margin, +margin)."""
    return -margin < interval.low and interval.high < margin
