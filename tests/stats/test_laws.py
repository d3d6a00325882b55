"""Laws of the paired tests: every test is listed under each law it obeys or breaks."""

import dataclasses
import importlib
import inspect
import typing
from collections.abc import Callable, Iterator
from types import ModuleType

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from babelbits.errors import UnpairedItemsError
from babelbits.stats.binary import (
    PairedTable,
    mcnemar_midp,
    paired_table,
    score_statistic,
    tango,
)
from babelbits.stats.cluster import ClusterScores, cluster_scores, cluster_sign_flip, cluster_t
from babelbits.stats.corpus import approximate_randomisation
from babelbits.stats.difference_in_differences import double_difference
from babelbits.stats.equivalence import inside_margin
from babelbits.stats.mean_tests import sign_flip
from babelbits.stats.paired_scores import paired_differences
from babelbits.stats.relative import mean_of_ratios, mean_of_ratios_scores
from babelbits.stats.student import t_of_changed

Scores = NDArray[np.float64]
Outcome = tuple[float, float]
"""Difference and p-value."""
PairedTest = Callable[[Scores, Scores], Outcome]
"""Of baseline and variant, shape (n_items,), 0 or 1."""


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def _clusters(b: Scores, v: Scores) -> ClusterScores:
    differences = paired_differences(b, v)
    return cluster_scores(differences, clusters=np.arange(differences.size))


def _midp(b: Scores, v: Scores) -> Outcome:
    found = mcnemar_midp(paired_table(b, v))
    return found.delta, found.p_value


def _flip(b: Scores, v: Scores) -> Outcome:
    found = sign_flip(paired_differences(b, v), rng=_rng())
    return found.delta, found.p_value


def _cluster_flip(b: Scores, v: Scores) -> Outcome:
    found = cluster_sign_flip(_clusters(b, v), rng=_rng())
    return found.delta, found.p_value


def _cluster_t(b: Scores, v: Scores) -> Outcome:
    found = cluster_t(_clusters(b, v))
    return (0.0, 1.0) if found is None else (found.estimate, found.p_value)


def _changed_t(b: Scores, v: Scores) -> Outcome:
    differences = paired_differences(b, v)
    found = t_of_changed(differences)
    return (float(differences.mean()), 1.0 if found is None else found.p_value)


def _corpus(b: Scores, v: Scores) -> Outcome:
    """The corpus score is a mean: its sufficient statistics are the score and a count."""
    differences = paired_differences(b, v)
    table = np.column_stack([b, np.ones_like(b)]), np.column_stack([v, np.ones_like(v)])
    found = approximate_randomisation(
        *table, lambda sums: sums[:, 0] / sums[:, 1], rng=_rng(), resamples=1 << 18
    )
    assert found.delta == pytest.approx(differences.mean())
    return found.delta, found.p_value


def _double(b: Scores, v: Scores) -> Outcome:
    """The variant's column as a language's differences, the baseline's as the reference's."""
    paired_differences(b, v)
    sources = np.arange(b.size)
    found = double_difference(v, b, target_sources=sources, reference_sources=sources)
    return found.estimate, 1.0 if found.p_value is None else found.p_value


def _ratios(b: Scores, v: Scores) -> Outcome:
    """Raised by one, so that there is something to be relative to."""
    labels = np.arange(b.size)
    scores = mean_of_ratios_scores(
        paired_differences(b, v), b + 1, clusters=labels, strata=np.zeros_like(labels)
    )
    assert scores is not None
    found = mean_of_ratios(scores)
    return scores.estimate, 1.0 if found is None else found.p_value


PAIRED_TESTS: dict[str, PairedTest] = {
    "binary.mcnemar_midp": _midp,
    "mean_tests.sign_flip": _flip,
    "cluster.cluster_sign_flip": _cluster_flip,
    "cluster.cluster_t": _cluster_t,
    "student.t_of_changed": _changed_t,
    "corpus.approximate_randomisation": _corpus,
    "difference_in_differences.double_difference": _double,
    "relative.mean_of_ratios": _ratios,
}
NOT_PAIRED = {
    "mean_tests.sign_flip_columns": "sign_flip, a column a comparison",
    "student.mean_test": "t_of_changed, from its parts",
    "difference_in_differences.difference_of_samples": "two samples, as double_difference has it",
}

SWAP_KEEPS_P = set(PAIRED_TESTS) - {"relative.mean_of_ratios"}
SWAP_CHANGES_P = {"relative.mean_of_ratios"}
"""Relative to the other side."""
DISCORDANT_ONLY = {
    "binary.mcnemar_midp",
    "mean_tests.sign_flip",
    "cluster.cluster_sign_flip",
    "corpus.approximate_randomisation",
}
ALL_ITEMS = {
    "cluster.cluster_t",
    "student.t_of_changed",
    "difference_in_differences.double_difference",
    "relative.mean_of_ratios",
}
"""An untouched item is evidence that little happens."""
EXACT = {
    "mean_tests.sign_flip",
    "cluster.cluster_sign_flip",
    "corpus.approximate_randomisation",
}
"""Of right/wrong items all three are the coin toss for each changed item."""
APPROXIMATE = {
    "binary.mcnemar_midp",
    "cluster.cluster_t",
    "student.t_of_changed",
    "difference_in_differences.double_difference",
    "relative.mean_of_ratios",
}
LAWS = {
    "swapping the sides keeps p or not": (SWAP_KEEPS_P, SWAP_CHANGES_P),
    "untouched items have no say or some": (DISCORDANT_ONLY, ALL_ITEMS),
    "exact or approximate": (EXACT, APPROXIMATE),
}
MODULES = (
    "binary", "mean_tests", "cluster", "corpus", "detectable", "difference_in_differences",
    "equivalence", "gains", "multiplicity", "paired_scores", "relative", "resampling", "scales",
    "student",
)  # fmt: skip


# --- the registry ----------------------------------------------------------------------------


def _public(module: ModuleType) -> Iterator[tuple[str, Callable[..., object]]]:
    for name, found in inspect.getmembers(module, inspect.isfunction):
        if found.__module__ == module.__name__ and not name.startswith("_"):
            yield name, found


def _gives_p(hint: object) -> bool:
    """Whether a return annotation is, or holds, a result with a p-value."""
    if dataclasses.is_dataclass(hint):
        return "p_value" in {field.name for field in dataclasses.fields(hint)}
    return any(_gives_p(part) for part in typing.get_args(hint))


def test_every_public_test_of_stats_is_registered() -> None:
    found = {
        f"{name}.{function_name}"
        for name in MODULES
        for function_name, function in _public(importlib.import_module(f"babelbits.stats.{name}"))
        if _gives_p(typing.get_type_hints(function).get("return"))
    }
    assert found == set(PAIRED_TESTS) | set(NOT_PAIRED)


@pytest.mark.parametrize("law", sorted(LAWS))
def test_every_law_sorts_every_test_to_one_side(law: str) -> None:
    obeys, breaks = LAWS[law]
    assert obeys | breaks == set(PAIRED_TESTS)
    assert not obeys & breaks


# --- the laws --------------------------------------------------------------------------------


@st.composite
def two_runs(draw: st.DrawFn) -> tuple[Scores, Scores]:
    """Right/wrong scores with at most 12 changes, so that permutation tests are exact."""
    n = draw(st.integers(2, 30))
    before = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)), float)
    flips = draw(st.lists(st.integers(0, n - 1), max_size=12, unique=True))
    after = before.copy()
    after[flips] = 1 - after[flips]
    return before, after


@pytest.mark.parametrize("name", sorted(PAIRED_TESTS))
@given(runs=two_runs())
@settings(max_examples=30, deadline=None)
def test_p_is_one_when_nothing_changed(name: str, runs: tuple[Scores, Scores]) -> None:
    assert PAIRED_TESTS[name](runs[0], runs[0]) == (0.0, 1.0)


@pytest.mark.parametrize("name", sorted(PAIRED_TESTS))
@given(runs=two_runs(), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_p_is_in_range_and_order_does_not_matter(
    name: str, runs: tuple[Scores, Scores], seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(runs[0].size)
    delta, p = PAIRED_TESTS[name](*runs)
    assert 0 < p <= 1
    again = PAIRED_TESTS[name](runs[0][order], runs[1][order])
    assert again == pytest.approx((delta, p), abs=1e-9)


@pytest.mark.parametrize("name", sorted(SWAP_KEEPS_P))
@given(runs=two_runs())
@settings(max_examples=30, deadline=None)
def test_swapping_sides_negates_delta_and_keeps_p(name: str, runs: tuple[Scores, Scores]) -> None:
    delta, p = PAIRED_TESTS[name](*runs)
    assert PAIRED_TESTS[name](runs[1], runs[0]) == pytest.approx((-delta, p), abs=1e-9)


BEFORE = np.array([1, 1, 1, 1, 1, 0, 0, 1, 1, 0], float)
AFTER = np.array([0, 0, 0, 0, 0, 1, 0, 1, 1, 0], float)


@pytest.mark.parametrize("name", sorted(SWAP_CHANGES_P))
def test_swapping_sides_of_a_relative_change_changes_p(name: str) -> None:
    _, p = PAIRED_TESTS[name](BEFORE, AFTER)
    _, q = PAIRED_TESTS[name](AFTER, BEFORE)
    assert p != pytest.approx(q)


@pytest.mark.parametrize("name", sorted(PAIRED_TESTS))
def test_untouched_items_matter_only_outside_the_discordant_tests(name: str) -> None:
    untouched = np.ones(10)
    _, p = PAIRED_TESTS[name](BEFORE, AFTER)
    _, q = PAIRED_TESTS[name](np.append(BEFORE, untouched), np.append(AFTER, untouched))
    assert (p == pytest.approx(q)) == (name in DISCORDANT_ONLY)


@pytest.mark.parametrize("name", sorted(EXACT))
@given(runs=two_runs())
@settings(max_examples=30, deadline=None)
def test_exact_tests_are_the_binomial_test_of_scipy(name: str, runs: tuple[Scores, Scores]) -> None:
    """Flipping signs of ±1 differences is tossing a coin for each changed item."""
    change = runs[1] - runs[0]
    assume(change.any())
    expected = stats.binomtest(int(np.sum(change > 0)), int(np.count_nonzero(change))).pvalue
    assert PAIRED_TESTS[name](*runs)[1] == pytest.approx(expected)


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


# --- intervals -------------------------------------------------------------------------------


@given(
    counts=st.tuples(*[st.integers(0, 60)] * 4).filter(lambda c: sum(c) > 0),
    level=st.sampled_from([0.8, 0.9, 0.95, 0.99]),
)
@settings(max_examples=300, deadline=None)
def test_the_score_interval_holds_the_estimate_and_mirrors_and_never_collapses(
    counts: tuple[int, int, int, int], level: float
) -> None:
    a, b, c, d = counts
    table = PairedTable(both_right=a, broke=b, fixed=c, both_wrong=d)
    mirror = PairedTable(both_right=a, broke=c, fixed=b, both_wrong=d)
    found, other = tango(table, level=level), tango(mirror, level=level)
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


@given(
    counts=st.tuples(*[st.integers(0, 40)] * 4).filter(lambda c: sum(c) > 0),
    margin=st.floats(0.005, 0.5),
)
@settings(max_examples=200, deadline=None)
def test_score_tost_is_tangos_interval_inside_the_margin(
    counts: tuple[int, int, int, int], margin: float
) -> None:
    """Schuirmann: at level alpha exactly where the 1 - 2 alpha interval is inside."""
    a, b, c, d = counts
    table = PairedTable(both_right=a, broke=b, fixed=c, both_wrong=d)
    interval = tango(table, level=0.90)
    assume(min(abs(interval.low + margin), abs(interval.high - margin)) > 1e-6)
    against = -score_statistic(table, delta=-margin), score_statistic(table, delta=margin)
    assert inside_margin(interval, margin) == (stats.norm.cdf(max(against)) < 0.05)
