"""Agreement of raters against published tables."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelbits.stats.agreement import (
    Measurement,
    alpha_interval,
    cohen_kappa,
    krippendorff_alpha,
    leave_one_out,
    plurality,
    raw_agreement,
)

_ = np.nan
KRIPPENDORFF = np.array([
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
])  # fmt: skip
"""Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, section C."""


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("measurement", "expected"),
    [("nominal", 0.743421), ("ordinal", 0.815388), ("interval", 0.849107), ("ratio", 0.797403)],
)
def test_ka15_alpha_matches_krippendorff_2011(measurement: Measurement, expected: float) -> None:
    found = krippendorff_alpha(KRIPPENDORFF, measurement=measurement)
    assert found == pytest.approx(expected, abs=5e-7)


def test_ka16_cohen_kappa_of_the_2_by_2_table_by_hand() -> None:
    """[[20, 5], [10, 15]]: observed 0.7, expected 0.5, kappa 0.4."""
    first = [0] * 25 + [1] * 25
    second = [0] * 20 + [1] * 5 + [0] * 10 + [1] * 15
    assert cohen_kappa(first, second) == pytest.approx(0.4, abs=1e-12)


def test_raw_agreement_by_hand() -> None:
    """Item 1: three of three pairs; item 2: one of three; item 3 has one rating."""
    ratings = [[1, 1, 2], [1, 1, _], [1, 2, _]]
    assert raw_agreement(ratings) == pytest.approx((1 + 1 / 3) / 2)


def test_undefined_agreement_is_none_not_a_number(rng: np.random.Generator) -> None:
    alone = [[1, _, 3], [_, 2, _]]
    assert krippendorff_alpha(alone, measurement="nominal") is None
    assert alpha_interval(alone, measurement="nominal", rng=rng) is None
    assert raw_agreement(alone) is None
    assert krippendorff_alpha(np.ones((3, 5)), measurement="ordinal") is None
    assert cohen_kappa([1, 1], [1, 1]) is None


def test_alpha_interval_contains_alpha_and_shrinks_with_items(rng: np.random.Generator) -> None:
    few = alpha_interval(KRIPPENDORFF, measurement="nominal", rng=rng, resamples=300)
    many = alpha_interval(np.tile(KRIPPENDORFF, 6), measurement="nominal", rng=rng, resamples=300)
    assert few is not None
    assert many is not None
    assert few.low < 0.743421 < few.high
    assert many.high - many.low == pytest.approx((few.high - few.low) / np.sqrt(6), rel=0.35)


def test_alpha_interval_is_none_where_most_resamples_do_not_vary(rng: np.random.Generator) -> None:
    """One deviating rating among eight items: a resample lacks it a third of the time."""
    ratings = np.ones((2, 8))
    ratings[0, 0] = 2
    assert krippendorff_alpha(ratings, measurement="nominal") is not None
    assert alpha_interval(ratings, measurement="nominal", rng=rng, resamples=200) is None


def test_plurality_by_hand() -> None:
    ratings = [[1, 1, -1, _], [1, -1, _, _], [-1, _, _, _]]
    assert plurality(ratings, otherwise=0)[:3].tolist() == [1, 0, -1]
    assert np.isnan(plurality(ratings, otherwise=0)[3])


def test_a_rater_who_answers_at_random_stands_out(rng: np.random.Generator) -> None:
    truth = rng.integers(1, 5, 200)
    ratings = np.stack([truth, truth, truth, rng.integers(1, 5, 200)]).astype(float)
    ratings[0, :50] = _
    found = leave_one_out(ratings, raters=["a", "b", "c", "noise"], measurement="nominal")
    whole = krippendorff_alpha(ratings, measurement="nominal")
    assert whole is not None
    assert [one.n_items for one in found] == [150, 200, 200, 200]
    assert found[3].alpha_without == pytest.approx(1.0)
    assert found[3].agreement == pytest.approx(0.25, abs=0.08)
    for one in found[:3]:
        assert one.alpha_without is not None
        assert one.agreement is not None
        assert one.alpha_without < whole
        assert one.agreement > 0.6


def test_a_rater_without_shared_items_has_no_agreement() -> None:
    found = leave_one_out(
        [[1, 2, _], [1, 1, _], [_, _, 3]], raters=["a", "b", "c"], measurement="nominal"
    )
    assert found[2].n_items == 0
    assert found[2].agreement is None


@given(
    st.lists(st.lists(st.integers(1, 4), min_size=3, max_size=3), min_size=2, max_size=12),
)
@settings(max_examples=40)
def test_agreement_does_not_depend_on_the_order_of_raters_or_items(rows: list[list[int]]) -> None:
    table = np.array(rows, float).T
    shuffled = table[::-1][:, ::-1]
    first = krippendorff_alpha(table, measurement="ordinal")
    second = krippendorff_alpha(shuffled, measurement="ordinal")
    assert (first is None) == (second is None)
    if first is not None:
        assert first == pytest.approx(second)
        assert first <= 1
    assert raw_agreement(table) == pytest.approx(raw_agreement(shuffled))


def test_refusals_name_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="a row a rater"):
        krippendorff_alpha([1, 2], measurement="nominal")
    with pytest.raises(ValueError, match="in one order"):
        cohen_kappa([1, 2], [1])
    with pytest.raises(ValueError, match="1 names for 2 raters"):
        leave_one_out([[1, 2], [1, 2]], raters=["a"], measurement="nominal")
