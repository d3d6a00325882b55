"""Laws of the tests of votes and of reported tests, each listed under the law it obeys or breaks.

The companions of the registry of paired tests: same laws, other tests.
"""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from babelbits.errors import UnpairedItemsError
from babelbits.report.paper_b import independent_t_test, monte_carlo_binomial
from babelbits.stats.paired_scores import paired_differences
from babelbits.stats.preference import net_preference

Scores = NDArray[np.float64]
PairedTest = Callable[[Scores, Scores], float]
"""Baseline and variant, right or wrong, to p."""


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


TESTS: dict[str, PairedTest] = {
    "net_preference": lambda b, v: net_preference(paired_differences(b, v), rng=_rng()).p_value,
    "reported_t": independent_t_test,
    "reported_monte_carlo": lambda b, v: monte_carlo_binomial(b, v, rng=_rng(), draws=199),
}
DISCORDANT_ONLY = {"net_preference"}
ALL_ITEMS = {"reported_t", "reported_monte_carlo"}


def test_every_test_is_classified_under_every_law() -> None:
    assert set(TESTS) == DISCORDANT_ONLY | ALL_ITEMS
    assert not DISCORDANT_ONLY & ALL_ITEMS


RUNS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=40)


def columns(rows: list[tuple[int, int]]) -> tuple[Scores, Scores]:
    table = np.array(rows, float)
    return table[:, 0], table[:, 1]


@pytest.mark.parametrize("name", sorted(TESTS))
@given(rows=RUNS)
@settings(max_examples=25, deadline=None)
def test_p_is_symmetric_and_one_when_nothing_changed(
    name: str, rows: list[tuple[int, int]]
) -> None:
    before, after = columns(rows)
    p = TESTS[name](before, after)
    assert 0 <= p <= 1
    assert p == pytest.approx(TESTS[name](after, before))
    assert TESTS[name](before, before) == 1.0


@pytest.mark.parametrize("name", sorted(TESTS))
@given(rows=RUNS, seed=st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_order_of_items_does_not_matter(name: str, rows: list[tuple[int, int]], seed: int) -> None:
    before, after = columns(rows)
    order = np.random.default_rng(seed).permutation(len(rows))
    assert TESTS[name](before[order], after[order]) == pytest.approx(TESTS[name](before, after))


@pytest.mark.parametrize("name", sorted(DISCORDANT_ONLY))
@given(rows=RUNS, extra=st.integers(0, 30))
@settings(max_examples=25, deadline=None)
def test_items_that_did_not_change_do_not_matter(
    name: str, rows: list[tuple[int, int]], extra: int
) -> None:
    before, after = columns(rows)
    same = np.ones(extra)
    longer = TESTS[name](np.r_[before, same], np.r_[after, same])
    assert longer == pytest.approx(TESTS[name](before, after))


@pytest.mark.parametrize("name", sorted(ALL_ITEMS))
def test_items_that_did_not_change_matter_to_the_reported_tests(name: str) -> None:
    """9 of 20 against 2 of 20, and 80 items more that both have right."""
    before, after = np.r_[np.ones(9), np.zeros(11)], np.r_[np.ones(2), np.zeros(18)]
    same = np.ones(80)
    short, longer = TESTS[name](before, after), TESTS[name](np.r_[before, same], np.r_[after, same])
    assert abs(short - longer) > 0.01


@pytest.mark.parametrize("name", sorted(TESTS))
def test_unpaired_input_is_refused(name: str) -> None:
    for before, after in (([1.0, 0], [1.0]), ([], []), ([1.0, np.nan], [1.0, 0])):
        with pytest.raises(UnpairedItemsError):
            TESTS[name](np.array(before), np.array(after))
