"""What the verdict rule calls worse, and what shows a margin: counted against the rule itself."""

import numpy as np
import pytest
from scipy import stats

from babelbits.stats.binary import PairedTable, mcnemar_midp, tango
from babelbits.stats.detectable import (
    changes_needed,
    detectable_mean,
    detectable_share,
    joint_power,
    share_to_change,
    single_power,
    within_power,
    worse_power,
)


def table(n: int, broke: int, fixed: int) -> PairedTable:
    return PairedTable(both_right=n - broke - fixed, broke=broke, fixed=fixed, both_wrong=0)


@pytest.mark.parametrize(
    ("n", "broke", "fixed", "level"),
    [(40, 0.2, 0.05, 0.05), (60, 0.1, 0.02, 0.05 / 13), (50, 0.15, 0.0, 0.001)],
)
def test_the_chance_of_worse_is_the_sum_over_all_tables(
    n: int, broke: float, fixed: float, level: float
) -> None:
    """Every table of n items, by the test and the interval that give the verdict."""
    expected = 0.0
    for lost in range(n + 1):
        for won in range(n + 1 - lost):
            chance = stats.multinomial.pmf(
                [lost, won, n - lost - won], n, [broke, fixed, 1 - broke - fixed]
            )
            if chance > 1e-12 and lost > won:
                found = table(n, lost, won)
                worse = mcnemar_midp(found).p_value <= level and tango(found).high < 0
                expected += chance * worse
    assert worse_power(n, broke=broke, fixed=fixed, level=level, alpha=0.05) == pytest.approx(
        expected, abs=1e-9
    )


@pytest.mark.parametrize("questions", [1, 5, 13])
def test_four_of_five_studies_call_the_detectable_loss_worse(questions: int) -> None:
    """2,000 drawn studies; the others of the family are harmless, so Holm asks for alpha / m."""
    loss = detectable_share(250, churn=0.1, level=0.05 / questions, alpha=0.05)
    assert loss is not None
    rng = np.random.default_rng(1)
    shares = [(0.1 + loss) / 2, (0.1 - loss) / 2, 0.9]
    drawn = rng.multinomial(250, shares, size=2000)
    worse = [
        mcnemar_midp(table(250, b, f)).p_value <= 0.05 / questions
        and tango(table(250, b, f)).high < 0
        for b, f, _ in drawn
    ]
    assert np.mean(worse) == pytest.approx(0.8, abs=0.03)


def test_two_more_losses_would_do_so_it_is_not_nothing() -> None:
    """Four of 300 broke, five are worse: P(Binomial(300, d) >= 5) = 0.8 at d = 2.23 %."""
    found = detectable_share(300, churn=4 / 300, level=0.05, alpha=0.05)
    assert found == pytest.approx(0.0223, abs=1e-4)
    assert found is not None
    assert stats.binom.sf(4, 300, found) == pytest.approx(0.8, abs=1e-3)
    assert detectable_share(4, churn=0.0, level=0.05, alpha=0.05) is None, "p is 0.0625"


def test_a_mean_is_detected_where_test_and_interval_both_say_so() -> None:
    """Drawn: 4,000 normal studies of 60 units, level alpha / 13 of Student's t."""
    found = detectable_mean(60, sd=1.0, level=0.05 / 13, arm=0.2)
    assert found is not None
    rng = np.random.default_rng(2)
    values = rng.normal(-found, 1.0, size=(60, 4000))
    p = stats.ttest_1samp(values, 0).pvalue
    assert np.mean((p <= 0.05 / 13) & (values.mean(axis=0) < 0)) == pytest.approx(0.8, abs=0.025)
    wide = detectable_mean(60, sd=1.0, level=0.05 / 13, arm=1.0)
    assert wide is not None
    assert wide > 1.0
    assert detectable_mean(1, sd=1.0, level=0.05, arm=0.0) is None


def test_a_sign_flip_test_needs_as_many_changes_as_its_level_says() -> None:
    """2^(1 - 6) = 0.03125 and 2^(1 - 5) = 0.0625."""
    assert changes_needed(0.05) == 6
    assert changes_needed(0.05 / 13) == 10
    share = share_to_change(240, changes=6)
    assert share is not None
    assert stats.binom.sf(5, 240, share) == pytest.approx(0.8)
    assert share_to_change(5, changes=6) is None


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(("n", "churn"), [(150, 0.01), (300, 0.04), (60, 0.2)])
def test_the_chance_to_show_a_margin_is_the_sum_over_all_tables(
    n: int, churn: float, both: bool
) -> None:
    margin, expected = 0.05, 0.0
    for lost in range(60):
        for won in range(60):
            if lost + won > n:
                continue
            chance = stats.multinomial.pmf(
                [lost, won, n - lost - won], n, [churn / 2, churn / 2, 1 - churn]
            )
            if chance > 1e-11:
                found = tango(table(n, lost, won), level=0.9)
                inside = found.low > -margin and (not both or found.high < margin)
                expected += chance * inside
    found_power = within_power(n, margin=margin, churn=churn, alpha=0.05, both=both)
    assert found_power == pytest.approx(expected, abs=1e-6)


def test_eleven_independent_questions_multiply() -> None:
    assert joint_power(0.8, questions=11, correlation=0.0) == pytest.approx(0.8**11)
    assert single_power(0.8, questions=11, correlation=0.0) == pytest.approx(0.8 ** (1 / 11))
    assert joint_power(0.8, questions=1, correlation=0.0) == 0.8


@pytest.mark.parametrize("correlation", [0.3, 0.7])
def test_correlated_questions_are_those_of_a_normal_vector(correlation: float) -> None:
    """200,000 draws of five normal variables of equal correlation."""
    rng = np.random.default_rng(3)
    matrix = np.full((5, 5), correlation) + (1 - correlation) * np.eye(5)
    drawn = rng.multivariate_normal(np.zeros(5), matrix, size=200_000)
    expected = np.mean((drawn < stats.norm.ppf(0.8)).all(axis=1))
    assert joint_power(0.8, questions=5, correlation=correlation) == pytest.approx(
        expected, abs=0.004
    )


def test_a_confirmed_loss_passes_the_exact_test_as_well() -> None:
    """Every table of 40 items, by mid-p and interval and scipy's exact binomial test."""
    expected = 0.0
    for lost in range(41):
        for won in range(min(lost, 41 - lost)):
            chance = stats.multinomial.pmf([lost, won, 40 - lost - won], 40, [0.3, 0.05, 0.65])
            found = table(40, lost, won)
            worse = mcnemar_midp(found).p_value <= 0.05 and tango(found).high < 0
            exact = stats.binomtest(won, lost + won, alternative="less").pvalue <= 0.01
            expected += chance * (worse and exact)
    power = worse_power(40, broke=0.3, fixed=0.05, level=0.05, alpha=0.05, confirmed=0.01)
    assert power == pytest.approx(expected, abs=1e-9)
