"""Laws of the paired tests: every test is listed under each law it obeys or breaks."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from babelbits.errors import UnpairedItemsError
from babelbits.stats.binary import (
    PairedTable,
    mcnemar_exact,
    mcnemar_midp,
    newcombe,
    paired_table,
    tango,
)
from babelbits.stats.bounded import sign_flip
from babelbits.stats.cluster import cluster_scores, cluster_t
from babelbits.stats.equivalence import tost_paired
from babelbits.stats.pairs import paired_differences

Scores = NDArray[np.float64]
PairedTest = Callable[[Scores, Scores], tuple[float, float]]
"""Baseline and variant to (delta, p)."""


def _midp(b: Scores, v: Scores) -> tuple[float, float]:
    found = mcnemar_midp(paired_table(b, v))
    return found.delta, found.p_value


def _exact(b: Scores, v: Scores) -> tuple[float, float]:
    found = mcnemar_exact(paired_table(b, v))
    return found.delta, found.p_value


def _flip(b: Scores, v: Scores) -> tuple[float, float]:
    found = sign_flip(paired_differences(b, v), rng=np.random.default_rng(0))
    return found.delta, found.p_value


def _t(b: Scores, v: Scores) -> tuple[float, float]:
    differences = paired_differences(b, v)
    found = cluster_t(cluster_scores(differences, clusters=np.arange(differences.size)))
    return (0.0, 1.0) if found is None else (found.estimate, found.p_value)


def _tost(b: Scores, v: Scores) -> tuple[float, float]:
    return float(np.mean(paired_differences(b, v))), tost_paired(b, v, margin=0.1)


PAIRED_TESTS: dict[str, PairedTest] = {
    "mcnemar_midp": _midp,
    "mcnemar_exact": _exact,
    "sign_flip": _flip,
    "paired_t": _t,
    "tost": _tost,
}
DIFFERENCE = {"mcnemar_midp", "mcnemar_exact", "sign_flip", "paired_t"}
EQUIVALENCE = {"tost"}
DISCORDANT_ONLY = {"mcnemar_midp", "mcnemar_exact", "sign_flip"}
ALL_ITEMS = {"paired_t", "tost"}


def test_every_test_is_classified_under_every_law() -> None:
    for obeys, breaks in ((DIFFERENCE, EQUIVALENCE), (DISCORDANT_ONLY, ALL_ITEMS)):
        assert obeys | breaks == set(PAIRED_TESTS)
        assert not obeys & breaks


@st.composite
def two_runs(draw: st.DrawFn) -> tuple[Scores, Scores]:
    """Right/wrong scores with at most 18 changes, so that the sign-flip test is exact."""
    n = draw(st.integers(2, 40))
    before = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)), float)
    flips = draw(st.lists(st.integers(0, n - 1), max_size=18, unique=True))
    after = before.copy()
    after[flips] = 1 - after[flips]
    return before, after


@pytest.mark.parametrize("name", sorted(DIFFERENCE))
@given(runs=two_runs())
@settings(max_examples=60, deadline=None)
def test_p_is_one_when_nothing_changed(name: str, runs: tuple[Scores, Scores]) -> None:
    assert PAIRED_TESTS[name](runs[0], runs[0]) == (0.0, 1.0)


@pytest.mark.parametrize("name", sorted(DIFFERENCE))
@given(runs=two_runs(), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_p_is_in_range_and_order_does_not_matter(
    name: str, runs: tuple[Scores, Scores], seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(runs[0].size)
    delta, p = PAIRED_TESTS[name](*runs)
    assert 0 < p <= 1 or name == "paired_t"
    assert PAIRED_TESTS[name](runs[0][order], runs[1][order]) == pytest.approx((delta, p))


@pytest.mark.parametrize("name", sorted(PAIRED_TESTS))
@given(runs=two_runs())
@settings(max_examples=60, deadline=None)
def test_swapping_sides_negates_delta_and_keeps_p(name: str, runs: tuple[Scores, Scores]) -> None:
    if name == "tost" and np.ptp(runs[1] - runs[0]) == 0:
        return  # no t statistic without spread
    delta, p = PAIRED_TESTS[name](*runs)
    assert PAIRED_TESTS[name](runs[1], runs[0]) == pytest.approx((-delta, p), abs=1e-9)


@pytest.mark.parametrize("name", sorted(PAIRED_TESTS))
def test_untouched_items_matter_only_outside_the_discordant_tests(name: str) -> None:
    before = np.array([1, 1, 1, 1, 1, 0, 0, 1, 1, 0], float)
    after = np.array([0, 0, 0, 0, 0, 1, 0, 1, 1, 0], float)
    untouched = np.ones(10)
    _, p = PAIRED_TESTS[name](before, after)
    _, q = PAIRED_TESTS[name](np.append(before, untouched), np.append(after, untouched))
    assert (p == pytest.approx(q)) == (name in DISCORDANT_ONLY)


@pytest.mark.parametrize("name", sorted(PAIRED_TESTS))
def test_unpaired_empty_or_missing_scores_are_refused(name: str) -> None:
    test = PAIRED_TESTS[name]
    for before, after in (
        (np.ones(3), np.ones(4)),
        (np.array([]), np.array([])),
        (np.array([1, np.nan]), np.array([1.0, 0.0])),
    ):
        with pytest.raises(UnpairedItemsError):
            test(before, after)


def test_unpaired_shapes_are_named_in_the_message() -> None:
    with pytest.raises(UnpairedItemsError, match=r"\(3,\).*\(4,\)"):
        paired_differences(np.ones(3), np.ones(4))


def test_ka28_sign_flip_of_binary_scores_is_the_exact_mcnemar_test() -> None:
    """Flipping signs of ±1 differences is tossing a coin for each changed item."""
    before = np.array([1] * 9 + [0] * 5)
    after = np.array([0] * 7 + [1] * 2 + [1] * 2 + [0] * 3)
    assert _flip(before, after)[1] == pytest.approx(_exact(before, after)[1])


@given(
    counts=st.tuples(*[st.integers(0, 60)] * 4).filter(lambda c: sum(c) > 0),
    level=st.sampled_from([0.8, 0.9, 0.95, 0.99]),
)
@settings(max_examples=300, deadline=None)
def test_score_intervals_hold_the_estimate_and_mirror_and_never_collapse(
    counts: tuple[int, int, int, int], level: float
) -> None:
    a, b, c, d = counts
    table = PairedTable(both_right=a, broke=b, fixed=c, both_wrong=d)
    mirror = PairedTable(both_right=a, broke=c, fixed=b, both_wrong=d)
    for method in (tango, newcombe):
        found, other = method(table, level=level), method(mirror, level=level)
        assert -1 <= found.low <= table.delta <= found.high <= 1
        assert found.high - found.low > 0
        assert (found.low, found.high) == pytest.approx((-other.high, -other.low), abs=1e-7)


@given(counts=st.tuples(*[st.integers(0, 40)] * 4).filter(lambda c: sum(c) > 0))
@settings(max_examples=100, deadline=None)
def test_tango_is_nested_in_level(counts: tuple[int, int, int, int]) -> None:
    a, b, c, d = counts
    table = PairedTable(both_right=a, broke=b, fixed=c, both_wrong=d)
    narrow, wide = tango(table, level=0.90), tango(table, level=0.95)
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high
