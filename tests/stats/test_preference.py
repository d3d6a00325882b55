"""Net preference: by hand, and against the tests and intervals of right/wrong items."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from babelbits.errors import UnpairedItemsError
from babelbits.stats.preference import net_preference, prompt_values, vote_table

VOTES = st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=60)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_counts_and_rates_by_hand(rng: np.random.Generator) -> None:
    """30 wins, 80 ties, 40 losses of 150: net -10/150, win rate (30 + 40) / 150."""
    found = net_preference([1] * 30 + [0] * 80 + [-1] * 40, rng=rng)
    assert (found.wins, found.ties, found.losses) == (30, 80, 40)
    assert found.net == pytest.approx(-10 / 150)
    assert found.win_rate == pytest.approx(70 / 150)
    assert found.n_votes == found.n_prompts == 150
    assert found.method == "sign test, mid-p"


def test_sign_test_is_scipys_binomial_test_less_half_the_observed_probability(
    rng: np.random.Generator,
) -> None:
    found = net_preference([1] * 12 + [0] * 9 + [-1] * 25, rng=rng)
    exact = stats.binomtest(12, 37, 0.5).pvalue
    assert found.p_value == pytest.approx(exact - stats.binom.pmf(12, 37, 0.5), rel=1e-9)


def test_half_width_with_300_prompts_and_forty_percent_ties_is_nearly_nine_points(
    rng: np.random.Generator,
) -> None:
    """1.96 sqrt(0.6 / 300) = 8.8 points, the figure for a human study of 300 pairs a language."""
    found = net_preference([1] * 90 + [0] * 120 + [-1] * 90, rng=rng)
    assert (found.interval.high - found.interval.low) / 2 == pytest.approx(0.088, abs=0.001)
    assert found.standard_error == pytest.approx(np.sqrt(0.6 / 299), rel=1e-9)


def test_identical_outputs_are_ties_and_show_nothing(rng: np.random.Generator) -> None:
    found = net_preference([0] * 40, rng=rng)
    assert (found.net, found.p_value) == (0.0, 1.0)
    assert found.interval.low < 0 < found.interval.high


def test_more_raters_of_the_same_prompts_are_no_more_prompts(rng: np.random.Generator) -> None:
    """Every vote given three times: as a test on votes it would be far too sure."""
    votes = np.array([1] * 8 + [0] * 10 + [-1] * 18)
    once = net_preference(votes, rng=rng)
    thrice = net_preference(np.tile(votes, 3), prompts=np.tile(np.arange(36), 3), rng=rng)
    assert thrice.n_votes == 108
    assert thrice.n_prompts == 36
    assert (thrice.net, thrice.p_value) == pytest.approx((once.net, once.p_value))
    assert thrice.interval == once.interval
    assert net_preference(np.tile(votes, 3), rng=rng).p_value < once.p_value / 10


def test_raters_who_differ_are_averaged_within_the_prompt_first(rng: np.random.Generator) -> None:
    """Prompt b has three votes and prompt a one: their means are 1 and -1/3."""
    assert prompt_values([1, -1, 0, 0], ["a", "b", "b", "b"]) == pytest.approx([1, -1 / 3])
    found = net_preference([1, -1, 0, 0], prompts=["a", "b", "b", "b"], rng=rng)
    assert found.net == pytest.approx(1 / 3)
    assert found.method == "sign flips of prompts"
    assert found.p_value == 1.0


def test_graded_votes_use_flips_and_an_interval_within_the_range(rng: np.random.Generator) -> None:
    """A judge's probabilities; the bootstrap-t interval is near Student's for 200 prompts."""
    votes = np.clip(np.random.default_rng(1).normal(-0.15, 0.5, 200), -1, 1)
    found = net_preference(votes, rng=rng)
    t = stats.ttest_1samp(votes, 0)
    assert found.p_value == pytest.approx(t.pvalue, abs=0.003)
    theirs = t.confidence_interval(0.95)
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(theirs), abs=0.01)


def test_one_prompt_or_no_spread_still_has_an_interval_but_no_error(
    rng: np.random.Generator,
) -> None:
    one = net_preference([0.5], rng=rng)
    assert one.standard_error is None
    assert -1 <= one.interval.low <= one.net <= one.interval.high <= 1
    same = net_preference([0.5] * 30, rng=rng)
    assert same.interval.low <= 0.5 <= same.interval.high


@given(votes=VOTES)
@settings(max_examples=60)
def test_swapping_sides_mirrors_everything(votes: list[int]) -> None:
    first = net_preference(votes, rng=np.random.default_rng(0))
    second = net_preference([-v for v in votes], rng=np.random.default_rng(0))
    assert first.net == -second.net
    assert first.p_value == second.p_value
    assert first.win_rate == pytest.approx(1 - second.win_rate)
    assert (first.interval.low, first.interval.high) == pytest.approx(
        (-second.interval.high, -second.interval.low), abs=1e-9
    )
    assert first.net == pytest.approx(2 * first.win_rate - 1)


def test_refusals_name_what_is_wrong(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match=r"votes lie in \[-1, 1\]"):
        net_preference([2.0], rng=rng)
    with pytest.raises(UnpairedItemsError, match="2 votes, 1 prompt"):
        net_preference([1, 0], prompts=[1], rng=rng)
    with pytest.raises(UnpairedItemsError):
        net_preference([], rng=rng)
    assert vote_table(wins=1, ties=2, losses=3).delta == pytest.approx(-2 / 6)
