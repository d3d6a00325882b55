"""Resampling of whole units, and percentile intervals of the replicates."""

import numpy as np
import pytest

from babelbits.stats.resampling import bootstrap_counts, percentile_interval
from plain_statistics import mean_replicates


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
