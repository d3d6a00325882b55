import numpy as np
import pytest

from babelbits.errors import UnpairedItemsError
from babelbits.stats.binary import PairedTable, churn, paired_table
from babelbits.stats.cluster import (
    cluster_scores,
    cluster_share_interval,
    cluster_standard_error,
    cluster_t,
    cluster_t_interval,
)
from babelbits.stats.equivalence import inside_margin
from babelbits.stats.mean_tests import t_interval
from babelbits.stats.scales import (
    AT_FLOOR,
    above_chance_lost,
    relative_change,
    signs_conflict,
)

# --- clusters --------------------------------------------------------------------------------


def test_the_estimate_is_the_macro_mean_of_unequal_languages() -> None:
    """By hand: language 0 has mean -0.5 over two items, language 1 has 0.2 over one."""
    scores = cluster_scores([-1.0, 0.0, 0.2], clusters=[7, 8, 7], strata=[0, 0, 1])
    assert scores.estimate == pytest.approx(-0.15)
    assert scores.n_clusters == 2
    assert scores.contributions.tolist() == pytest.approx([-0.3, 0.0])
    assert scores.limit == pytest.approx(1.5)


def test_strata_within_layers_are_averaged_first() -> None:
    """By hand: layer 0 has strata of mean 0.5 and 1, layer 1 one of mean 0: (0.75 + 0) / 2."""
    scores = cluster_scores(
        [0.0, 1.0, 1.0, 0.0], clusters=[0, 1, 2, 3], strata=[0, 0, 1, 2], layers=[5, 5, 5, 9]
    )
    assert scores.estimate == pytest.approx(0.375)
    assert scores.contributions.tolist() == pytest.approx([0.0, 0.5, 1.0, 0.0])
    with pytest.raises(UnpairedItemsError, match="two layers"):
        cluster_scores([0.0, 1.0], clusters=[0, 1], strata=[0, 0], layers=[0, 1])


def test_share_interval_is_the_clustered_logistic_regressions_of_statsmodels() -> None:
    """An intercept with a cluster-robust error and t quantiles, on the scale of shares."""
    import statsmodels.api as sm
    from scipy.special import expit

    rng = np.random.default_rng(7)
    clusters = rng.integers(0, 20, 150)
    right = (rng.random(150) < 0.7 + 0.25 * (clusters % 2)).astype(float)
    theirs = sm.GLM(right, np.ones(150), family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True
    )
    # statsmodels takes n - 1 degrees for GLM's t whatever the clusters; quantiles from its error.
    from scipy.stats import t

    half = t.ppf(0.975, np.unique(clusters).size - 1) * theirs.bse[0]
    ours = cluster_share_interval(cluster_scores(right, clusters=clusters))
    expected = expit([theirs.params[0] - half, theirs.params[0] + half])
    assert [ours.low, ours.high] == pytest.approx(expected, rel=1e-6)


def test_share_interval_of_no_variation_is_wilsons_with_clusters_as_items() -> None:
    """Wilson for 10 of 10: 1 / (1 + z^2 / 10) = 0.7225 (Newcombe 1998a, method 3)."""
    found = cluster_share_interval(cluster_scores(np.ones(30), clusters=np.arange(30) % 10))
    assert (found.low, found.high) == (pytest.approx(0.72247, abs=1e-5), 1.0)


def test_complete_designs_reduce_to_source_means() -> None:
    values = np.random.default_rng(0).normal(size=(12, 5))
    scores = cluster_scores(
        values.ravel(), clusters=np.repeat(np.arange(12), 5), strata=np.tile(np.arange(5), 12)
    )
    assert scores.contributions == pytest.approx(values.mean(axis=1))
    assert scores.linearised == pytest.approx(values.mean(axis=1))
    assert scores.limit == pytest.approx(1.0)


def test_cluster_error_with_unequal_clusters_matches_statsmodels() -> None:
    import statsmodels.api as sm

    rng = np.random.default_rng(4)
    clusters = rng.integers(0, 15, 80)
    y = rng.normal(size=80) + clusters % 3
    theirs = sm.OLS(y, np.ones(80)).fit(
        cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False}
    )
    ours = cluster_standard_error(cluster_scores(y, clusters=clusters), small_sample=False)
    assert ours == pytest.approx(float(theirs.bse[0]))


def test_one_cluster_or_no_spread_has_no_test() -> None:
    assert cluster_standard_error(cluster_scores([0.1, 0.3], clusters=[0, 0])) is None
    assert cluster_t(cluster_scores([0.1, 0.3], clusters=[0, 0])) is None
    assert cluster_t_interval(cluster_scores([0.5, 0.5], clusters=[0, 1])) is None


def test_mislabelled_items_are_refused() -> None:
    with pytest.raises(UnpairedItemsError, match="3 differences, 2 cluster labels"):
        cluster_scores([0.1, 0.2, 0.3], clusters=[0, 1])
    with pytest.raises(UnpairedItemsError, match="1 strata"):
        cluster_scores([0.1, 0.2], clusters=[0, 1], strata=[0])


# --- equivalence, scales, churn --------------------------------------------------------------


@pytest.mark.parametrize("shift", [-0.06, -0.02, 0.0, 0.03, 0.08])
def test_the_interval_rule_is_the_two_one_sided_tests(shift: float) -> None:
    """Schuirmann: TOST rejects at alpha exactly when the 1 - 2 alpha interval is inside."""
    from statsmodels.stats.weightstats import ttost_paired

    before = np.random.default_rng(1).normal(0.5, 0.1, 60)
    after = before + np.random.default_rng(2).normal(shift, 0.1, 60)
    interval = t_interval(after - before, level=0.90, df=59)
    theirs, _, _ = ttost_paired(after, before, -0.05, 0.05)
    assert interval is not None
    assert inside_margin(interval, 0.05) == (theirs <= 0.05)


def test_the_scales_of_english_and_swahili_disagree() -> None:
    """By hand: 0.80 to 0.76 is -5.0 % and 7.3 %; 0.40 to 0.37 is -7.5 % and 20.0 %."""
    assert relative_change(0.80, 0.76).value == pytest.approx(-0.05)
    assert relative_change(0.40, 0.37).value == pytest.approx(-0.075)
    assert above_chance_lost(0.80, 0.76, chance=0.25).value == pytest.approx(0.04 / 0.55)
    assert above_chance_lost(0.40, 0.37, chance=0.25).value == pytest.approx(0.20)


def test_lower_is_better_is_oriented() -> None:
    assert relative_change(2.0, 2.1, higher_is_better=False).value == pytest.approx(-0.05)


def test_undefined_scales_say_why() -> None:
    assert relative_change(0.3, 0.2, at_floor=True).reason == AT_FLOOR
    assert relative_change(0.0, 0.2).value is None
    assert above_chance_lost(0.3, 0.2, chance=None).value is None
    assert above_chance_lost(0.3, 0.2, chance=0.25, at_floor=True).reason == AT_FLOOR
    assert above_chance_lost(0.2, 0.1, chance=0.25).value is None


def test_signs_conflict_ignores_zero_and_undefined() -> None:
    assert signs_conflict([-0.1, 0.2])
    assert not signs_conflict([-0.1, None, 0.0, -0.3])


def test_churn_counts_both_directions() -> None:
    """Wilson of 15/148 is (.0624, .1605), Newcombe 1998a."""
    found = churn([-1.0] * 10 + [0.5] * 5 + [1e-15] * 133)
    assert (found.broke, found.fixed, found.n_items) == (10, 5, 148)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.0624, 0.1605), abs=5e-5)


def test_binary_scores_are_binary_and_tables_are_not_empty() -> None:
    with pytest.raises(ValueError, match="0 or 1"):
        paired_table([0.5, 1], [0, 1])
    with pytest.raises(UnpairedItemsError):
        PairedTable(both_right=0, broke=0, fixed=0, both_wrong=0)
    with pytest.raises(UnpairedItemsError):
        PairedTable(both_right=3, broke=-1, fixed=0, both_wrong=0)


def test_tables_count_the_right_way_round() -> None:
    table = paired_table([1, 1, 1, 0, 0, 1], [1, 0, 0, 1, 0, 1])
    assert (table.both_right, table.broke, table.fixed, table.both_wrong) == (2, 2, 1, 1)
    assert table.delta == pytest.approx(-1 / 6)
