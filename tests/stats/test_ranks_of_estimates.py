"""Simultaneous rank intervals by Tukey's method, and how often they hold."""

import numpy as np
import pytest
from scipy import stats

from babelbits.stats.ranks import ranks_of_estimates


def test_the_gap_that_parts_two_is_tukeys() -> None:
    """Four independent means of error 1: studentised range q(.95; 4, inf) = 3.633, scipy's too."""
    gap = float(stats.studentized_range.ppf(0.95, 4, np.inf))
    assert gap == pytest.approx(3.633, abs=1e-3)
    for size, parted in ((gap * 1.02, True), (gap * 0.98, False)):
        found = ranks_of_estimates(
            [size, 0.0, 0.0, 0.0], np.eye(4), rng=np.random.default_rng(0), resamples=200_000
        )
        assert (found[0].worst == 1) is parted


def test_errors_that_move_together_part_what_they_share() -> None:
    """Two variants on the same items: a difference of 1 with a standard error of 0.2."""
    shared = np.array([[1.0, 0.98], [0.98, 1.0]])
    found = ranks_of_estimates([1.0, 0.0], shared, rng=np.random.default_rng(0))
    assert [(one.best, one.worst) for one in found] == [(1, 1), (2, 2)]
    apart = ranks_of_estimates([1.0, 0.0], np.eye(2), rng=np.random.default_rng(0))
    assert [(one.best, one.worst) for one in apart] == [(1, 2), (1, 2)]


@pytest.mark.parametrize("means", [(0, 0, 0, 0, 0), (0, 0, 1, 2, 2), (0, 3, 6, 9, 12)])
def test_all_intervals_hold_together(means: tuple[float, ...]) -> None:
    """300 studies; with ties any of the tied ranks is a true one (Mohamad et al. 2019)."""
    rng, true = np.random.default_rng(1), np.array(means, float)
    errors = np.diag([0.5, 1.0, 0.5, 1.0, 2.0])
    best = [1 + int(np.sum(true > one)) for one in true]
    worst = [int(np.sum(true >= one)) for one in true]
    held = 0
    for _ in range(300):
        drawn = rng.multivariate_normal(true, errors)
        found = ranks_of_estimates(drawn, errors, rng=rng, resamples=1000)
        held += all(
            one.best <= low and one.worst >= high
            for one, low, high in zip(found, best, worst, strict=True)
        )
    assert held / 300 >= 0.95 - 3 * (0.05 * 0.95 / 300) ** 0.5


def test_refusals() -> None:
    with pytest.raises(ValueError, match="two at least"):
        ranks_of_estimates([1.0], [[1.0]], rng=np.random.default_rng(0))
