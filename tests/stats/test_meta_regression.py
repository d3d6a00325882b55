"""Meta-regression against metafor's published output, statsmodels, hand results and simulation."""

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.stats.power import TTestIndPower

from babelbits.stats.meta_regression import clusters_needed, meta_regression

BCG = np.array(
    [
        *((4, 119, 11, 128, 44), (6, 300, 29, 274, 55), (3, 228, 11, 209, 42)),
        *((62, 13536, 248, 12619, 52), (33, 5036, 47, 5761, 13), (180, 1361, 372, 1079, 44)),
        *((8, 2537, 10, 619, 19), (505, 87886, 499, 87892, 13), (29, 7470, 45, 7232, 27)),
        *((17, 1699, 65, 1600, 42), (186, 50448, 141, 27197, 18), (5, 2493, 3, 2338, 33)),
        (27, 16886, 29, 17825, 33),
    ],
    float,
)
"""Colditz et al. (1994): 13 trials of a vaccine against tuberculosis, vaccinated with and without
the disease, others with and without, and the latitude; metafor's `dat.bcg`."""
TP, TN, CP, CN, LATITUDE = BCG.T
LOG_RISK = np.log(TP / (TP + TN)) - np.log(CP / (CP + CN))
VARIANCE = 1 / TP - 1 / (TP + TN) + 1 / CP - 1 / (CP + CN)
ONES = np.ones(13)


def test_the_random_effects_mean_is_that_of_metafor() -> None:
    """Viechtbauer (2010), J. Statistical Software 36(3), section 3: `rma(yi, vi, data=dat)`."""
    found = meta_regression(LOG_RISK, VARIANCE, {"mean": ONES})
    assert found is not None
    assert found.tau2 == pytest.approx(0.3132, abs=5e-5)
    assert found.i2 == pytest.approx(0.9222, abs=5e-5)
    assert (found.q, found.q_df) == (pytest.approx(152.2330, abs=5e-5), 12)
    assert found.q_p < 0.0001
    [mean] = found.coefficients
    assert mean.estimate == pytest.approx(-0.7145, abs=5e-5)
    assert mean.model_error == pytest.approx(0.1798, abs=5e-5)


def test_the_regression_on_latitude_is_that_of_metafor() -> None:
    """`rma(yi, vi, mods = ~ ablat, data=dat)` in metafor's documentation (it iterates to 1e-5)."""
    found = meta_regression(LOG_RISK, VARIANCE, {"mean": ONES, "latitude": LATITUDE})
    assert found is not None
    assert found.tau2 == pytest.approx(0.0764, abs=1e-4)
    assert found.i2 == pytest.approx(0.6839, abs=3e-4)
    assert found.q == pytest.approx(30.7331, abs=5e-5)
    assert found.q_p == pytest.approx(0.0012, abs=5e-5)
    mean, latitude = found.coefficients
    assert (mean.estimate, mean.model_error) == pytest.approx((0.2515, 0.2491), abs=5e-5)
    assert latitude.estimate == pytest.approx(-0.0291, abs=5e-5)
    assert latitude.model_error == pytest.approx(0.0072, abs=5e-5)


def test_without_clusters_the_error_is_that_of_weighted_least_squares() -> None:
    """Knapp and Hartung's, where their factor is above 1: WLS's own scale."""
    found = meta_regression(LOG_RISK, VARIANCE, {"mean": ONES, "latitude": LATITUDE})
    assert found is not None
    design = np.column_stack([ONES, LATITUDE])
    theirs = sm.WLS(LOG_RISK, design, 1 / (VARIANCE + found.tau2)).fit()
    ours = [one.standard_error for one in found.coefficients]
    assert ours == pytest.approx(theirs.bse * max(1, theirs.scale**-0.5), rel=1e-9)
    assert found.coefficients[0].df == 11


def test_clusters_of_one_estimate_are_hc2_of_statsmodels() -> None:
    """CR2 with clusters of one is MacKinnon and White's HC2 of the weighted regression."""
    labels = [f"trial {k}" for k in range(13)]
    found = meta_regression(
        LOG_RISK, VARIANCE, {"mean": ONES, "latitude": LATITUDE}, clusters={"trials": labels}
    )
    assert found is not None
    design = np.column_stack([ONES, LATITUDE])
    theirs = sm.WLS(LOG_RISK, design, 1 / (VARIANCE + found.tau2)).fit(cov_type="HC2")
    assert [one.standard_error for one in found.coefficients] == pytest.approx(theirs.bse, rel=1e-9)


def test_degrees_of_freedom_of_two_groups_are_bell_and_mccaffreys() -> None:
    """Imbens & Kolesár (2016), Review of Economics and Statistics 98:701, for two means.

    HC2's variance is Welch's, and with equal errors the degrees of freedom depend on sizes alone.
    """
    n0, n1 = 5, 12
    group = np.r_[np.zeros(n0), np.ones(n1)]
    y = np.random.default_rng(3).normal(0, 1, n0 + n1)
    found = meta_regression(
        y,
        np.full(17, 0.01),
        {"mean": np.ones(17), "group": group},
        clusters={"rows": [str(k) for k in range(17)]},
    )
    assert found is not None
    one = found.coefficient("group")
    welch = y[:n0].var(ddof=1) / n0 + y[n0:].var(ddof=1) / n1
    assert one.standard_error**2 == pytest.approx(welch)
    df = (n0 + n1) ** 2 * (n0 - 1) * (n1 - 1) / (n1**2 * (n1 - 1) + n0**2 * (n0 - 1))
    assert one.df == pytest.approx(df)


def test_a_mean_over_equal_clusters_rests_on_their_means() -> None:
    """Of m equal clusters: the t interval of their means, m - 1 degrees of freedom."""
    y = np.random.default_rng(4).normal(0, 1, (6, 10)) + np.arange(6)[:, None]
    labels = np.repeat(list("abcdef"), 10).tolist()
    found = meta_regression(
        y.ravel(), np.full(60, 0.5), {"mean": np.ones(60)}, clusters={"models": labels}
    )
    assert found is not None
    [mean] = found.coefficients
    assert mean.standard_error == pytest.approx(y.mean(1).std(ddof=1) / 6**0.5)
    assert mean.df == pytest.approx(5)
    assert mean.rests_on == "models"
    assert mean.standard_error > 2 * mean.model_error


def _crossed(rng: np.random.Generator, *, n_models: int, n_languages: int) -> tuple[float, ...]:
    """Coverage of the true values: models and languages each vary, and items err."""
    hits = np.zeros(3)
    studies = 150
    script = np.tile(np.arange(n_languages) % 2, n_models).astype(float)
    size = np.repeat(np.linspace(-1, 1, n_models), n_languages)
    names = [f"m{k}" for k in np.repeat(np.arange(n_models), n_languages)]
    codes = [f"l{k}" for k in np.tile(np.arange(n_languages), n_models)]
    design = {"mean": np.ones(script.size), "script": script, "size": size}
    for _ in range(studies):
        of_model = np.repeat(rng.normal(0, 0.5, n_models), n_languages)
        of_language = np.tile(rng.normal(0, 0.5, n_languages), n_models)
        v = rng.uniform(0.05, 0.3, script.size)
        y = -1 - 0.7 * script + 0.4 * size + of_model + of_language + rng.normal(0, np.sqrt(v))
        found = meta_regression(y, v, design, clusters={"models": names, "languages": codes})
        assert found is not None
        inside = [one.interval for one in found.coefficients]
        hits += [i.low < t < i.high for i, t in zip(inside, (-1, -0.7, 0.4), strict=True)]
    return tuple((hits / studies).tolist())


def test_intervals_hold_the_truth_with_few_models_and_languages() -> None:
    """5 models, 12 languages: 95 % of 150 studies is 142 or 143, its binomial error 1.8 points."""
    for share in _crossed(np.random.default_rng(1), n_models=5, n_languages=12):
        assert share > 0.95 - 3 * 0.018


def test_believing_independence_would_be_wrong_there() -> None:
    """The false one: the same data, clusters not named."""
    rng = np.random.default_rng(2)
    script, wrong = np.tile(np.arange(12) % 2, 5).astype(float), 0
    for _ in range(100):
        y = np.tile(rng.normal(0, 0.5, 12), 5) + rng.normal(0, 0.3, 60)
        found = meta_regression(y, np.full(60, 0.09), {"mean": np.ones(60), "script": script})
        assert found is not None
        wrong += found.coefficient("script").p_value < 0.05
    assert wrong > 20


def test_a_peak_of_the_likelihood_at_zero_does_not_hide_the_higher_one() -> None:
    """Known truth: 30 variants that change nothing, seen sharply; 30 that differ with sd 1."""
    rng = np.random.default_rng(6)
    y = np.r_[rng.normal(0, 1e-4, 30), rng.normal(0, 1, 30)]
    v = np.r_[np.full(30, 1e-8), np.full(30, 1e-2)]
    found = meta_regression(y, v, {"mean": np.ones(60)})
    assert found is not None
    assert found.q_p < 1e-6
    assert found.tau2 == pytest.approx(y.var(ddof=1), rel=0.2)


def test_what_cannot_be_fitted_is_none() -> None:
    assert meta_regression([1.0], [0.1], {"mean": [1.0]}) is None
    assert meta_regression([1.0, 2.0, 3.0], [0.1, 0.0, 0.1], {"mean": np.ones(3)}) is None
    twice = {"mean": np.ones(3), "again": np.ones(3)}
    assert meta_regression([1.0, 2.0, 3.0], [0.1] * 3, twice) is None
    with pytest.raises(ValueError, match="differ in length"):
        meta_regression([1.0, 2.0], [0.1], {"mean": np.ones(2)})


@pytest.mark.parametrize(("size", "effect"), [(20, 0.5), (40, 0.8), (8, 1.5)])
def test_needed_clusters_are_those_of_statsmodels(size: int, effect: float) -> None:
    """Two equal groups of unit variance: the error of their difference is sqrt(4 / n)."""
    theirs = 2 * TTestIndPower().solve_power(effect_size=effect, alpha=0.05, power=0.8)
    ours = clusters_needed(effect, standard_error=(4 / size) ** 0.5, n_clusters=size, lost=2)
    assert ours is not None
    assert ours == pytest.approx(theirs, abs=1.01)


def test_no_number_of_clusters_shows_a_difference_of_nothing() -> None:
    assert clusters_needed(0.0, standard_error=1.0, n_clusters=5, lost=2) is None
    assert clusters_needed(1e-9, standard_error=1.0, n_clusters=5, lost=2) is None
