"""The mean of a table of seeds by items, where both would be others another time.

Models trained with a few seeds answer the same items. The mean over seeds and items is known no
better than so few seeds allow, and no better than so many items. Sign is the caller's: differences
with harm negative, as everywhere.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from babelbits.errors import UnpairedItemsError
from babelbits.stats.student import MeanTest, mean_test

FEWEST_SEEDS = 3
"""For a verdict. Where seeds vary more than items do, up to 8 % of tests of nothing are below 5 %
with three seeds, up to 12 % with two (tests/stats/test_crossed_mean.py)."""


def crossed_mean(table: ArrayLike, *, level: float = 0.95) -> MeanTest | None:
    """Test of "the mean is 0" and interval of the mean, over seeds and items.

    The variance is the sum of that of the seeds' means over the number of seeds, and that of the
    items' means over the number of items. What remains of an item within a seed is in both, so the
    sum errs on the large side. Student's t with Satterthwaite's degrees of freedom; those of the
    items are the ones that are not 0 for all seeds, less one.

    Parameters
    ----------
    table : shape (n_seeds, n_items)
        The same items in the same order for every seed.

    Returns
    -------
    MeanTest or None
        None with fewer than two seeds or items, or where nothing varies.

    Raises
    ------
    UnpairedItemsError
        If the table is empty or holds what is no number.

    References
    ----------
    Clark (1973), J. Verbal Learning and Verbal Behavior 12:335 (two kinds of random units);
    Satterthwaite (1946), Biometrics Bulletin 2:110.
    """
    values = np.asarray(table, float)
    if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
        raise UnpairedItemsError(
            f"a table of shape {values.shape} is empty or not finite",
            hint="leave items without a score out for all seeds and count them",
        )
    n_seeds, n_items = values.shape
    n_changed = int(np.count_nonzero(values.any(axis=0)))
    if n_seeds < 2 or n_changed < 2:
        return None
    of_seeds = float(np.var(values.mean(axis=1), ddof=1)) / n_seeds
    of_items = float(np.var(values.mean(axis=0), ddof=1)) / n_items
    total = of_seeds + of_items
    if total <= (1e-12 * float(np.abs(values).max())) ** 2:
        return None
    df = total**2 / (of_seeds**2 / (n_seeds - 1) + of_items**2 / (n_changed - 1))
    return mean_test(
        float(values.mean()), math.sqrt(total), df=df, level=level, name="t over seeds and items"
    )
