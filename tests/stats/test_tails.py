"""Tails that no draw reaches. Expected values: enumeration, scipy, exact bounds, simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from babelbits.stats.corpus import approximate_randomisation
from babelbits.stats.mean_tests import (
    SPARSE_LIMIT,
    change_bound,
    few_changes_interval,
    fewest_units,
    mean_interval,
    sign_flip,
    sign_flip_columns,
    t_interval,
    with_rare_losses,
)
from babelbits.stats.multiplicity import holm
from babelbits.stats.tails import gaffke_lower, sign_sum_p

# --- sign flips ---------------------------------------------------------------------------------


def enumerated(values: np.ndarray) -> float:
    """Share of all 2^n sign patterns at least as far from zero."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return float(np.mean(np.abs(sums) >= abs(values.sum()) * (1 - 1e-12)))


@pytest.mark.parametrize("kind", ["normal", "exponential", "one size", "three sizes"])
@pytest.mark.parametrize("gains", [1, 2, 3, 5, 7])
def test_the_saddlepoint_is_within_a_few_per_cent_of_all_patterns(kind: str, gains: int) -> None:
    rng = np.random.default_rng(0)
    sizes = {
        "normal": np.abs(rng.normal(size=20)) + 0.2,
        "exponential": rng.exponential(size=20),
        "one size": np.ones(20),
        "three sizes": rng.choice([1.0, 2.0, 3.0], size=20),
    }[kind]
    sizes[:gains] *= -1
    # With one gain a handful of the million patterns lies further out: their number is a step.
    assert sign_sum_p(sizes) == pytest.approx(enumerated(sizes), rel=0.08 if gains > 2 else 0.6)


@pytest.mark.parametrize(("n", "lost"), [(60, 55), (200, 150), (1000, 620)])
def test_equal_sizes_are_a_binomial(n: int, lost: int) -> None:
    """`scipy.stats.binomtest`; p from 1e-5 to 1e-13, far beyond 10,000 draws."""
    values = np.r_[-np.ones(lost), np.ones(n - lost)]
    assert sign_sum_p(values) == pytest.approx(stats.binomtest(lost, n).pvalue, rel=0.03)


def test_no_difference_and_one_direction() -> None:
    assert sign_sum_p(np.zeros(30)) == 1.0
    assert sign_sum_p([-0.3] * 40) == pytest.approx(2.0**-39)
    assert sign_sum_p(np.random.default_rng(1).uniform(0.1, 1, 40)) == pytest.approx(2.0**-39)
    assert sign_sum_p([1.0, -1.0] * 20) == 1.0


def test_five_hundred_and_twenty_clear_losses_survive_holm() -> None:
    """Each is 90 standard errors from zero; 1/10,001 times 520 is 0.052."""
    rng = np.random.default_rng(2)
    table = rng.normal(-0.3, 0.067, size=(400, 520))
    found = sign_flip_columns(table, rng=rng, resamples=2000)
    assert max(holm([one.p_value for one in found])) < 1e-50
    assert all(one.saddlepoint for one in found)


def test_thirteen_true_losses_are_shown_at_one_in_a_thousand() -> None:
    rng = np.random.default_rng(3)
    table = rng.normal(-0.3, 0.5, size=(300, 13))
    found = sign_flip_columns(table, rng=rng, resamples=2000)
    assert max(holm([one.p_value for one in found])) <= 0.001


def test_draws_and_tail_agree_where_both_can_be_had() -> None:
    rng = np.random.default_rng(4)
    values = rng.gamma(0.5, size=80) * np.where(rng.random(80) < 0.65, -1, 1)
    drawn = sign_flip(values, rng=rng, resamples=200_000)
    assert not drawn.saddlepoint
    assert sign_sum_p(values) == pytest.approx(drawn.p_value, rel=0.05)


@pytest.mark.slow
def test_far_p_values_are_as_rare_as_they_say() -> None:
    """100,000 null samples of 40 skewed sizes: P(p <= 0.001) is 0.001."""
    rng = np.random.default_rng(5)
    sizes = rng.exponential(size=40)
    signs = rng.choice([-1.0, 1.0], size=(100_000, 40))
    far = np.abs(signs @ sizes) > 2.8 * np.linalg.norm(sizes)
    hits = sum(sign_sum_p(one * sizes) <= 0.001 for one in signs[far])
    assert hits / 100_000 == pytest.approx(0.001, abs=3.5 * np.sqrt(0.001 / 100_000))


# --- Gaffke's bound -----------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "lost"), [(30, 1), (95, 5), (200, 40), (50, 0)])
def test_all_or_nothing_is_clopper_and_pearson(n: int, lost: int) -> None:
    """Scipy's beta quantiles: the exact lower bound of a share, less one."""
    values = np.r_[np.zeros(n - lost), -np.ones(lost)]
    expected = stats.beta.ppf(0.05, n - lost, lost + 1) - 1
    assert gaffke_lower(values, worst=-1.0, alpha=0.05) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_saddlepoint_is_the_quantile_of_random_weights(seed: int) -> None:
    """200,000 draws of the weights."""
    rng = np.random.default_rng(seed)
    values = np.r_[rng.normal(0, 0.05, 50), -rng.random(seed)]
    drawn = rng.dirichlet(np.ones(values.size + 1), size=200_000) @ np.append(values, -1.0)
    found = gaffke_lower(values, worst=-1.0, alpha=0.05)
    assert found - values.mean() == pytest.approx(
        float(np.quantile(drawn, 0.05)) - values.mean(), rel=0.015
    )


def test_many_values_that_vary_have_nearly_students_bound() -> None:
    values = np.random.default_rng(6).normal(0, 0.3, 4000)
    student = t_interval(values, level=0.9, df=3999)
    assert student is not None
    found = gaffke_lower(values, worst=-1.5, alpha=0.05)
    assert found == pytest.approx(student.low, abs=0.1 * 0.3 / np.sqrt(4000) * 1.645)


def test_a_value_below_the_worst_is_refused() -> None:
    with pytest.raises(ValueError, match="none of them below"):
        gaffke_lower([-1.2], worst=-1.0, alpha=0.05)


def test_about_three_caps_over_the_margin() -> None:
    """N with 1 - 0.05^(1/n) < margin / cap: ln 0.05 / ln 0.99 = 298.07."""
    assert fewest_units(0.02, cap=2.0, alpha=0.05) == 299
    assert gaffke_lower(np.zeros(299), worst=-2.0, alpha=0.05) > -0.02
    assert gaffke_lower(np.zeros(298), worst=-2.0, alpha=0.05) <= -0.02
    assert fewest_units(2.0, cap=1.0, alpha=0.05) == 1


RARE = {
    "1 % lose 2.0": (0.01, 2.0, 0.002, 2.0),
    "2 % lose 1.0": (0.02, 1.0, 0.002, 2.0),
    "5 % lose 0.4": (0.05, 0.4, 0.002, 2.0),
    "0 to 1, 2 % lost entirely": (0.02, 1.0, 0.01, 1.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RARE)
@pytest.mark.parametrize("n", [30, 60, 80, 100, 250, 500])
def test_rare_losses_of_the_margin_are_seldom_called_harmless(name: str, n: int) -> None:
    """The mean loss is the margin, 0.02: at most 5 %. Student's t says so in up to 75 %."""
    share, loss, jitter, cap = RARE[name]
    rng = np.random.default_rng(7)
    studies, passed = 1000, 0
    for _ in range(studies):
        values = rng.normal(0, jitter, n) - loss * (rng.random(n) < share)
        student = t_interval(values, level=0.9, df=n - 1)
        found = with_rare_losses(student, values, alpha=0.05, loss=cap, gain=cap)
        assert found is not None
        passed += found.low > -share * loss and -values.min() <= cap
    assert passed / studies <= 0.05 + 3.3 * np.sqrt(0.05 * 0.95 / studies)


@pytest.mark.slow
@pytest.mark.parametrize("n", [30, 80, 300, 600])
def test_lognormal_losses_of_the_margin_are_seldom_called_harmless(n: int) -> None:
    """Log-normal of sigma 1.5, mean 0.02, with one loss above the cap of 2 withholding."""
    rng = np.random.default_rng(8)
    scale = 0.02 / np.exp(1.5**2 / 2)
    studies, passed = 1000, 0
    for _ in range(studies):
        values = -scale * rng.lognormal(0, 1.5, n)
        student = t_interval(values, level=0.9, df=n - 1)
        found = with_rare_losses(student, values, alpha=0.05, loss=2.0, gain=2.0)
        assert found is not None
        passed += found.low > -0.02 and -values.min() <= 2.0
    assert passed / studies <= 0.05 + 3.3 * np.sqrt(0.05 * 0.95 / studies)


# --- few changes --------------------------------------------------------------------------------


def width(values: np.ndarray, one_change: float) -> float:
    found = mean_interval(values, None, level=0.95, limit=1.0, one_change=one_change)
    student = t_interval(values, level=0.95, df=int(np.count_nonzero(values)) - 1)
    if np.count_nonzero(values) >= SPARSE_LIMIT and student is not None:
        return student.high - student.low
    assert found is not None
    return found.high - found.low


@given(
    n=st.integers(120, 400), languages=st.integers(1, 13), seed=st.integers(0, 10_000),
    gains=st.sampled_from([0.0, 0.2, 0.5]),
)  # fmt: skip
def test_an_interval_does_not_widen_because_less_has_changed(
    n: int, languages: int, seed: int, gains: float
) -> None:
    """One item of one language after another changes, each in a source item of its own."""
    rng = np.random.default_rng(seed)
    values, last = np.zeros(n), width(np.zeros(n), 1 / languages)
    for place in rng.permutation(n)[:25]:
        values[place] = (1 if rng.random() < gains else -1) / languages
        now = width(values, 1 / languages)
        assert now >= last * 0.96, "a change the other way narrows t by a trifle"
        last = max(last, now)


def test_five_of_960_items_are_not_wider_than_thirty() -> None:
    """240 source items in four languages; each change moves its source item's mean by 1/4."""
    five, thirty = np.zeros(240), np.zeros(240)
    five[:2], five[2:5] = -0.25, 0.25
    thirty[:25], thirty[25:30] = -0.25, 0.25
    assert width(five, 0.25) < width(thirty, 0.25)
    assert width(np.zeros(240), 0.25) <= width(five, 0.25) * 1.001


def test_ten_changes_have_students_interval() -> None:
    """scipy's, with 9 degrees of freedom; below ten the lacking ones are filled in."""
    ten = np.zeros(240)
    ten[:10] = -0.25
    found = few_changes_interval(ten, level=0.95)
    student = t_interval(ten, level=0.95, df=9)
    assert found is not None
    assert student is not None
    assert (found.low, found.high) == pytest.approx((student.low, student.high))


def test_one_language_without_a_change_keeps_wilsons_bound() -> None:
    found = mean_interval(np.zeros(240), None, level=0.95, limit=1.0)
    assert found == change_bound(np.zeros(240), level=0.95)


# --- corpora ------------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [0.35, 0.45])
def test_a_corpus_scores_far_tail_agrees_with_two_hundred_thousand_swaps(spread: float) -> None:
    """An F-score of summed counts, p about 5e-4: 2,000 swaps find hardly one as far out."""
    rng = np.random.default_rng(9)
    lengths = rng.integers(5, 40, size=(120, 2)).astype(float)
    before = np.column_stack([lengths.min(axis=1) * 0.6, lengths])
    after = before.copy()
    after[:, 0] *= 1 + rng.normal(-0.095, spread, 120)

    def score(sums: np.ndarray) -> np.ndarray:
        return np.asarray(2 * sums[:, 0] / (sums[:, 1] + sums[:, 2]))

    few = approximate_randomisation(before, after, score, rng=rng, resamples=2000)
    many = approximate_randomisation(before, after, score, rng=rng, resamples=200_000)
    assert few.saddlepoint or few.p_value > 10 / 2001
    assert not many.saddlepoint
    far = approximate_randomisation(before, after, score, rng=rng, resamples=9)
    assert far.saddlepoint
    assert far.p_value == pytest.approx(many.p_value, rel=0.15)
