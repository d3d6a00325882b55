"""More numbers from papers and other programs: score tests, signed ranks, corpora."""

import numpy as np
import pytest
from scipy import stats

from babelbits.stats.binary import PairedTable, score_statistic, tango
from babelbits.stats.cluster import cluster_scores, cluster_standard_error
from babelbits.stats.corpus import acceleration, bca_interval
from babelbits.stats.difference_in_differences import double_difference
from babelbits.stats.equivalence import inside_margin
from babelbits.stats.gains import expected_best
from babelbits.stats.mean_tests import sign_flip
from babelbits.stats.relative import ratio_of_means_interval
from babelbits.stats.resampling import bootstrap_counts
from babelbits.stats.student import t_of_changed

MAIZE = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], float)
DEPRESSION_BEFORE = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
DEPRESSION_AFTER = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def of_changes(broke: int, fixed: int, *, unchanged: int = 134) -> PairedTable:
    return PairedTable(both_right=unchanged, broke=broke, fixed=fixed, both_wrong=0)


@pytest.mark.parametrize(
    ("broke", "fixed", "squared", "p"),
    [
        (121, 59, 21.35556, 3.815136e-06),
        (70, 59, 0.9379845, 0.3327967),
        (80, 59, 3.172662, 0.0748803),
        (150, 86, 17.3559, 3.10e-05),
    ],
)
def test_ka02_ka05_score_statistic_at_zero_is_mcnemar_chi_squared_of_r_and_agresti(
    broke: int, fixed: int, squared: float, p: float
) -> None:
    """R `mcnemar.test(correct = FALSE)`, via statsmodels; Agresti's approval ratings (150, 86)."""
    z = score_statistic(of_changes(broke, fixed))
    assert z < 0
    assert z**2 == pytest.approx(squared, rel=5e-6)
    assert 2 * stats.norm.sf(abs(z)) == pytest.approx(p, rel=2e-3)


def test_ka03_score_statistic_matches_the_asymptotic_mcnemar_of_fagerland_2013() -> None:
    z = score_statistic(PairedTable(both_right=1, broke=7, fixed=1, both_wrong=12))
    assert 2 * stats.norm.sf(abs(z)) == pytest.approx(0.03389, abs=5e-6)


@pytest.mark.parametrize("margin", [0.02, 0.05, 0.517, 0.518, 0.6])
def test_ka04_margins_hold_tangos_interval_of_fagerland_2014(margin: float) -> None:
    """Tango's 95 % interval is (-0.51723, -0.02600): at 2.5 % a margin of 0.518 holds it."""
    table = PairedTable(both_right=1, broke=7, fixed=1, both_wrong=12)
    assert inside_margin(tango(table), margin) == (margin > 0.51723)


def test_ka08_ka10_sign_flips_of_signed_ranks_are_wilcoxons_test(rng: np.random.Generator) -> None:
    """R `wilcox.test`: V = 40, one-sided p = 0.01953125; Darwin's maize: W = 24, p = 0.041260."""
    for values, expected, smaller in (
        (DEPRESSION_BEFORE - DEPRESSION_AFTER, 2 * 0.01953125, 5),
        (MAIZE, 0.041260, 24),
    ):
        ranks = stats.rankdata(np.abs(values)) * np.sign(values)
        assert min(ranks[ranks > 0].sum(), -ranks[ranks < 0].sum()) == smaller
        assert sign_flip(ranks, rng=rng).p_value == pytest.approx(expected, abs=5e-7)


def test_ka24_double_difference_matches_card_and_krueger_1994() -> None:
    """New Jersey 20.44 to 21.03, Pennsylvania 23.33 to 21.17: +2.75 from rounded means."""
    new_jersey, pennsylvania = 21.03 - 20.44, 21.17 - 23.33
    spread = np.array([-1.0, 0.0, 1.0])
    found = double_difference(
        new_jersey + spread, pennsylvania + spread, target_sources=[0, 1, 2],
        reference_sources=[3, 4, 5],
    )  # fmt: skip
    assert found.estimate == pytest.approx(2.75)
    assert not found.paired


def test_unpaired_double_differences_are_scipys_welch_test() -> None:
    first = np.random.default_rng(1).normal(-0.1, 0.2, 30)
    second = np.random.default_rng(2).normal(0.0, 0.4, 50)
    theirs = stats.ttest_ind(first, second, equal_var=False)
    found = double_difference(
        first, second, target_sources=np.arange(30), reference_sources=np.arange(30, 80)
    )
    assert found.p_value == pytest.approx(theirs.pvalue)
    assert found.interval is not None
    ends = theirs.confidence_interval(0.95)
    assert (found.interval.low, found.interval.high) == pytest.approx((ends.low, ends.high))


def test_paired_double_differences_are_scipys_t_test_of_item_differences() -> None:
    both = np.random.default_rng(3).normal(size=(2, 40))
    order = np.random.default_rng(4).permutation(40)
    theirs = stats.ttest_rel(both[0], both[1])
    found = double_difference(
        both[0], both[1][order], target_sources=np.arange(40), reference_sources=order
    )
    assert found.paired
    assert found.n_sources == 40
    assert found.p_value == pytest.approx(theirs.pvalue)


LSAT = np.array([576, 635, 558, 578, 666, 580, 555, 661, 651, 605, 653, 575, 545, 572, 594], float)
GPA = np.array(
    [3.39, 3.30, 2.81, 3.03, 3.44, 3.07, 3.00, 3.43, 3.36, 3.13, 3.12, 2.74, 2.76, 2.88, 2.96]
)


def test_ka25_acceleration_matches_efron_and_tibshirani_law_school() -> None:
    kept = ~np.eye(15, dtype=bool)
    without_one = [np.corrcoef(LSAT[row], GPA[row])[0, 1] for row in kept]
    assert np.corrcoef(LSAT, GPA)[0, 1] == pytest.approx(0.776374, abs=5e-7)
    assert acceleration(without_one) == pytest.approx(-0.075671, abs=1e-6)


def test_bca_of_a_skewed_mean_is_scipys_for_the_same_draws() -> None:
    values = np.random.default_rng(9).exponential(1.0, 60)
    draws = bootstrap_counts(60, resamples=999, rng=np.random.default_rng(4))
    found = bca_interval(
        np.concatenate([counts @ values / 60 for counts in draws]),
        estimate=float(values.mean()),
        leave_one_out=(values.sum() - values) / 59,
    )
    theirs = stats.bootstrap(
        (values,), np.mean, method="BCa", n_resamples=999, rng=4
    ).confidence_interval
    assert found is not None
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))


def test_ka26_cluster_error_is_the_gee_sandwich_of_statsmodels_which_matches_r_gee() -> None:
    """Statsmodels' own file of R `gee` results; then its Gaussian GEE beside our linearisation."""
    from importlib.resources import files

    import statsmodels.api as sm

    folder = files("statsmodels.genmod.tests").joinpath("results")
    data = np.loadtxt(str(folder.joinpath("gee_logistic_1.csv")), delimiter=",")
    groups, y, x = data[:, 0], data[:, 1], sm.add_constant(data[:, 2:])
    fitted = sm.GEE(y, x, groups, family=sm.families.Binomial()).fit()
    assert fitted.params == pytest.approx([0.016727, 1.130387, -1.868963, 1.093976], abs=5e-6)
    assert fitted.bse == pytest.approx([0.127292, 0.166726, 0.192430, 0.173141], abs=5e-6)
    mean = sm.GEE(y, np.ones_like(y), groups).fit()
    ours = cluster_standard_error(cluster_scores(y, clusters=groups), small_sample=False)
    assert ours == pytest.approx(float(mean.bse[0]), rel=1e-9)


@pytest.mark.parametrize(
    ("k", "expected"), [(1, 0.0), (2, 0.56419), (3, 0.84628), (10, 1.53875), (100, 2.50759)]
)
def test_expected_best_matches_harter_1961(k: int, expected: float) -> None:
    assert expected_best([2.0] * k) == pytest.approx(2 * expected, abs=2e-4)


def test_expected_best_of_unequal_errors_matches_clark_1961() -> None:
    """The larger of two independent normals of mean 0 has mean sqrt(s1^2 + s2^2) / sqrt(2 pi)."""
    assert expected_best([3.0, 4.0]) == pytest.approx(5 / np.sqrt(2 * np.pi), abs=1e-4)
    assert expected_best([4.0, 0.0]) == pytest.approx(4 / np.sqrt(2 * np.pi), abs=1e-4)
    assert expected_best([0.0, 0.0]) == 0.0


@pytest.mark.parametrize("shift", [-0.15, -0.05, 0.0, 0.1])
def test_ratio_interval_from_t_intervals_is_fiellers_by_inverting_scipys_t_test(
    shift: float,
) -> None:
    """Fieller: the ratios r at which the paired t test of v = (1 + r) b does not reject."""
    rng = np.random.default_rng(5)
    before = rng.normal(1.0, 0.4, 50)
    after = before * (1 + shift) + rng.normal(0, 0.3, 50)
    delta, base = t_of_changed(after - before), t_of_changed(before)
    assert delta is not None
    assert base is not None
    found = ratio_of_means_interval(
        delta.estimate, delta.interval, baseline=base.estimate, baseline_interval=base.interval,
        correlation=float(np.corrcoef(after - before, before)[0, 1]),
    )  # fmt: skip
    assert found is not None
    for end in (found.low, found.high):
        assert stats.ttest_1samp(after - (1 + end) * before, 0).pvalue == pytest.approx(0.05)


def test_tango_ends_are_the_roots_of_the_score_statistic() -> None:
    """Tango 1998 defines them so; 1.959964 is the normal quantile."""
    for table in (of_changes(7, 1, unchanged=13), of_changes(0, 0), of_changes(30, 4)):
        found = tango(table)
        assert score_statistic(table, delta=found.low) == pytest.approx(1.959964, abs=1e-4)
        assert score_statistic(table, delta=found.high) == pytest.approx(-1.959964, abs=1e-4)
