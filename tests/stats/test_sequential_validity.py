"""What "at any time" promises, under simulation with fixed seeds: misses at any look count."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from babelbits.stats.stopping import log_wealth
from plain_statistics import net_difference_sequence

pytestmark = pytest.mark.slow
ALPHA = 0.05
DRAWS = 600
HIGHEST = float(stats.binom.ppf(0.999, DRAWS, ALPHA)) / DRAWS
"""A sequence of level 5 % misses more often than this in one of a thousand simulations."""

Signs = NDArray[np.int8]


def streams(churn: float, net: float, *, n: int, draws: int, seed: int) -> Signs:
    """Differences of shape (draws, n): a share `churn` changes, by `net` on balance."""
    chances = [(churn - net) / 2, 1 - churn, (churn + net) / 2]
    drawn = np.random.default_rng(seed).choice([-1, 0, 1], size=(draws, n), p=chances)
    return np.asarray(drawn, np.int8)


def counts(signs: Signs, looks: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    broke = np.cumsum(signs < 0, axis=1)[:, looks - 1]
    fixed = np.cumsum(signs > 0, axis=1)[:, looks - 1]
    return broke, fixed


@pytest.mark.parametrize(
    ("churn", "net"),
    [(0.005, 0.0), (0.02, 0.0), (0.1, 0.0), (1.0, 0.0), (0.02, -0.02), (0.1, -0.05), (0.9, 0.8)],
)
def test_the_betting_sequence_ever_misses_in_at_most_five_per_cent(
    churn: float, net: float
) -> None:
    """Checked after every one of 1,000 items; it misses iff a side's wealth reaches 2 / alpha."""
    missed = 0
    for seed in range(4):
        signs = streams(churn, net, n=1000, draws=DRAWS // 4, seed=seed)
        broke, fixed = counts(signs, np.arange(1, 1001))
        same = np.arange(1, 1001) - broke - fixed
        tallies = np.stack([broke, same, fixed], axis=-1)
        over = log_wealth(net, [-1, 0, 1], tallies) >= math.log(2 / ALPHA)
        under = log_wealth(-net, [-1, 0, 1], tallies[..., ::-1]) >= math.log(2 / ALPHA)
        missed += int((over | under).any(axis=1).sum())
    assert missed / DRAWS <= HIGHEST


@pytest.mark.parametrize(
    ("churn", "net", "false"),
    [
        (0.05, -0.02, "equivalent"),
        (0.05, +0.02, "equivalent"),
        (0.02, -0.02, "equivalent"),
        (0.10, 0.0, "worse or better"),
        (0.02, 0.0, "worse or better"),
    ],
)
def test_false_verdicts_of_a_run_that_stops_as_soon_as_it_can(
    churn: float, net: float, false: str
) -> None:
    """Margin 2 points, a look every 100 items, at the least favourable truths."""
    looks = np.arange(100, 3001, 100)
    broke, fixed = counts(streams(churn, net, n=3000, draws=250, seed=7), looks)
    low, high = net_difference_sequence(broke, fixed, looks, alpha=ALPHA)
    equivalent = (low > -0.02) & (high < 0.02)
    directed = ((high < 0) | (low > 0)) & ~equivalent
    wrong = equivalent if false == "equivalent" else directed
    right = directed if false == "equivalent" else equivalent
    first = np.where((wrong | right).any(axis=1), (wrong | right).argmax(axis=1), 0)
    stopped_wrong = wrong[np.arange(250), first].mean()
    assert stopped_wrong <= float(stats.binom.ppf(0.999, 250, ALPHA)) / 250


def test_stopping_saves_items_where_the_answer_is_clear() -> None:
    """Median items to the verdict: 8 % broken, and 2 % churn with margin 2 points."""
    looks = np.arange(25, 1501, 25)
    for churn, net, bound in ((0.08, -0.08, 125), (0.02, 0.0, 1000)):
        broke, fixed = counts(streams(churn, net, n=1500, draws=100, seed=9), looks)
        low, high = net_difference_sequence(broke, fixed, looks, alpha=ALPHA)
        known = (high < 0) | ((low > -0.02) & (high < 0.02))
        items = looks[np.where(known.any(axis=1), known.argmax(axis=1), looks.size - 1)]
        assert np.median(items) <= bound


def test_twenty_looks_at_a_fixed_n_test_give_a_quarter_of_false_alarms() -> None:
    """10 % churn, 1,000 items, no harm; McNemar's z at 1.96.

    Armitage, McPherson, Rowe (1969), JRSS A 132:235: 20 looks at 5 % reject 24.8 % of the time for
    normal data; with some five changed answers a look a little less.
    """
    looks = np.arange(50, 1001, 50)
    broke, fixed = counts(streams(0.1, 0.0, n=1000, draws=2000, seed=3), looks)
    net, changed = fixed - broke, fixed + broke
    peeking = (np.abs(net) >= 1.959964 * np.sqrt(np.maximum(changed, 1))).any(axis=1).mean()
    assert peeking == pytest.approx(0.248, abs=0.035)


def test_a_benchmark_in_random_order_covers_its_own_mean() -> None:
    """500 items, 6 % broken, 2 % fixed, drawn without replacement to the last one."""
    items = np.repeat([-1, 0, 1], [30, 460, 10])
    rng = np.random.default_rng(21)
    signs = np.array([rng.permutation(items) for _ in range(DRAWS)])
    broke, fixed = counts(signs, np.arange(1, 501))
    tallies = np.stack([broke, np.arange(1, 501) - broke - fixed, fixed], axis=-1)
    over = log_wealth(-0.04, [-1, 0, 1], tallies) >= math.log(2 / ALPHA)
    under = log_wealth(0.04, [-1, 0, 1], tallies[..., ::-1]) >= math.log(2 / ALPHA)
    assert (over | under).any(axis=1).mean() <= HIGHEST


@pytest.mark.parametrize(("a", "b"), [(0.3, 6.0), (5.0, 5.0)])
def test_the_betting_sequence_holds_for_graded_scores(a: float, b: float) -> None:
    """Losses of Beta(a, b) size on 30 % of the items, gains on as many; a look every 20 items."""
    rng = np.random.default_rng(22)
    seen = np.tril(np.ones((400, 400)))[19::20]
    missed = 0
    for _ in range(DRAWS):
        signs = rng.choice([-1, 0, 1], size=400, p=[0.3, 0.4, 0.3])
        values = signs * rng.beta(a, b, 400)
        over = log_wealth(0.0, values, seen) >= math.log(2 / ALPHA)
        under = log_wealth(0.0, -values, seen) >= math.log(2 / ALPHA)
        missed += bool((over | under).any())
    assert missed / DRAWS <= HIGHEST
