import itertools

import numpy as np
import pytest
from scipy import stats

from babelbits.errors import UnpairedItemsError
from babelbits.records import Interval
from babelbits.stats import resampling
from babelbits.stats.mean_tests import (
    bootstrap_t_columns,
    change_bound,
    mean_interval,
    sign_flip,
    sign_flip_columns,
    t_interval,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_exact_sign_flip_equals_enumeration(rng: np.random.Generator) -> None:
    values = np.array([0.3, -0.1, 0.25, 0.0, 0.4, -0.05, 0.1, 0.1])
    signs = np.array(list(itertools.product([-1, 1], repeat=values.size)))
    expected = np.mean(np.abs(signs @ values) >= abs(values.sum()) - 1e-12)
    assert sign_flip(values, rng=rng).p_value == pytest.approx(expected)


def test_ties_made_by_rounding_count(rng: np.random.Generator) -> None:
    """0.1 + 0.2 and 0.3 differ in the last bit; all 8 patterns of equal sizes give 2/8."""
    assert sign_flip([0.1 + 0.2, 0.3, 0.3], rng=rng).p_value == pytest.approx(2 / 8)


def test_monte_carlo_p_is_never_zero_and_says_how_many_draws(rng: np.random.Generator) -> None:
    values = np.random.default_rng(3).normal(0.15, 1, 100)
    found = sign_flip(values, rng=rng, resamples=999)
    assert found.p_value > 10 / 1000
    assert (found.p_value * 1000) == pytest.approx(round(found.p_value * 1000))
    assert (found.exact, found.resamples, found.n_changed) == (False, 999, 100)


def test_a_loss_of_every_item_has_the_exact_p_that_no_draw_reaches(
    rng: np.random.Generator,
) -> None:
    """2 of 2^100 sign patterns; 1/1000 would not survive a family of 51."""
    found = sign_flip(np.full(100, -0.5), rng=rng, resamples=999)
    assert found.p_value == pytest.approx(2.0**-99)
    assert found.saddlepoint


def test_a_column_does_not_depend_on_its_neighbours() -> None:
    table = np.random.default_rng(3).normal(size=(50, 4))
    together = sign_flip_columns(table, rng=np.random.default_rng(1), resamples=500)
    alone = sign_flip_columns(table[:, 2], rng=np.random.default_rng(1), resamples=500)
    assert together[2].p_value == alone[0].p_value
    sets = bootstrap_t_columns(table, levels=(0.95,), rng=np.random.default_rng(1), resamples=500)
    one = bootstrap_t_columns(
        table[:, 2], levels=(0.95,), rng=np.random.default_rng(1), resamples=500
    )
    assert sets[2][0] is not None
    assert one[0][0] is not None
    assert sets[2][0].low == pytest.approx(one[0][0].low)


def test_exact_and_drawn_columns_mix(rng: np.random.Generator) -> None:
    table = np.zeros((40, 2))
    table[:6, 0] = -0.2
    table[:, 1] = np.linspace(-1, 1, 40)
    few, many = sign_flip_columns(table, rng=rng, resamples=200)
    assert few.exact
    assert few.p_value == pytest.approx(2 / 64)
    assert not many.exact


def test_blocks_give_the_same_shape_of_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small blocks draw in another order; the p-value stays within Monte Carlo error."""
    values = np.random.default_rng(5).normal(0.3, 1, 30)
    whole = sign_flip(values, rng=np.random.default_rng(0), resamples=4000).p_value
    monkeypatch.setattr(resampling, "_CELLS_AT_ONCE", 100)
    assert sign_flip(values, rng=np.random.default_rng(0), resamples=4000).p_value == pytest.approx(
        whole, abs=0.03
    )


def test_bootstrap_t_is_near_student_t_for_normal_values(rng: np.random.Generator) -> None:
    values = np.random.default_rng(8).normal(-0.1, 0.2, 400)
    [[found]] = bootstrap_t_columns(values, levels=(0.95,), rng=rng)
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.002)


def test_bootstrap_t_agrees_with_scipy_bca_on_skewed_values(rng: np.random.Generator) -> None:
    values = np.random.default_rng(9).exponential(1.0, 300)
    [[found]] = bootstrap_t_columns(values, levels=(0.95,), rng=rng)
    theirs = stats.bootstrap((values,), np.mean, method="BCa", rng=4).confidence_interval
    assert found is not None
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_levels_are_nested(rng: np.random.Generator) -> None:
    values = np.random.default_rng(2).normal(size=60)
    [[wide, narrow]] = bootstrap_t_columns(values, levels=(0.95, 0.90), rng=rng)
    assert wide is not None
    assert narrow is not None
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize("values", [[0.5], [0.0] * 9, [-0.25] * 30, [0.1 + 0.2, 0.3, 0.3]])
def test_values_that_do_not_vary_have_no_bootstrap_interval(
    values: list[float], rng: np.random.Generator
) -> None:
    assert bootstrap_t_columns(values, levels=(0.95,), rng=rng, resamples=99) == ((None,),)


def test_resamples_that_do_not_vary_are_refused_not_reported_as_infinite(
    rng: np.random.Generator,
) -> None:
    """One odd value of ten is missing from 35 % of the resamples."""
    values = [0.5] * 9 + [-0.5]
    assert bootstrap_t_columns(values, levels=(0.95,), rng=rng, resamples=999) == ((None,),)


def test_change_bound_without_changes_is_the_rule_of_three_of_wilson() -> None:
    """By hand: z^2 / (n + z^2) = 3.841459 / 103.841459."""
    found = change_bound(np.zeros(100), level=0.95)
    assert (found.low, found.high) == pytest.approx((-0.0369935, 0.0369935), abs=1e-6)
    assert change_bound(np.zeros(100), level=0.95, limit=0.5).high == pytest.approx(
        0.0184967, abs=1e-6
    )


def test_change_bound_uses_the_side_that_changed() -> None:
    """Newcombe's Wilson interval of 1/29 ends at 0.1718."""
    values = np.zeros(29)
    values[0] = -0.01
    found = change_bound(values, level=0.95)
    assert found.low == pytest.approx(-0.1718, abs=5e-5)
    assert found.high == pytest.approx(3.841459 / 32.841459, abs=1e-5)


def test_t_interval_matches_scipy_and_is_none_without_spread() -> None:
    values = [0.1, 0.4, -0.2, 0.3]
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    found = t_interval(values, level=0.9, df=3)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    assert t_interval([0.1, 0.1], level=0.9, df=1) is None
    assert t_interval([0.1], level=0.9, df=0) is None
    assert t_interval([0.1, 0.2], level=0.9, df=0) is None


BOOT = Interval(low=-1.7, high=0.2, level=0.95, method="bootstrap-t")


def test_the_interval_reported_depends_on_how_much_changed() -> None:
    dense = np.linspace(-1, 1, 30)
    student = stats.ttest_1samp(dense, 0).confidence_interval(0.95)
    clipped = mean_interval(dense, BOOT, level=0.95, limit=1.0)
    assert clipped is not None
    assert (clipped.low, clipped.high) == pytest.approx((-1.0, student.high))
    assert clipped.method == "bootstrap-t or t, the wider"
    whole = mean_interval(dense, BOOT, level=0.95, limit=None)
    assert whole is not None
    assert (whole.low, whole.high) == pytest.approx((BOOT.low, student.high))
    sparse = np.zeros(30)
    sparse[:3] = (-0.1, -0.2, 0.1)
    bound = mean_interval(sparse, BOOT, level=0.95, limit=1.0)
    assert bound is not None
    assert bound.method == "t as with 10 changes"
    unchanged = mean_interval(np.zeros(30), BOOT, level=0.95, limit=1.0)
    assert unchanged is not None
    assert unchanged.method == "Wilson bound on changed items"
    alone = mean_interval(sparse, None, level=0.95, limit=None)
    assert alone is not None
    assert alone.method == "t as with 10 changes"
    assert mean_interval(np.zeros(30), None, level=0.95, limit=None) is None


def test_empty_or_missing_values_are_refused(rng: np.random.Generator) -> None:
    for values in ([], [0.1, float("nan")]):
        with pytest.raises(UnpairedItemsError):
            sign_flip(values, rng=rng)
