import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from babelbits.errors import UnpairedItemsError
from babelbits.records import Interval
from babelbits.stats.binary import PairedTable, score_statistic
from babelbits.stats.difference_in_differences import double_difference, paired_scores
from babelbits.stats.gains import expected_best, stands_out
from babelbits.stats.relative import (
    delta_baseline_correlation,
    mean_of_ratios,
    mean_of_ratios_scores,
    ratio_of_means_interval,
)
from babelbits.stats.student import t_of_changed


def interval(low: float, high: float) -> Interval:
    return Interval(low=low, high=high, level=0.95, method="given")


# --- relative change -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delta", "low", "high", "sign_low", "sign_high"),
    [
        (-0.05, -0.08, -0.02, -1, -1),
        (-0.05, -0.11, 0.01, -1, 1),
        (0.05, 0.02, 0.08, 1, 1),
        (0.0, -0.03, 0.03, -1, 1),
        (-0.05, -0.10, 0.0, -1, 0),
    ],
)
@pytest.mark.parametrize("correlation", [-0.6, 0.0, 0.6])
def test_ratio_and_difference_exclude_zero_together(
    delta: float, low: float, high: float, sign_low: int, sign_high: int, correlation: float
) -> None:
    found = ratio_of_means_interval(
        delta, interval(low, high), baseline=0.6, baseline_interval=interval(0.5, 0.7),
        correlation=correlation,
    )  # fmt: skip
    assert found is not None
    assert found.low <= delta / 0.6 <= found.high
    assert np.sign(found.low) == sign_low
    assert np.sign(np.round(found.high, 12)) == sign_high


def test_a_certain_baseline_only_divides() -> None:
    found = ratio_of_means_interval(
        -0.03, interval(-0.06, 0.01), baseline=0.5, baseline_interval=interval(0.5, 0.5)
    )
    assert found is not None
    assert (found.low, found.high) == pytest.approx((-0.12, 0.02))


def test_nothing_is_relative_to_a_baseline_that_may_be_zero() -> None:
    change = interval(-0.1, 0.1)
    for baseline, low, high in ((0.0, 0.0, 0.1), (0.05, 0.0, 0.2)):
        found = ratio_of_means_interval(
            0.02, change, baseline=baseline, baseline_interval=interval(low, high)
        )
        assert found is None


@pytest.mark.parametrize("high", [0.19, 0.2, 0.3])
def test_an_uncertain_baseline_pulls_a_shown_change_towards_zero(high: float) -> None:
    """The end r solves (0.02 - 0.1 r)^2 = 0.01^2 + r^2 (high - 0.1)^2: the definition."""
    found = ratio_of_means_interval(
        0.02, interval(0.01, 0.03), baseline=0.1, baseline_interval=interval(0.05, high)
    )
    assert found is not None
    assert 0 < found.low < 0.2
    right = 0.01**2 + found.low**2 * (high - 0.1) ** 2
    assert (0.02 - 0.1 * found.low) ** 2 == pytest.approx(right)


@given(
    delta=st.floats(-0.3, 0.3),
    arms=st.tuples(st.floats(0, 0.3), st.floats(0, 0.3)),
    baseline=st.floats(0.05, 1.0),
    shares=st.tuples(st.floats(0, 0.99), st.floats(0, 3)),
    correlation=st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]),
)
@settings(max_examples=400, deadline=None)
def test_ratio_intervals_hold_the_ratio_and_agree_with_the_difference_about_zero(
    delta: float,
    arms: tuple[float, float],
    baseline: float,
    shares: tuple[float, float],
    correlation: float,
) -> None:
    change = interval(delta - arms[0], delta + arms[1])
    base = interval(baseline * (1 - shares[0]), baseline * (1 + shares[1]))
    found = ratio_of_means_interval(
        delta, change, baseline=baseline, baseline_interval=base, correlation=correlation
    )
    assert found is not None
    assert found.low - 1e-9 <= delta / baseline <= found.high + 1e-9
    if abs(change.low) > 1e-9:
        assert np.sign(found.low) == np.sign(change.low)
    if abs(change.high) > 1e-9:
        assert np.sign(found.high) == np.sign(change.high)


def test_correlation_is_numpys_and_zero_without_spread() -> None:
    values = np.random.default_rng(0).normal(size=(2, 30))
    expected = np.corrcoef(values)[0, 1]
    assert delta_baseline_correlation(values[0], values[1]) == pytest.approx(expected)
    assert delta_baseline_correlation(np.zeros(30), values[1]) == 0.0


def test_mean_of_ratios_of_one_language_is_near_fieller() -> None:
    """The delta method and Fieller agree when the baseline is well known (400 items)."""
    rng = np.random.default_rng(5)
    before = rng.normal(1.0, 0.3, 400)
    after = before * 0.95 + rng.normal(0, 0.2, 400)
    labels = np.arange(400)
    scores = mean_of_ratios_scores(
        after - before, before, clusters=labels, strata=np.zeros(400, int)
    )
    assert scores is not None
    found = mean_of_ratios(scores)
    assert found is not None
    assert found.estimate == pytest.approx(after.mean() / before.mean() - 1)
    for end in (found.interval.low, found.interval.high):
        p = stats.ttest_1samp(after - (1 + end) * before, 0).pvalue
        assert p == pytest.approx(0.05, abs=0.004)


def test_mean_of_ratios_counts_each_language_the_same_by_hand() -> None:
    """-0.1 of 0.5 is -20 %, -0.1 of 1 is -10 %: mean -15 %, though one language has more items."""
    change = np.array([-0.2, 0.0, -0.1, -0.1, -0.1])
    base = np.array([0.4, 0.6, 1.0, 1.0, 1.0])
    scores = mean_of_ratios_scores(change, base, clusters=range(5), strata=[0, 0, 1, 1, 1])
    assert scores is not None
    assert scores.estimate == pytest.approx(-0.15)
    assert scores.linearised.mean() == pytest.approx(-0.15)


def test_a_language_at_zero_has_no_mean_of_ratios() -> None:
    assert mean_of_ratios_scores([0.1, 0.0], [0.0, 1.0], clusters=[0, 1], strata=[0, 1]) is None


# --- Student's t of what changed -------------------------------------------------------------


def test_t_of_changed_is_scipys_where_all_changed_and_careful_where_few_did() -> None:
    """Four equal losses of 1,000 have t = 2.004: p = 0.045 with 999 degrees, 0.139 with 3."""
    values = np.random.default_rng(2).normal(0.1, 1, 50)
    found = t_of_changed(values)
    assert found is not None
    assert found.p_value == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    few = np.zeros(1000)
    few[:4] = -1
    sparse = t_of_changed(few)
    assert sparse is not None
    assert sparse.p_value == pytest.approx(2 * stats.t.sf(2.0030075, 3), rel=1e-4)


@pytest.mark.parametrize("values", [[0.0] * 5, [0.5, 0.0, 0.0], [0.25] * 6])
def test_t_of_fewer_than_two_changes_or_no_spread_is_none(values: list[float]) -> None:
    assert t_of_changed(values) is None


# --- double differences ----------------------------------------------------------------------


def test_a_source_that_one_language_lacks_keeps_the_difference_of_the_deltas() -> None:
    """By hand: mean(-1, 0) - mean(0, 0, 1) = -0.5 - 1/3."""
    scores = paired_scores([-1, 0], [0, 0, 1], target_sources=[0, 1], reference_sources=[0, 1, 2])
    assert scores.estimate == pytest.approx(-0.5 - 1 / 3)
    assert scores.contributions.mean() == pytest.approx(-0.5 - 1 / 3)
    assert scores.n_clusters == 3


@pytest.mark.parametrize("reference", [[1, 2, 3], [7, 8, 9]])
def test_too_few_changes_have_no_double_difference_test(reference: list[int]) -> None:
    found = double_difference(
        [0, -1, 0], [0, 0, 0], target_sources=[1, 2, 3], reference_sources=reference
    )
    assert found.estimate == pytest.approx(-1 / 3)
    assert found.p_value is None
    assert found.interval is None


def test_a_constant_shift_of_other_items_has_no_welch_test() -> None:
    found = double_difference([-1, -1], [1, 1], target_sources=[0, 1], reference_sources=[2, 3])
    assert (found.estimate, found.p_value) == (-2.0, None)


def test_unlabelled_items_are_refused() -> None:
    with pytest.raises(UnpairedItemsError, match="source labels"):
        double_difference([0.1, 0.2], [0.1], target_sources=[0], reference_sources=[0])


# --- gains, score tests ----------------------------------------------------------------------


def test_a_gain_stands_out_from_chance_and_from_the_baselines_own_noise() -> None:
    assert stands_out(0.03, best_by_chance=0.02, aa=None)
    assert not stands_out(0.03, best_by_chance=0.035, aa=None)
    assert not stands_out(0.03, best_by_chance=0.02, aa=-0.031)
    assert stands_out(0.03, best_by_chance=0.02, aa=-0.01)


@pytest.mark.parametrize("errors", [[], [-0.1], [float("nan")]])
def test_the_best_of_nothing_is_refused(errors: list[float]) -> None:
    with pytest.raises(ValueError, match="standard error"):
        expected_best(errors)


def test_impossible_differences_are_infinitely_far() -> None:
    table = PairedTable(both_right=0, broke=4, fixed=0, both_wrong=0)
    assert score_statistic(table, delta=-1.0) == 0.0
    assert score_statistic(table, delta=1.0) == -np.inf
