"""Numbers from papers and from other programs, one test a source."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from babelbits.records import Interval
from babelbits.stats.binary import (
    PairedTable,
    mcnemar_exact,
    mcnemar_midp,
    newcombe,
    paired_table,
    tango,
    wilson,
)
from babelbits.stats.churn import churn
from babelbits.stats.cluster import (
    cluster_scores,
    cluster_standard_error,
    cluster_t,
    cluster_t_interval,
)
from babelbits.stats.equivalence import tost_paired
from babelbits.stats.groups import smallest_p
from babelbits.stats.mean_tests import sign_flip
from babelbits.stats.multiplicity import benjamini_hochberg, holm
from babelbits.stats.power import (
    equivalence_sample_size,
    mcnemar_minimal_effect,
    mcnemar_sample_size,
    mean_minimal_effect,
)

SLEEP_1 = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
SLEEP_2 = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
MAIZE = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48])
FAGERLAND = PairedTable(both_right=1, broke=7, fixed=1, both_wrong=12)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ((101, 121, 59, 33), 0.000004),
        ((101, 70, 59, 33), 0.378688),
        ((101, 80, 59, 33), 0.089452),
        ((101, 30, 60, 33), 0.002060),
        ((101, 10, 30, 33), 0.002221),
        ((101, 10, 10, 33), 1.0),
    ],
)
def test_ka01_exact_mcnemar_matches_vassar_via_statsmodels(
    table: tuple[int, int, int, int], expected: float
) -> None:
    a, b, c, d = table
    found = mcnemar_exact(PairedTable(both_right=a, broke=b, fixed=c, both_wrong=d))
    assert found.p_value == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize(("b", "c"), [(121, 59), (70, 59), (150, 86), (0, 3), (5000, 5100)])
def test_ka02_ka05_exact_mcnemar_agrees_with_statsmodels(b: int, c: int) -> None:
    from statsmodels.stats.contingency_tables import mcnemar

    ours = mcnemar_exact(PairedTable(both_right=101, broke=b, fixed=c, both_wrong=33))
    assert ours.p_value == pytest.approx(mcnemar([[101, b], [c, 33]]).pvalue, rel=1e-9)


def test_ka03_midp_and_exact_match_fagerland_2013_airway_example() -> None:
    assert mcnemar_midp(FAGERLAND).p_value == pytest.approx(0.0390625, abs=1e-12)
    assert mcnemar_exact(FAGERLAND).p_value == pytest.approx(0.0703125, abs=1e-12)


def test_ka04_paired_intervals_match_fagerland_2014_example() -> None:
    assert FAGERLAND.delta == pytest.approx(-6 / 21)
    assert ends(tango(FAGERLAND)) == pytest.approx((-0.51723, -0.02600), abs=5e-6)
    assert ends(newcombe(FAGERLAND)) == pytest.approx((-0.5069, -0.0256), abs=5e-5)
    uncorrected = newcombe(FAGERLAND, correction=False)
    assert ends(uncorrected) == pytest.approx((-0.5017, -0.0361), abs=5e-5)


@pytest.mark.parametrize(
    ("x", "n", "expected"),
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_ka06_wilson_matches_newcombe_1998a(x: int, n: int, expected: tuple[float, float]) -> None:
    assert ends(wilson(x, n)) == pytest.approx(expected, abs=5e-5)


def test_ka07_square_and_add_matches_newcombe_1998b_for_independent_shares() -> None:
    """56/70 v 48/80 is (0.0524, 0.3339): the Wilson limits that his paired method adds up."""
    first, second = wilson(56, 70), wilson(48, 80)
    delta = 56 / 70 - 48 / 80
    low = delta - np.hypot(56 / 70 - first.low, second.high - 48 / 80)
    high = delta + np.hypot(first.high - 56 / 70, 48 / 80 - second.low)
    assert (low, high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_ka08_sign_flip_matches_fisher_1935_darwins_maize(rng: np.random.Generator) -> None:
    found = sign_flip(MAIZE, rng=rng)
    assert found.exact
    assert found.resamples == 32768
    assert found.p_value == pytest.approx(2 * 863 / 32768, abs=1e-12)
    paired = cluster_t(cluster_scores(MAIZE, clusters=np.arange(15)))
    assert paired is not None
    assert (paired.t, paired.p_value) == pytest.approx((2.14799, 0.049703), abs=5e-6)


def test_ka08_monte_carlo_agrees_with_scipy_on_a_larger_sample(rng: np.random.Generator) -> None:
    from scipy import stats

    values = np.random.default_rng(1).normal(0.2, 1, 40)
    theirs = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=50_000, rng=2
    ).pvalue
    ours = sign_flip(values, rng=rng, resamples=50_000)
    assert not ours.exact
    assert ours.p_value == pytest.approx(theirs, abs=0.01)


def test_ka09_cluster_t_with_one_item_a_cluster_is_the_paired_t_of_r_sleep() -> None:
    scores = cluster_scores(SLEEP_1 - SLEEP_2, clusters=np.arange(10))
    found, interval = cluster_t(scores), cluster_t_interval(scores)
    assert found is not None
    assert interval is not None
    assert found.t == pytest.approx(-4.0621, abs=5e-5)
    assert found.p_value == pytest.approx(0.0028329, abs=5e-8)
    assert ends(interval) == pytest.approx((-2.459886, -0.700114), abs=5e-7)


def test_ka11_paired_tost_matches_pingouin_and_statsmodels() -> None:
    a, b = [4, 7, 8, 6, 3, 2], [6, 8, 7, 10, 11, 9]
    found = tost_paired(b, a, margin=0.5)
    assert found is not None
    assert found.p_value == pytest.approx(0.9548544, abs=5e-8)


# fmt: off
CLINIC_FIRST = [
    4.00, 3.26, 4.14, 3.42, 3.25, 4.34, 4.97, 4.31, 3.11, 3.41, 5.02, 4.21, 4.59, 5.30, 4.32,
]
CLINIC_SECOND = [
    3.76, 3.66, 3.65, 3.60, 3.48, 2.87, 3.24, 3.92, 3.99, 4.21, 4.21, 3.31, 3.61, 2.97, 2.73,
]
# fmt: on


def test_ka11_paired_tost_matches_r_equivalence_clinic_example() -> None:
    """R `tost(clinic$var2[1:15] - clinic$var2[16:30], eps = 0.6)`, via statsmodels' tests."""
    found = tost_paired(CLINIC_SECOND, CLINIC_FIRST, margin=0.6)
    assert found is not None
    assert found.p_value == pytest.approx(0.4412034046, abs=1e-9)


BENJAMINI_HOCHBERG_1995 = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
    0.5719, 0.6528, 0.7590, 1.0,
]  # fmt: skip


def test_ka12_families_match_benjamini_hochberg_1995() -> None:
    by_holm = holm(BENJAMINI_HOCHBERG_1995)
    by_bh = benjamini_hochberg(BENJAMINI_HOCHBERG_1995)
    assert sum(p <= 0.05 for p in by_bh) == 4
    assert sum(p <= 0.05 for p in by_holm) == 3
    assert by_bh[3] == pytest.approx(0.035625)
    assert by_holm[3] == pytest.approx(0.1140)


def test_ka13_holm_and_bh_by_hand() -> None:
    p = [0.05, 0.01, 0.04, 0.02, 0.03]
    assert holm(p) == pytest.approx((0.09, 0.05, 0.09, 0.08, 0.09))
    assert benjamini_hochberg(p) == pytest.approx((0.05,) * 5)
    assert holm([]) == benjamini_hochberg([]) == ()


def test_holm_and_bh_agree_with_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 40):
        p = np.round(rng.random(size) ** 3, 2).tolist()
        assert holm(p) == pytest.approx(tuple(multipletests(p, method="holm")[1]))
        assert benjamini_hochberg(p) == pytest.approx(tuple(multipletests(p, method="fdr_bh")[1]))


def test_ka14_cluster_standard_error_matches_miller_2024_and_statsmodels() -> None:
    y = [1, 1, 1, 0, 0, 0, 1, 0, 1, 1]
    scores = cluster_scores(y, clusters=[0, 0, 0, 1, 1, 1, 2, 2, 3, 3])
    assert cluster_standard_error(scores, small_sample=False) == pytest.approx(0.2315167, abs=5e-8)
    assert cluster_standard_error(scores) == pytest.approx(0.2673325, abs=5e-8)
    singles = cluster_scores(y, clusters=range(10))
    assert cluster_standard_error(singles) == pytest.approx(0.1632993, abs=5e-8)


def test_ka20_mean_minimal_effect_is_near_statsmodels_and_r_pwr() -> None:
    """33.3671 pairs see d = 0.5 with 80 % power; the approximation errs by under 2 %."""
    assert mean_minimal_effect(33, sd=1.0) == pytest.approx(0.5, rel=0.02)
    assert mean_minimal_effect(34, sd=3.0) == pytest.approx(1.5, rel=0.02)


def test_ka22_mcnemar_sample_size_matches_miettinen_connor() -> None:
    assert mcnemar_sample_size(0.1, churn=0.3) == pytest.approx(233.09, abs=0.005)


def test_minimal_effects_match_the_published_table_of_the_closed_form() -> None:
    """Rows: items; columns: churn 2, 5, 10, 20 %; points; None where no loss could be shown."""
    table: dict[int, tuple[float | None, ...]] = {
        100: (None, None, 8.8, 12.4),
        250: (None, 3.9, 5.6, 7.9),
        500: (1.8, 2.8, 4.0, 5.6),
        1000: (1.3, 2.0, 2.8, 4.0),
        5000: (0.6, 0.9, 1.3, 1.8),
    }
    for n, row in table.items():
        for share, expected in zip((0.02, 0.05, 0.10, 0.20), row, strict=True):
            found = mcnemar_minimal_effect(n, churn=share)
            if expected is None:
                assert found is None, (n, share)
            else:
                assert found is not None
                assert found * 100 == pytest.approx(expected, abs=0.051)


def test_equivalence_sample_sizes_match_the_normal_approximation_by_hand() -> None:
    """(1.644854 + 1.281552)^2 = 8.563847; times churn over margin squared."""
    sizes = [equivalence_sample_size(0.02, churn=share) for share in (0.05, 0.10, 0.20)]
    assert sizes == pytest.approx([1070.48, 2140.96, 4281.92], abs=0.01)
    assert all(first < second for first, second in pairwise(sizes))


def test_smallest_label_permutation_p_by_counting() -> None:
    """10 v 10 languages have 184,756 splits; 3 v 3 have 20, mirror images in pairs."""
    assert smallest_p(10, 10) == pytest.approx(2 / 184_756)
    assert smallest_p(3, 3) == pytest.approx(0.10)
    assert smallest_p(2, 5) == pytest.approx(1 / 21)


@pytest.mark.parametrize("scores", [[0, 1, 1], [1], [0, 0, 0, 0], [1] * 50])
def test_ka28_identity_gives_p_one_delta_zero_churn_zero(
    scores: list[int], rng: np.random.Generator
) -> None:
    x: NDArray[np.float64] = np.array(scores, float)
    table = paired_table(x, x)
    assert mcnemar_midp(table).p_value == mcnemar_exact(table).p_value == 1.0
    assert sign_flip(x - x, rng=rng).p_value == 1.0
    assert churn(x - x).share == 0.0
    for interval in (tango(table), newcombe(table)):
        assert interval.low < 0 < interval.high


@pytest.mark.parametrize("n", [1, 2, 10, 250, 100_000])
def test_tango_without_changes_is_z2_over_n_plus_z2_by_hand(n: int) -> None:
    """With no change the score equation is n delta^2 = z^2 delta (1 - delta)."""
    z2 = 3.841458820694124
    interval = tango(PairedTable(both_right=n, broke=0, fixed=0, both_wrong=0))
    assert ends(interval) == pytest.approx((-z2 / (n + z2), z2 / (n + z2)), rel=1e-6)
