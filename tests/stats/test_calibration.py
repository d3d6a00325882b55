"""Level and coverage under simulation, fixed seeds: tests keep 5 %, intervals keep about 95 %."""

import numpy as np
import pytest
from scipy import stats

from babelbits.stats.binary import mcnemar_exact, mcnemar_midp, paired_table, tango
from babelbits.stats.bounded import bootstrap_t_columns, mean_interval, sign_flip_columns
from babelbits.stats.cluster import cluster_scores, cluster_t
from babelbits.stats.groups import label_permutation

pytestmark = pytest.mark.slow
DRAWS = 2000
HIGHEST = float(stats.binom.ppf(0.999, DRAWS, 0.05)) / DRAWS
"""A test of level 5 % rejects more often than this in one of a thousand simulations."""


def test_mcnemar_keeps_its_level_under_a_simulated_null() -> None:
    rng = np.random.default_rng(0)
    midp, exact = 0, 0
    for _ in range(DRAWS):
        before = rng.random(250) < 0.7
        after = before ^ (rng.random(250) < np.where(before, 0.05, 0.05 * 0.7 / 0.3))
        table = paired_table(before, after)
        midp += mcnemar_midp(table).p_value <= 0.05
        exact += mcnemar_exact(table).p_value <= 0.05
    assert exact <= midp <= HIGHEST * DRAWS


@pytest.mark.parametrize("churn", [0.05, 1.0])
def test_sign_flip_keeps_its_level_under_a_simulated_null(churn: float) -> None:
    rng = np.random.default_rng(1)
    values = rng.laplace(0, 0.1, (200, DRAWS)) * (rng.random((200, DRAWS)) < churn)
    found = sign_flip_columns(values, rng=rng, resamples=999)
    assert np.mean([one.p_value <= 0.05 for one in found]) <= HIGHEST


def test_pooled_languages_need_clusters_to_keep_the_level() -> None:
    """10 languages x 250 sources, correlation 0.3 within a source: item-level tests fail."""
    rng = np.random.default_rng(2)
    naive, clustered = 0, 0
    columns = np.empty((250, 400))
    for draw in range(400):
        shared = rng.normal(size=(250, 1)) * np.sqrt(0.3)
        values = shared + rng.normal(size=(250, 10)) * np.sqrt(0.7)
        labels = np.repeat(np.arange(250), 10)
        strata = np.tile(np.arange(10), 250)
        scores = cluster_scores(values.ravel(), clusters=labels, strata=strata)
        columns[:, draw] = scores.contributions
        right, wrong = cluster_t(scores), stats.ttest_1samp(values.ravel(), 0)
        assert right is not None
        clustered += right.p_value <= 0.05
        naive += wrong.pvalue <= 0.05
    flips = np.mean([p.p_value <= 0.05 for p in sign_flip_columns(columns, rng=rng, resamples=999)])
    highest = float(stats.binom.ppf(0.999, 400, 0.05)) / 400
    assert naive / 400 > 0.2
    assert clustered / 400 <= highest
    assert flips <= highest


def test_label_permutation_keeps_its_level_where_items_would_not() -> None:
    rng = np.random.default_rng(3)
    inside = np.arange(10) < 4
    rejected = sum(
        label_permutation(rng.normal(-1, 1.5, 10), inside, rng=rng).p_value <= 0.05
        for _ in range(DRAWS)
    )
    assert rejected / DRAWS <= HIGHEST


def test_tango_covers_at_small_and_large_churn() -> None:
    rng = np.random.default_rng(4)
    for n, broke, fixed in ((50, 0.04, 0.01), (250, 0.02, 0.02), (250, 0.10, 0.05)):
        covered = 0
        for b, c, _ in rng.multinomial(n, [broke, fixed, 1 - broke - fixed], size=1000):
            before = np.r_[np.ones(b), np.zeros(c), np.ones(n - b - c)]
            after = np.r_[np.zeros(b), np.ones(c), np.ones(n - b - c)]
            found = tango(paired_table(before, after))
            covered += found.low <= fixed - broke <= found.high
        assert covered / 1000 >= 0.93


@pytest.mark.parametrize(("n", "churn"), [(50, 0.02), (50, 0.3), (250, 0.03), (250, 1.0)])
def test_mean_intervals_cover_sparse_and_dense_changes(n: int, churn: float) -> None:
    """Beta(0.7, 2) sizes have mean 0.7/2.7; four of five changes are losses."""
    rng = np.random.default_rng(5)
    sizes = rng.beta(0.7, 2, (n, 1000)) * np.where(rng.random((n, 1000)) < 0.8, -1, 1)
    values = sizes * (rng.random((n, 1000)) < churn)
    truth = -0.6 * churn * 0.7 / 2.7
    boots = bootstrap_t_columns(values, levels=(0.95,), rng=rng, resamples=999)
    covered = 0
    for column in range(1000):
        found = mean_interval(values[:, column], boots[column][0], level=0.95, limit=1.0)
        assert found is not None
        covered += found.low <= truth <= found.high
    assert covered / 1000 >= 0.90
