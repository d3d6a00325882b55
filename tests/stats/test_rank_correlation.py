"""Spearman's correlation against scipy, a textbook, and simulation with known truth."""

import numpy as np
import pytest
from scipy import stats

from babelbits.stats.rank_correlation import spearman


def test_it_is_scipys() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=20), rng.integers(0, 5, 20)
    found = spearman(x, y)
    assert found is not None
    assert found.r == pytest.approx(stats.spearmanr(x, y).statistic)


def test_the_partial_one_is_the_textbook_formula() -> None:
    """(r_xy - r_xz r_yz) / sqrt((1 - r_xz^2)(1 - r_yz^2)), on ranks."""
    rng = np.random.default_rng(2)
    z = rng.normal(size=30)
    x, y = z + rng.normal(size=30), z + rng.normal(size=30)
    found = spearman(x, y, controls=z[:, None])
    assert found is not None
    xy, xz, yz = (stats.spearmanr(*pair).statistic for pair in ((x, y), (x, z), (y, z)))
    assert found.r == pytest.approx((xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2)))


def test_the_interval_is_bonett_and_wrights() -> None:
    """By hand: r = 0.6 of n = 28 gives tanh(0.6931 -+ 1.96 sqrt(1.18 / 25))."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=28), rng.normal(size=28)
    found = spearman(x, y)
    assert found is not None
    half = 1.959964 * np.sqrt((1 + found.r**2 / 2) / 25)
    ends = np.tanh(np.arctanh(found.r) + np.array([-half, half]))
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(ends))


def test_intervals_hold_the_truth_and_power_is_as_said() -> None:
    """Normal with r such that Spearman's is what 25 units can show: 6/pi asin(r/2)."""
    rng = np.random.default_rng(4)
    known = spearman(rng.normal(size=25), rng.normal(size=25))
    assert known is not None
    assert known.detectable is not None
    rho = known.detectable
    r = 2 * np.sin(np.pi * rho / 6)
    shown = held = 0
    for _ in range(400):
        x = rng.normal(size=25)
        found = spearman(x, r * x + np.sqrt(1 - r * r) * rng.normal(size=25))
        assert found is not None
        shown += found.interval.low > 0
        held += found.interval.low < rho < found.interval.high
    assert shown / 400 == pytest.approx(0.80, abs=0.06)
    assert held / 400 > 0.92


def test_nothing_is_seldom_called_something() -> None:
    """The false one: independent quantities of 15 units."""
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(300):
        found = spearman(rng.normal(size=15), rng.normal(size=15))
        assert found is not None
        wrong += not found.interval.low < 0 < found.interval.high
    assert wrong / 300 < 0.10


def test_too_few_units_say_nothing() -> None:
    assert spearman([1, 2, 3], [1, 2, 3]) is None
    assert spearman([1, 2, 3, 4], [1, 1, 1, 1]) is None
    assert spearman([1, 2, 3, 4], [1, 2, 3, 4], controls=[[0], [0], [1], [1]]) is None
    few = spearman([1, 2, 3, 4], [1, 3, 2, 4])
    assert few is not None
    assert few.detectable is not None
    assert few.detectable > 0.99
