"""Survival by position against statsmodels and hand calculation."""

import numpy as np
import pytest

from babelbits.stats.survival import difference_of_means, pseudo_means, survival_curve


def test_the_curve_is_kaplan_meiers_as_statsmodels_has_it() -> None:
    from statsmodels.duration.survfunc import SurvfuncRight

    rng = np.random.default_rng(1)
    lasted, ended = rng.integers(0, 20, size=60), rng.random(60) < 0.6
    theirs = SurvfuncRight(lasted + 1, ended.astype(int))  # it wants times above 0
    expected = dict(zip(theirs.surv_times - 1, theirs.surv_prob, strict=True))
    found = survival_curve(lasted, ended, clusters=range(60), rng=rng, resamples=50)
    assert {p.position: p.share for p in found if p.position in expected} == pytest.approx(expected)


def test_intervals_of_uncensored_times_are_near_the_binomials() -> None:
    """Half of 400 independent texts end at 0: share 0.5, standard error 0.025."""
    rng = np.random.default_rng(2)
    found = survival_curve([0, 9] * 200, [1, 0] * 200, clusters=range(400), rng=rng)
    interval = found[0].interval
    assert found[0].share == 0.5
    assert interval is not None
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * 0.025, rel=0.15)


def test_the_difference_of_means_is_the_area_between_the_curves() -> None:
    """Half leave at position 2 of 10, none in the other arm: 0.5 x 8 positions less."""
    rng = np.random.default_rng(3)
    stays = ([10] * 100, [False] * 100)
    leaves = ([2, 10] * 50, [True, False] * 50)
    found = difference_of_means(
        stays, leaves, clusters=(range(100), range(100)), horizon=10, rng=rng
    )
    assert found.difference == pytest.approx(-0.5 * 8)
    assert found.interval is not None
    assert found.interval.low < -4 < found.interval.high < 0


def test_intervals_hold_a_known_difference() -> None:
    """Geometric ends with hazards 0.05 and 0.1: means are sums of (1 - h)^(t + 1) for t < 12."""
    rng = np.random.default_rng(4)
    truth = sum(0.9 ** (t + 1) - 0.95 ** (t + 1) for t in range(12))
    held = 0
    for _ in range(150):
        arms = []
        for hazard in (0.05, 0.1):
            times = rng.geometric(hazard, size=80) - 1
            arms.append((np.minimum(times, 12), times < 12))
        found = difference_of_means(
            arms[0], arms[1], clusters=(range(80), range(80)), horizon=12, rng=rng, resamples=200
        ).interval
        assert found is not None
        held += found.low <= truth <= found.high
    assert 0.89 <= held / 150 <= 0.99


def test_pseudo_values_are_the_jackknifes_of_kaplan_meiers_area() -> None:
    """Leave one out with statsmodels' `SurvfuncRight`; uncensored ones are the times, cut."""
    from statsmodels.duration.survfunc import SurvfuncRight

    rng = np.random.default_rng(5)
    lasted, ended = rng.integers(0, 20, size=25), rng.random(25) < 0.6
    lasted[0], ended[0] = 19, True

    def area(kept: np.ndarray) -> float:
        theirs = SurvfuncRight(lasted[kept] + 1, ended[kept].astype(int))
        steps = dict(zip(theirs.surv_times - 1, theirs.surv_prob, strict=True))
        share, total = 1.0, 0.0
        for position in range(12):
            share = float(steps.get(position, share))
            total += share
        return total

    everyone = np.arange(25)
    expected = [25 * area(everyone) - 24 * area(np.delete(everyone, n)) for n in everyone]
    assert pseudo_means(lasted, ended, horizon=12) == pytest.approx(expected)
    whole = np.ones(25, bool)
    assert pseudo_means(lasted, whole, horizon=12) == pytest.approx(np.minimum(lasted, 12))
    with pytest.raises(ValueError, match="two observations"):
        pseudo_means([3], [True], horizon=5)
