"""Numbers from papers and from other programs, one test a source."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from babelbits.records import Interval
from babelbits.stats.binary import (
    PairedTable,
    churn,
    mcnemar_midp,
    paired_table,
    tango,
    wilson,
)
from babelbits.stats.cluster import (
    cluster_scores,
    cluster_standard_error,
    cluster_t,
    cluster_t_interval,
)
from babelbits.stats.detectable import equivalence_sample_size
from babelbits.stats.mean_tests import sign_flip
from babelbits.stats.multiplicity import benjamini_hochberg, holm

SLEEP_1 = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
SLEEP_2 = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
MAIZE = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48])
FAGERLAND = PairedTable(both_right=1, broke=7, fixed=1, both_wrong=12)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def test_ka03_midp_matches_fagerland_2013_airway_example() -> None:
    assert mcnemar_midp(FAGERLAND).p_value == pytest.approx(0.0390625, abs=1e-12)


def test_ka04_paired_interval_matches_fagerland_2014_example() -> None:
    assert FAGERLAND.delta == pytest.approx(-6 / 21)
    assert ends(tango(FAGERLAND)) == pytest.approx((-0.51723, -0.02600), abs=5e-6)


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


# fmt: on


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


def test_equivalence_sample_sizes_match_the_normal_approximation_by_hand() -> None:
    """(1.644854 + 1.281552)^2 = 8.563847; times churn over margin squared."""
    sizes = [equivalence_sample_size(0.02, churn=share) for share in (0.05, 0.10, 0.20)]
    assert sizes == pytest.approx([1070.48, 2140.96, 4281.92], abs=0.01)
    assert all(first < second for first, second in pairwise(sizes))


@pytest.mark.parametrize("scores", [[0, 1, 1], [1], [0, 0, 0, 0], [1] * 50])
def test_ka28_identity_gives_p_one_delta_zero_churn_zero(
    scores: list[int], rng: np.random.Generator
) -> None:
    x: NDArray[np.float64] = np.array(scores, float)
    table = paired_table(x, x)
    assert mcnemar_midp(table).p_value == 1.0
    assert sign_flip(x - x, rng=rng).p_value == 1.0
    assert churn(x - x).share == 0.0
    assert tango(table).low < 0 < tango(table).high


@pytest.mark.parametrize("n", [1, 2, 10, 250, 100_000])
def test_tango_without_changes_is_z2_over_n_plus_z2_by_hand(n: int) -> None:
    """With no change the score equation is n delta^2 = z^2 delta (1 - delta)."""
    z2 = 3.841458820694124
    interval = tango(PairedTable(both_right=n, broke=0, fixed=0, both_wrong=0))
    assert ends(interval) == pytest.approx((-z2 / (n + z2), z2 / (n + z2)), rel=1e-6)
