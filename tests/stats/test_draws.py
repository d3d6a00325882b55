"""Calibration languages against the variation between draws of text."""

import math

import numpy as np
import pytest
from scipy import stats

from babelbits.errors import UnpairedItemsError
from babelbits.stats.draws import draw_contrast

FIRST = np.array([[0.0, -1.0, 0.0, -1.0], [0.0, -1.0, -1.0, -1.0]])
SECOND = np.array([[0.0, 0.0, 0.0, -1.0], [0.0, 0.0, 0.0, 0.0]])


def test_two_draws_of_four_items_by_hand() -> None:
    """Means -.5, -.75 and -.25, 0: difference -.5; draws vary with variance (.03125 + .03125)/2.

    Items: the difference of the two means over draws is 0, -1, -.5, -.5, variance 1/6.
    """
    found = draw_contrast(FIRST, SECOND)
    assert found.estimate == pytest.approx(-0.5)
    assert found.draw_sd == pytest.approx(math.sqrt(0.03125))
    of_draws, of_items = 0.03125 * (1 / 2 + 1 / 2), (1 / 6) / 4
    total = of_draws + of_items
    df = total**2 / (of_draws**2 / 2 + of_items**2 / 3)
    t = -0.5 / math.sqrt(total)
    assert found.p_value == pytest.approx(2 * stats.t.cdf(t, df))
    assert found.interval is not None
    low, high = stats.t.interval(0.95, df, loc=-0.5, scale=math.sqrt(total))
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high))


def test_without_spread_between_draws_it_is_the_paired_t_test_of_scipy() -> None:
    """The same outputs from every draw: only items vary."""
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(size=(2, 30))
    found = draw_contrast(np.stack([ours] * 3), np.stack([theirs] * 2))
    assert found.draw_sd == pytest.approx(0, abs=1e-12)
    assert found.p_value == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)


def test_one_draw_a_side_says_nothing_about_languages() -> None:
    found = draw_contrast(FIRST[:1], SECOND[:1])
    assert (found.draw_sd, found.p_value, found.interval) == (None, None, None)
    assert found.estimate == pytest.approx(-0.25)


def test_draws_of_a_third_language_tell_how_much_draws_vary() -> None:
    third = np.array([[0.0, 0.0, 0.0, 0.0], [-1.0, -1.0, -1.0, -1.0]])
    alone, helped = draw_contrast(FIRST[:1], SECOND[:1]), draw_contrast(
        FIRST[:1], SECOND[:1], others=[third]
    )  # fmt: skip
    assert alone.p_value is None
    assert helped.draw_sd == pytest.approx(math.sqrt(0.5))  # -0 and -1
    assert helped.p_value is not None


def test_where_nothing_varies_there_is_no_test() -> None:
    found = draw_contrast(np.zeros((3, 5)), np.zeros((3, 5)))
    assert (found.draw_sd, found.p_value, found.interval) == (0.0, None, None)
    one_item = draw_contrast([[0.0], [0.5]], [[0.25], [0.5]])
    assert one_item.p_value is None


def test_swapping_sides_negates_the_difference_and_keeps_p() -> None:
    one, other = draw_contrast(FIRST, SECOND), draw_contrast(SECOND, FIRST)
    assert one.estimate == -other.estimate
    assert one.p_value == pytest.approx(other.p_value)


def test_refusals_name_what_is_wrong() -> None:
    with pytest.raises(UnpairedItemsError, match="4, 3 items"):
        draw_contrast(FIRST, SECOND[:, :3])
    with pytest.raises(UnpairedItemsError, match="empty or not finite"):
        draw_contrast(FIRST, SECOND * np.nan)


@pytest.mark.slow
@pytest.mark.parametrize("draw_sd", [0.0, 0.01, 0.03])
def test_false_alarms_stay_below_the_level_whatever_draws_do(draw_sd: float) -> None:
    """Simulated null: no language effect; draws move scores by 0, 1 or 3 points.

    A test of items alone would be wrong far too often (craft of calibration: Williams & Aletras
    2024 saw 0.9 to 1.6 points between draws).
    """
    rng = np.random.default_rng(5)
    rounds, alarms, by_items = 1500, 0, 0
    for _ in range(rounds):
        items = rng.normal(0, 0.2, 250)
        draws = rng.normal(0, draw_sd, (6, 1))
        table = items + draws + rng.normal(0, 0.2, (6, 250))
        found = draw_contrast(table[:3], table[3:])
        alarms += found.p_value is not None and found.p_value <= 0.05
        by_items += stats.ttest_rel(table[:3].mean(0), table[3:].mean(0)).pvalue <= 0.05
    tolerance = 3 * math.sqrt(rounds * 0.05 * 0.95)
    assert alarms <= rounds * 0.05 + tolerance
    if draw_sd == 0.03:
        assert by_items > rounds * 0.3
