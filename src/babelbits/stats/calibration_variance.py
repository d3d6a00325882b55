"""Does the calibration language matter? Differences judged against what another draw would change.

A recipe sees a draw of text. Two calibration languages differ by their language and by their draws,
so the question has two kinds of units: the benchmark's items, and the draws. With fewer than three
draws a side nobody knows how much draws vary: nothing is said about languages, only about texts.
Sign: ``first - second`` of oriented differences from the same baseline; negative says that the
first calibration harms more.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from babelbits.errors import UnpairedItemsError
from babelbits.records import Interval
from babelbits.stats.paired_scores import FloatArray

FEWEST_DRAWS = 3
"""Of either side. With two 5 to 8 % of families of languages show something that is not so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawContrast:
    """Two calibrations on the same items, each with one or more draws of text."""

    estimate: float
    """Mean over draws and items of the first less that of the second."""
    draws_first: int
    draws_second: int
    n_units: int
    draw_sd: float | None
    """Standard deviation of a score between draws of one language; None with one draw each."""
    p_value: float | None
    """Two-sided, over items and draws; None below three draws a side, or where nothing varies."""
    interval: Interval | None
    """None exactly where `p_value` is."""


def draw_contrast(
    first: ArrayLike,
    second: ArrayLike,
    *,
    others: Sequence[ArrayLike] = (),
    level: float = 0.95,
) -> DrawContrast:
    """Test and interval of the difference of two calibrations.

    The variance is the sum of three parts: that of the items (of the difference of the two means
    over draws, item by item) and that of the draws of either side, which need not vary alike. What
    remains of an item within a draw is in both kinds, so the sum errs on the large side. Student's
    t with Satterthwaite's degrees of freedom.

    Parameters
    ----------
    first, second : shape (n_draws, n_units)
        Differences from the baseline, the same units in the same order; one row a draw.
    others : sequence of the same
        Further calibrations of the recipe: they help to tell how much draws vary (`draw_sd`), which
        is shown and not tested with.

    Raises
    ------
    UnpairedItemsError
        If the units differ in number, there are none, or a difference is missing.

    References
    ----------
    Clark (1973), J. Verbal Learning and Verbal Behavior 12:335 (two kinds of random units);
    Satterthwaite (1946), Biometrics Bulletin 2:110.
    """
    tables = [_checked(one) for one in (first, second, *others)]
    ours, theirs = tables[:2]
    n_units = ours.shape[1]
    if any(one.shape[1] != n_units for one in tables):
        raise UnpairedItemsError(
            f"calibrations with {', '.join(str(one.shape[1]) for one in tables)} items",
            hint="compare them on the items that all have",
        )
    estimate = float(ours.mean() - theirs.mean())
    spread = _spread_of_draws(tables)
    plain = DrawContrast(
        estimate=estimate,
        draws_first=len(ours),
        draws_second=len(theirs),
        n_units=n_units,
        draw_sd=None if spread is None else math.sqrt(spread),
        p_value=None,
        interval=None,
    )
    if min(len(ours), len(theirs)) < FEWEST_DRAWS:
        return plain
    return _tested(plain, ours, theirs, level=level)


def _checked(values: ArrayLike) -> FloatArray:
    table = np.atleast_2d(np.asarray(values, float))
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise UnpairedItemsError(
            f"draws of shape {table.shape} are empty or not finite",
            hint="leave items without a score out of all draws and count them",
        )
    return table


def _spread_of_draws(tables: Sequence[FloatArray]) -> float | None:
    """Variance of a draw's mean within its calibration, pooled; None with one draw each."""
    means = [one.mean(axis=1) for one in tables]
    df = sum(len(one) - 1 for one in means)
    if df == 0:
        return None
    squares = sum(float(np.sum((one - one.mean()) ** 2)) for one in means)
    return squares / df


def _tested(
    plain: DrawContrast,
    first: FloatArray,
    second: FloatArray,
    *,
    level: float,
) -> DrawContrast:
    of_draws = [float(np.var(one.mean(axis=1), ddof=1)) / len(one) for one in (first, second)]
    n = plain.n_units
    apart = first.mean(axis=0) - second.mean(axis=0)
    of_units = float(np.var(apart, ddof=1)) / n if n > 1 else math.inf
    total = sum(of_draws) + of_units
    if total == 0 or not math.isfinite(total):
        return plain
    parts = [(of_draws[0], len(first)), (of_draws[1], len(second)), (of_units, n)]
    df = total**2 / sum(part**2 / (count - 1) for part, count in parts)
    t = plain.estimate / math.sqrt(total)
    half = float(special.stdtrit(df, (1 + level) / 2)) * math.sqrt(total)
    return DrawContrast(
        estimate=plain.estimate,
        draws_first=plain.draws_first,
        draws_second=plain.draws_second,
        n_units=n,
        draw_sd=plain.draw_sd,
        p_value=min(1.0, 2 * float(special.stdtr(df, -abs(t)))),
        interval=Interval(
            low=plain.estimate - half,
            high=plain.estimate + half,
            level=level,
            method=f"t over items and draws, {df:.1f} df",
        ),
    )
