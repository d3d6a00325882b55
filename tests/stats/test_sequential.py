"""E-values and confidence sequences: closed forms, exact crossing probabilities, stopping rules."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelbits.errors import UnpairedItemsError
from babelbits.stats.sequential import (
    EProcess,
    bounded_mean_sequence,
    e_process,
    log_e_value,
    normal_mixture_log,
    normal_mixture_radius,
    normal_mixture_rho,
    share_sequence,
)
from babelbits.stats.stopping import (
    StopRule,
    log_wealth,
    mean_sequence,
    net_difference_sequence,
)

COUNTS = st.integers(0, 300)
SIGNS = st.lists(st.sampled_from([-1, 0, 1]), max_size=120)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


# --- known answers -----------------------------------------------------------------------------


def test_ka18_normal_mixture_matches_the_confseq_tests() -> None:
    """uniform_boundaries_unittest.cpp: "all target values are from a reference implementation"."""
    rho = normal_mixture_rho(100)
    assert rho == pytest.approx(12.60056, abs=1e-5)
    assert normal_mixture_log(10, 100, rho=rho) == pytest.approx(-0.6510052, abs=1e-6)
    assert normal_mixture_radius(100, rho=rho) == pytest.approx(30.35209, abs=1e-5)


def test_ka18_share_sequence_matches_confseq_bernoulli_700_of_1000() -> None:
    found = share_sequence(700, 1000, best_at=100)
    assert (found.low, found.high) == pytest.approx((0.651629, 0.745949), abs=1e-6)


def test_ka19_e_values_by_hand() -> None:
    found = np.exp(log_e_value([15, 8, 7], [2, 0, 0]))
    assert found == pytest.approx([8192 / 153, 256 / 9, 16.0], rel=1e-12)


def test_ka28_nothing_changed_gives_e_one_and_sequences_around_zero() -> None:
    same = e_process(np.zeros(500))
    assert (same.n_changed, same.log_e, same.p_value) == (0, 0.0, 1.0)
    assert not same.crossed(0.05)
    low, high = net_difference_sequence(0, 0, 500, alpha=0.05)
    assert low < 0 < high
    assert low == pytest.approx(-high)


@pytest.mark.parametrize(("changed", "expected"), [(100, 0.0276), (1000, 0.0357)])
def test_exact_probability_that_a_fair_coin_ever_crosses_20(changed: int, expected: float) -> None:
    """By counting paths: an absorbing walk on the number broken, with E from exact integers."""
    alive = {0: 1.0}
    crossed = 0.0
    for n in range(1, changed + 1):
        step: dict[int, float] = {}
        for broke, mass in alive.items():
            for more in (broke, broke + 1):
                step[more] = step.get(more, 0.0) + mass / 2
        alive = {}
        for broke, mass in step.items():
            if e_process_crosses(broke, n - broke):
                crossed += mass
            else:
                alive[broke] = mass
    assert crossed == pytest.approx(expected, abs=5e-5)
    assert crossed <= 0.05


def e_process_crosses(broke: int, fixed: int) -> bool:
    ours = float(log_e_value(broke, fixed)) >= math.log(20)
    n = broke + fixed
    assert ours == (2**n >= 20 * (n + 1) * math.comb(n, broke))
    return ours


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


@given(values=SIGNS, cut=st.integers(0, 120))
def test_batches_do_not_change_the_e_process(values: list[int], cut: int) -> None:
    whole = e_process(values)
    parts = e_process(values[cut:], before=e_process(values[:cut]))
    assert (parts.broke, parts.fixed) == (whole.broke, whole.fixed)
    assert parts.log_e == pytest.approx(whole.log_e)
    assert parts.log_e_max == pytest.approx(whole.log_e_max)
    assert 0 < whole.p_value <= 1


@given(values=SIGNS)
def test_swapping_sides_keeps_the_e_process(values: list[int]) -> None:
    first, second = e_process(values), e_process([-v for v in values])
    assert (first.log_e, first.log_e_max) == pytest.approx((second.log_e, second.log_e_max))


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


def test_betting_is_far_shorter_than_the_range_alone_at_a_churn_of_quantization() -> None:
    """What pays for the whole module: at 5 % churn the variance is 0.05, not the range's 1."""
    low, high = net_difference_sequence(25, 25, 1000, alpha=0.05)
    plain = bounded_mean_sequence(0.0, 1000, best_at=1000)
    assert high - low < (plain.high - plain.low) / 3


@given(st.integers(0, 60), st.integers(0, 60))
def test_share_sequence_contains_the_share_and_mirrors(successes: int, failures: int) -> None:
    n = successes + failures
    if n == 0:
        return
    found = share_sequence(successes, n, best_at=50)
    other = share_sequence(failures, n, best_at=50)
    assert found.low - 1e-9 <= successes / n <= found.high + 1e-9
    assert (found.low, found.high) == pytest.approx((1 - other.high, 1 - other.low), abs=1e-8)


# --- looks -------------------------------------------------------------------------------------


def test_a_look_knows_nothing_before_the_first_item() -> None:
    look = StopRule(alpha=0.05, margin=0.02).start()
    assert (look.n_items, look.estimate, look.verdict, look.known) == (0, None, "undecided", False)
    assert (look.interval.low, look.interval.high) == (-1, 1)
    assert look.after([]) is look
    assert e_process([]) == EProcess(broke=0, fixed=0, log_e=0.0, log_e_max=0.0)


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
    with pytest.raises(ValueError, match="at most n_items"):
        net_difference_sequence(3, 3, 5, alpha=0.05)
    for beyond in (1.01, np.nan):
        with pytest.raises(ValueError, match="width of the metric's range"):
            mean_sequence([0, beyond], [5, 1], alpha=0.05)
    with pytest.raises(ValueError, match="needs items"):
        bounded_mean_sequence(0.0, 0, best_at=10)
    with pytest.raises(ValueError, match="7 of 5"):
        share_sequence(7, 5, best_at=10)
