"""Level and coverage under simulation, fixed seeds: tests keep 5 %, intervals keep 95 %.

The simulations are those of `bench/calibration.py`, which prints them as a table.
"""

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from babelbits.stats.cluster import cluster_scores, cluster_t
from babelbits.stats.gains import expected_best
from babelbits.stats.mean_tests import bootstrap_t_columns, mean_interval

pytestmark = pytest.mark.slow
DRAWS = 4000
BENCH = Path(__file__).resolve().parents[2] / "bench" / "calibration.py"


@pytest.fixture(scope="module")
def calibration() -> ModuleType:
    spec = importlib.util.spec_from_file_location("calibration", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["calibration"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_no_test_cries_wolf_more_often_than_it_says(calibration: ModuleType) -> None:
    found = calibration.false_alarms(DRAWS)
    loud = [(one.method, one.truth, one.share) for one in found if one.share > one.high]
    deaf = [(one.method, one.truth) for one in found if one.both_sides and one.share < one.low]
    assert not loud
    assert not deaf


def test_every_interval_holds_the_truth_as_often_as_it_says(calibration: ModuleType) -> None:
    found = calibration.coverage(DRAWS)
    narrow = [(one.method, one.truth, one.share) for one in found if one.share < one.low]
    wide = [(one.method, one.truth) for one in found if one.both_sides and one.share > one.high]
    assert not narrow
    assert not wide


def test_calibration_covers_every_registered_test(calibration: ModuleType) -> None:
    """Names of the rows beside the names of the functions; a new test needs a row."""
    methods = {one.method for one in calibration.false_alarms(8)}
    assert methods == {
        "mid-p McNemar",
        "Tango inside the margin",
        "t inside the margin",
        "sign-flip",
        "t of changed",
        "cluster sign-flip",
        "cluster t",
        "mean of ratios",
        "double difference, paired",
        "double difference, Welch",
        "approximate randomisation",
    }


def test_the_table_prints_a_line_for_every_cell(calibration: ModuleType) -> None:
    lines = calibration.calibration_table(8).splitlines()
    cells = [*calibration.false_alarms(8), *calibration.coverage(8)]
    assert len(lines) == len(cells) + 3


def test_pooled_languages_need_clusters_to_keep_the_level() -> None:
    """10 languages x 250 sources, correlation 0.3 within a source: item-level tests fail."""
    rng = np.random.default_rng(2)
    naive, clustered = 0, 0
    for _ in range(400):
        shared = rng.normal(size=(250, 1)) * np.sqrt(0.3)
        values = shared + rng.normal(size=(250, 10)) * np.sqrt(0.7)
        labels, strata = np.repeat(np.arange(250), 10), np.tile(np.arange(10), 250)
        right = cluster_t(cluster_scores(values.ravel(), clusters=labels, strata=strata))
        assert right is not None
        clustered += right.p_value <= 0.05
        naive += stats.ttest_1samp(values.ravel(), 0).pvalue <= 0.05
    assert naive / 400 > 0.2
    assert clustered / 400 <= float(stats.binom.ppf(0.999, 400, 0.05)) / 400


def test_bootstrap_t_alone_is_too_narrow_where_few_of_many_units_changed() -> None:
    """Why `mean_interval` takes the wider of two: 12 symmetric changes among 250 units."""
    rng = np.random.default_rng(3)
    values = rng.laplace(0, 0.1, (250, 2000)) * (rng.random((250, 2000)) < 0.05)
    boots = bootstrap_t_columns(values, levels=(0.95,), rng=rng, resamples=399)
    alone, wider = 0, 0
    for column, (boot,) in zip(values.T, boots, strict=True):
        found = mean_interval(column, boot, level=0.95, limit=None)
        assert found is not None
        wider += found.low <= 0 <= found.high
        alone += boot is not None and boot.low <= 0 <= boot.high
    assert alone / 2000 < 0.92
    assert wider / 2000 >= 0.95


def test_the_best_of_ten_harmless_variants_looks_as_good_as_expected() -> None:
    """Ten variants of 1,000 items and churn 10 %: the best gains 1.54 x 1 point on average."""
    rng = np.random.default_rng(4)
    changed = rng.binomial(1000, 0.10, (4000, 10))
    gains = (2 * rng.binomial(changed, 0.5) - changed) / 1000
    expected = expected_best([math.sqrt(0.10 / 1000)] * 10)
    assert expected == pytest.approx(0.0153875, abs=1e-5)
    assert gains.max(axis=1).mean() == pytest.approx(expected, rel=0.02)
