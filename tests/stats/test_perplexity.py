"""Perplexity changes and percentile intervals, by hand and against llama.cpp's formulas."""

import math

import numpy as np
import pytest

from babelbits.errors import UnpairedItemsError
from babelbits.stats.perplexity import log_perplexity_change, perplexity_change
from babelbits.stats.resampling import bootstrap_counts, mean_replicates, percentile_interval


def llama_cpp(base: list[float], quantized: list[float]) -> dict[str, float]:
    """tools/perplexity/perplexity.cpp: sums, sums of squares, covariance of means."""
    n = len(base)
    mean_b, mean_q = sum(base) / n, sum(quantized) / n
    var_b = (sum(x * x for x in base) / n - mean_b**2) / (n - 1)
    var_q = (sum(x * x for x in quantized) / n - mean_q**2) / (n - 1)
    cov = (sum(x * y for x, y in zip(base, quantized, strict=True)) / n - mean_b * mean_q) / (n - 1)
    ppl_b, ppl_q = math.exp(mean_b), math.exp(mean_q)
    return {
        "ln ratio error": math.sqrt(var_b + var_q - 2 * cov),
        "difference error": math.sqrt(
            ppl_q**2 * var_q + ppl_b**2 * var_b - 2 * ppl_q * ppl_b * cov
        ),
    }


def test_errors_match_the_formulas_of_llama_cpp() -> None:
    rng = np.random.default_rng(0)
    base = rng.gamma(2, 1, 500)
    quantized = base + rng.normal(0.02, 0.1, 500)
    found = perplexity_change(base, quantized)
    theirs = llama_cpp(base.tolist(), quantized.tolist())
    assert found.log_change_error == pytest.approx(theirs["ln ratio error"], rel=1e-9)
    assert found.difference_error == pytest.approx(theirs["difference error"], rel=1e-9)
    assert found.baseline == pytest.approx(math.exp(base.mean()))
    assert found.variant == pytest.approx(math.exp(quantized.mean()))
    assert found.ratio == pytest.approx(math.exp(-found.log_change))
    assert found.n_tokens == 500


def test_harm_is_negative_and_identity_is_nothing() -> None:
    assert perplexity_change([1.0, 2.0], [1.5, 2.5]).log_change == pytest.approx(-0.5)
    same = perplexity_change([1.0, 2.0], [1.0, 2.0])
    assert (same.ratio, same.log_change, same.log_change_error) == (1, 0, 0)
    assert log_perplexity_change([10, 8], [11, 8]) == pytest.approx([-math.log(1.1), 0])


def test_percentile_interval_interpolates_as_r_type_7_does() -> None:
    """Of 0, 1, ..., 100: the 2.5th percentile is 2.5."""
    found = percentile_interval(np.arange(101))
    assert found is not None
    assert (found.low, found.high) == pytest.approx((2.5, 97.5))


def test_undefined_resamples_count_as_far_away_on_both_sides() -> None:
    """4 of 200 undefined: the fifth smallest bound becomes the first defined value."""
    values = np.r_[np.arange(196.0), [np.nan] * 4]
    found = percentile_interval(values)
    assert found is not None
    assert (found.low, found.high) == (0, 195)
    assert percentile_interval(np.r_[np.arange(190.0), [np.nan] * 10]) is None


def test_resamples_draw_whole_units(rng: np.random.Generator) -> None:
    blocks = list(bootstrap_counts(7, rng=rng, resamples=25))
    counts = np.concatenate(blocks)
    assert counts.shape == (25, 7)
    assert (counts.sum(axis=1) == 7).all()


def test_mean_replicates_spread_like_the_standard_error(rng: np.random.Generator) -> None:
    """Sd / sqrt(n) with the n divisor, for both columns; the columns are drawn together."""
    values = np.random.default_rng(2).normal(0, 1, 150)
    found = mean_replicates(np.stack([values, 2 * values], axis=1), rng=rng, resamples=4000)
    assert found.std(axis=0) == pytest.approx(
        values.std() / np.sqrt(150) * np.array([1, 2]), rel=0.05
    )
    assert found[:, 1] == pytest.approx(2 * found[:, 0])


def test_refusals_name_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="two tokens"):
        perplexity_change([1.0], [1.0])
    with pytest.raises(UnpairedItemsError):
        perplexity_change([1.0, 2.0], [1.0])
    for wrong in (0.0, np.inf, -1.0):
        with pytest.raises(ValueError, match="positive"):
            log_perplexity_change([5.0], [wrong])
    with pytest.raises(ValueError, match="no replicates"):
        percentile_interval([])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.slow
def test_percentile_intervals_cover_a_win_rate_of_many_prompts() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(1000):
        votes = rng.choice([0, 0.5, 1], size=150, p=[0.4, 0.3, 0.3])
        found = percentile_interval(mean_replicates(votes, rng=rng, resamples=500))
        assert found is not None
        covered += found.low <= 0.45 <= found.high
    assert covered / 1000 >= 0.93
