"""Prediction-powered means against ppi-python 0.2.3, by hand, and under simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from babelbits.errors import UnpairedItemsError
from babelbits.stats.ppi import prediction_powered_mean

HUMAN = [1, 0, -1, 0, 1, -1, -1, 0, 0, 1, -1, -1]
JUDGE = [0.5, 0.2, -0.6, 0.1, 0.9, -0.1, -0.9, 0.3, -0.2, 0.4, 0.1, -0.8]
REST = [
    0.1, -0.3, 0.4, -0.9, 0.6, 0.0, -0.2, -0.5, 0.3, 0.2,
    -0.7, 0.8, -0.4, 0.1, 0.5, -0.1, -0.6, 0.2, 0.0, -0.8,
]  # fmt: skip


@pytest.mark.parametrize(
    ("weight", "estimate", "low", "high"),
    [
        (1.0, -0.22333333, -0.56205172, 0.11538506),
        (0.5, -0.195, -0.55222401, 0.16222401),
        (0.0, -0.16666667, -0.61890788, 0.28557454),
    ],
)
def test_means_and_errors_match_ppi_python(
    weight: float, estimate: float, low: float, high: float
) -> None:
    """`ppi_mean_ci(..., lam=weight)`; it divides variances by n and uses the normal quantile.

    At 12 and 20 labels n - 1 and Student's t matter, so its error is corrected for both by hand.
    """
    found = prediction_powered_mean(HUMAN, JUDGE, REST, weight=weight)
    assert found.estimate == pytest.approx(estimate, abs=1e-8)
    theirs = ((high - low) / 2 / stats.norm.ppf(0.975)) ** 2
    judge_only = weight**2 * np.var(REST) / 20
    corrected = (theirs - judge_only) * 12 / 11 + judge_only * 20 / 19
    assert found.standard_error**2 == pytest.approx(corrected, rel=1e-6)
    half = stats.t.ppf(0.975, 11) * np.sqrt(corrected)
    assert found.interval.high - found.interval.low == pytest.approx(2 * half, rel=1e-6)


def test_tuned_weight_matches_ppi_python() -> None:
    """Its estimate -0.21570314 means a weight of 0.8653, with a covariance over n, not n - 1."""
    shift = np.mean(REST) - np.mean(JUDGE)
    theirs = (-0.21570314 - np.mean(HUMAN)) / shift
    found = prediction_powered_mean(HUMAN, JUDGE, REST)
    assert found.weight == pytest.approx(theirs * 12 / 11, rel=1e-6)
    assert found.estimate == pytest.approx(np.mean(HUMAN) + found.weight * shift)


def test_weight_zero_is_the_human_mean_with_students_t() -> None:
    found = prediction_powered_mean(HUMAN, JUDGE, REST, weight=0)
    theirs = stats.ttest_1samp(HUMAN, 0).confidence_interval(0.95)
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(theirs))
    assert found.standard_error == pytest.approx(found.human_only_standard_error)
    assert found.judge_bias == pytest.approx(np.mean(JUDGE) - np.mean(HUMAN))


def test_a_judge_that_never_varies_or_is_contrary_is_ignored() -> None:
    same = prediction_powered_mean(HUMAN, [0.3] * 12, [0.3] * 20)
    contrary = prediction_powered_mean(HUMAN, [-value for value in HUMAN], REST)
    assert same.weight == contrary.weight == 0
    assert same.estimate == contrary.estimate == pytest.approx(np.mean(HUMAN))


def test_a_perfect_judge_is_worth_its_many_labels() -> None:
    """Weight 1 / (1 + n/N), and the error of all n + N labels together."""
    rng = np.random.default_rng(1)
    labels = rng.choice([-1, 0, 1], size=1100)
    found = prediction_powered_mean(labels[:100], labels[:100], labels[100:])
    assert found.weight == pytest.approx(1 / 1.1, rel=0.1)
    assert found.standard_error == pytest.approx(labels.std() / np.sqrt(1100), rel=0.05)


@given(bias=st.floats(-0.5, 0.5))
@settings(max_examples=30)
def test_a_constant_bias_of_the_judge_changes_nothing(bias: float) -> None:
    plain = prediction_powered_mean(HUMAN, JUDGE, REST)
    shifted = prediction_powered_mean(
        HUMAN, [value + bias for value in JUDGE], [value + bias for value in REST]
    )
    assert shifted.estimate == pytest.approx(plain.estimate)
    assert shifted.standard_error == pytest.approx(plain.standard_error)


def test_refusals_name_what_is_wrong() -> None:
    with pytest.raises(UnpairedItemsError, match="2 human and 1 judge"):
        prediction_powered_mean([1, 0], [1], REST)
    with pytest.raises(ValueError, match="got 2 and 1"):
        prediction_powered_mean([1, 0], [1, 0], [1])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        prediction_powered_mean(HUMAN, JUDGE, REST, weight=1.5)
    with pytest.raises(UnpairedItemsError):
        prediction_powered_mean([1, np.nan], [1, 0], REST)


@pytest.mark.slow
@pytest.mark.parametrize("skill", [0.0, 0.4, 0.9])
@pytest.mark.parametrize("bias", [-0.3, 0.0])
@pytest.mark.parametrize("n_human", [25, 100])
def test_intervals_cover_with_a_biased_judge(skill: float, bias: float, n_human: int) -> None:
    """2,000 draws; the judge's own mean would miss nearly always where it is biased."""
    rng = np.random.default_rng(6)
    covered, naive = 0, 0
    for _ in range(2000):
        truth = rng.choice([-1, 0, 1], size=n_human + 500, p=[0.35, 0.4, 0.25]).astype(float)
        noise = rng.choice([-1, 0, 1], size=truth.size)
        judged = np.where(rng.random(truth.size) < skill, truth, noise) + bias
        found = prediction_powered_mean(truth[:n_human], judged[:n_human], judged[n_human:])
        covered += found.interval.low <= -0.1 <= found.interval.high
        half = 1.96 * judged.std() / np.sqrt(truth.size)
        naive += abs(judged.mean() + 0.1) <= half
    lowest = float(stats.binom.ppf(0.001, 2000, 0.95)) / 2000
    assert covered / 2000 >= lowest
    if bias:
        assert naive / 2000 < 0.05
