"""Confidence sequences: closed forms by hand, laws, stopping rules."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelbits.errors import UnpairedItemsError
from babelbits.stats.stopping import StopRule, log_wealth, mean_sequence
from plain_statistics import net_difference_sequence

COUNTS = st.integers(0, 300)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


# --- known answers -----------------------------------------------------------------------------


def test_ka28_nothing_changed_gives_a_sequence_around_zero() -> None:
    low, high = net_difference_sequence(0, 0, 500, alpha=0.05)
    assert low < 0 < high
    assert low == pytest.approx(-high)


def test_betting_wealth_by_hand_for_one_item() -> None:
    """Every share s bet on x = 1 against d = 0 becomes 1 + s; spread evenly that is 3/2.

    Two such items: the mean of (1 + s)² over s in (0, 1), 7/3. A loss leaves 1/2.
    """
    assert np.exp(log_wealth(0.0, [1], [1])) == pytest.approx(1.5)
    assert np.exp(log_wealth(0.0, [1], [2])) == pytest.approx(7 / 3)
    assert np.exp(log_wealth(0.0, [-1], [1])) == pytest.approx(0.5)
    assert np.exp(log_wealth(0.5, [0], [1])) == pytest.approx(1 - 0.5 / 3)


def test_sequence_without_changes_by_hand() -> None:
    """N unchanged items: the mean of (1 + s y)^n, y = 1/(1+d) - 1, must reach 2 / alpha."""
    n, alpha = 200, 0.05
    low, _ = net_difference_sequence(0, 0, n, alpha=alpha)
    y = 1 / (1 + float(low)) - 1
    assert ((1 + y) ** (n + 1) - 1) / ((n + 1) * y) == pytest.approx(2 / alpha, rel=1e-6)


# --- laws --------------------------------------------------------------------------------------


@given(broke=COUNTS, fixed=COUNTS, same=COUNTS)
@settings(max_examples=40)
def test_sequences_mirror_and_contain_the_estimate(broke: int, fixed: int, same: int) -> None:
    n = broke + fixed + same
    low, high = net_difference_sequence(broke, fixed, n, alpha=0.05)
    mirrored = net_difference_sequence(fixed, broke, n, alpha=0.05)
    assert -1 <= low <= high <= 1
    assert (low, high) == pytest.approx((-mirrored[1], -mirrored[0]), abs=1e-12)
    if n:
        assert low <= (fixed - broke) / n <= high


@given(broke=st.integers(0, 50), fixed=st.integers(0, 50), same=st.integers(0, 400))
@settings(max_examples=30)
def test_wealth_falls_as_the_null_rises(broke: int, fixed: int, same: int) -> None:
    """So what is not refuted is an interval, which the bisection takes for granted."""
    path = log_wealth(np.linspace(-0.99, 0.99, 100), [-1, 0, 1], [broke, same, fixed])
    assert (np.diff(path) <= 1e-12).all()


@given(null=st.floats(-0.95, 0.95), n=st.integers(0, 40), share=st.floats(0, 1))
@settings(max_examples=60)
def test_wealth_is_a_fair_game(null: float, n: int, share: float) -> None:
    """Whatever was seen, the expected wealth after one more item of mean d is the wealth before.

    Any distribution on {-1, 0, 1} of mean d: `share` of the largest possible churn.
    """
    churn = abs(null) + share * (1 - abs(null))
    chances = np.array([(churn - null) / 2, 1 - churn, (churn + null) / 2])
    seen = np.random.default_rng(n).multinomial(n, [0.2, 0.5, 0.3])
    before = np.exp(log_wealth(null, [-1, 0, 1], seen))
    after = np.exp(log_wealth(null, [-1, 0, 1], seen + np.eye(3, dtype=int)))
    assert float(chances @ after) == pytest.approx(float(before), rel=1e-9)


def test_a_smaller_error_rate_and_fewer_items_give_wider_sequences() -> None:
    low, high = net_difference_sequence([10, 10], [5, 5], [400, 100], alpha=0.05)
    wide_low, wide_high = net_difference_sequence([10, 10], [5, 5], [400, 100], alpha=0.05 / 20)
    assert (wide_low < low).all()
    assert (wide_high > high).all()
    assert high[1] - low[1] > high[0] - low[0]


# --- looks -------------------------------------------------------------------------------------


def test_a_look_knows_nothing_before_the_first_item() -> None:
    look = StopRule(alpha=0.05, margin=0.02).start()
    assert (look.n_items, look.estimate, look.verdict, look.known) == (0, None, "undecided", False)
    assert (look.interval.low, look.interval.high) == (-1, 1)
    assert look.after([]) is look


@pytest.mark.parametrize(
    ("batch", "margin", "expected"),
    [
        ([0] * 900, 0.02, "equivalent"),
        ([0] * 900, None, "undecided"),
        ([-1] * 40 + [0] * 100, 0.02, "worse"),
        ([1] * 40 + [0] * 100, 0.02, "better"),
        ([-1, 1, 0, 0], 0.02, "undecided"),
    ],
)
def test_verdicts_of_clear_cases(batch: list[int], margin: float | None, expected: str) -> None:
    look = StopRule(alpha=0.05, margin=margin).start().after(batch)
    assert look.verdict == expected
    assert look.known == (expected != "undecided")
    assert look.estimate == pytest.approx(np.mean(batch))


def test_looks_narrow_only_and_end_where_one_big_batch_does(rng: np.random.Generator) -> None:
    values = rng.choice([-1, 0, 1], size=600, p=[0.06, 0.9, 0.04])
    rule = StopRule(alpha=0.05, margin=0.02)
    look = rule.start()
    for batch in np.split(values, 12):
        later = look.after(batch)
        assert later.interval.low >= look.interval.low
        assert later.interval.high <= look.interval.high
        look = later
    once = rule.start().after(values)
    assert look.tally == once.tally
    assert look.n_items == 600
    assert once.interval.low <= look.interval.low < look.interval.high <= once.interval.high


def test_a_sequence_that_contradicts_itself_keeps_the_earlier_interval() -> None:
    """Sorted items: the first hundred are all lost, the next thousands all gained."""
    early = StopRule(alpha=0.05, margin=0.02).start().after([-1] * 100)
    late = early.after([1] * 5000)
    assert late.interval == early.interval
    assert late.n_items == 5100


def test_scores_with_a_range_are_scaled_to_it(rng: np.random.Generator) -> None:
    """ChrF runs from 0 to 100: the same data in other units give the same sequence."""
    values = np.round(rng.normal(-0.1, 0.05, 80), 3)
    unit = StopRule(alpha=0.05, margin=0.02).start().after(values)
    chrf = StopRule(alpha=0.05, margin=2.0, limit=100.0).start().after(100 * values)
    assert (100 * unit.interval.low, 100 * unit.interval.high) == pytest.approx(
        (chrf.interval.low, chrf.interval.high), abs=1e-6
    )
    assert unit.verdict == chrf.verdict == "worse"
    low, high = mean_sequence(values, np.ones(80), alpha=0.05)
    assert (float(low), float(high)) == pytest.approx((unit.interval.low, unit.interval.high))


def test_refusals_name_what_is_wrong() -> None:
    look = StopRule(alpha=0.05, margin=0.02).start()
    with pytest.raises(ValueError, match="beyond the limit 1"):
        look.after([0, 1.5])
    with pytest.raises(UnpairedItemsError, match="not finite"):
        look.after([0, np.nan])
    for wrong in ({"alpha": 0.0}, {"margin": 0.0}, {"limit": -1.0}):
        with pytest.raises(ValueError, match="0 < alpha < 1"):
            StopRule(**{"alpha": 0.05, "margin": 0.02, "limit": 1.0, **wrong})
    for beyond in (1.01, np.nan):
        with pytest.raises(ValueError, match="width of the metric's range"):
            mean_sequence([0, beyond], [5, 1], alpha=0.05)
