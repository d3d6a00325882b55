"""Cumulative sums against published tables and simulated releases."""

import numpy as np
import pytest
from scipy import stats

from babelbits.stats.monitoring import cumulate, limit_for, run_length, z_of


@pytest.mark.parametrize(
    ("limit", "shift", "published"),
    [(4, 0, 2 * 168), (5, 0, 2 * 465), (4, -1, 8.38), (5, -1, 10.4), (4, -2, 3.34), (5, -2, 4.01)],
)
def test_run_lengths_are_those_of_montgomery(limit: float, shift: float, published: float) -> None:
    """Introduction to Statistical Quality Control, table 9.3, k = 1/2, two-sided charts.

    Without a shift one side alone runs twice as long as both (335 and 930).
    """
    assert run_length(limit, shift=shift) == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize("length", [20, 100])
def test_simulated_runs_are_as_long_as_stated(length: float) -> None:
    """2,000 runs of releases that are no worse: within 10 % of the stated length."""
    rng, limit = np.random.default_rng(3), limit_for(length)
    runs = []
    for _ in range(2000):
        total, count = 0.0, 0
        while total <= limit:
            total = max(0.0, total - rng.standard_normal() - 0.5)
            count += 1
        runs.append(count)
    assert np.mean(runs) == pytest.approx(length, rel=0.1)


def test_runs_of_paired_right_wrong_items_are_as_long_as_stated() -> None:
    """Mid-p sign tests on 60 changed items, half of them broken: as long as for normal z."""
    rng, limit = np.random.default_rng(4), limit_for(50)
    known = {
        broke: z_of(
            min(1.0, 2 * stats.binom.cdf(min(broke, 60 - broke), 60, 0.5)
                - stats.binom.pmf(broke, 60, 0.5)),
            30.0 - broke,
        )
        for broke in range(61)
    }  # fmt: skip
    runs = []
    for _ in range(1500):
        total, count = 0.0, 0
        while total <= limit:
            total = max(0.0, total - known[int(rng.binomial(60, 0.5))] - 0.5)
            count += 1
        runs.append(count)
    assert np.mean(runs) == pytest.approx(50, rel=0.1)


def test_a_sum_by_hand() -> None:
    """-1, -1, 2, -3: 0.5, 1, 0, 2.5 with the allowance of a half; an alarm above 2, then anew."""
    chart = cumulate([-1, -1, 2, -3, -1], limit=2)
    assert chart.sums == pytest.approx((0.5, 1.0, 0.0, 2.5, 0.5))
    assert chart.alarms == (3,)


def test_small_losses_in_a_row_are_found_and_one_is_not() -> None:
    limit = limit_for(100)
    assert cumulate([-1.5], limit=limit).alarms == ()
    assert cumulate([-1.5] * 6, limit=limit).alarms != ()
    assert cumulate([1.5, -1.5] * 6, limit=limit).alarms == ()


@pytest.mark.parametrize(
    ("p", "delta", "z"), [(0.05, -1, -1.959964), (0.05, 1, 1.959964), (1.0, -1, 0), (None, -1, 0)]
)
def test_z_of_a_p(p: float | None, delta: float, z: float) -> None:
    assert z_of(p, delta) == pytest.approx(z, abs=1e-6)


@pytest.mark.parametrize("length", [1, 1e9])
def test_lengths_out_of_reach_are_refused(length: float) -> None:
    with pytest.raises(ValueError, match="average run length"):
        limit_for(length)
