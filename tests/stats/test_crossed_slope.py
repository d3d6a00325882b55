"""Slopes within crossed seeds and items: by hand, by least squares, by simulation."""

import numpy as np
import pytest
from numpy.typing import NDArray

from babelbits.stats.crossed_slope import crossed_slope

DOSE = [-6.0, -2.0, 0.0]
Floats = NDArray[np.float64]


def simulated(
    rng: np.random.Generator,
    *,
    slope: float,
    seeds: int = 3,
    items: int = 60,
    of_seed: float = 0.1,
    of_item: float = 0.2,
) -> Floats:
    """Outcomes whose slope differs between seeds and between items, shape (seeds, 3, items)."""
    slopes = slope + rng.normal(0, of_seed, (seeds, 1, 1)) + rng.normal(0, of_item, (1, 1, items))
    dose: Floats = np.asarray(DOSE)[None, :, None]
    found: Floats = slopes * dose + rng.normal(0, 0.5, (seeds, 3, items))
    return found


def test_without_noise_the_slope_is_found_and_the_covariate_told_apart() -> None:
    """0.5 a doubling, and 2 for each unit of a covariate that also falls with the dose."""
    rng = np.random.default_rng(4)
    dose = np.asarray(DOSE)[None, :, None]
    covariate = 3 - 0.3 * dose + rng.normal(0, 0.2, (3, 3, 20))
    outcome = 0.5 * dose + 2 * covariate
    weights = rng.uniform(1, 5, 20)
    held = crossed_slope(outcome, DOSE, weights=weights, covariate=covariate)
    assert held.estimate == pytest.approx(0.5)
    assert held.held == pytest.approx(2)
    alone = crossed_slope(0.5 * np.broadcast_to(dose, (3, 3, 20)), DOSE, weights=weights)
    assert alone.by_seed == pytest.approx((0.5, 0.5, 0.5))


def test_weighted_by_bytes_the_slope_is_that_of_total_bits_over_total_bytes() -> None:
    rng = np.random.default_rng(5)
    size = rng.integers(20, 200, 30)
    bits = rng.normal(0, 5, (2, 3, 30))
    found = crossed_slope(bits / size, DOSE, weights=size)
    by_hand = [np.polyfit(DOSE, seed.sum(axis=1) / size.sum(), 1)[0] for seed in bits]
    assert found.by_seed == pytest.approx(tuple(by_hand))


def test_the_covariate_agrees_with_least_squares_with_an_intercept_for_each_item() -> None:
    """Weighted least squares by numpy, with a column for every item."""
    rng = np.random.default_rng(6)
    y, z, w = rng.normal(size=(1, 3, 8)), rng.normal(size=(1, 3, 8)), rng.uniform(1, 3, 8)
    items = np.tile(np.eye(8), (3, 1))
    design = np.column_stack([np.repeat(DOSE, 8), z.ravel(), items])
    root = np.sqrt(np.tile(w, 3))
    fitted = np.linalg.lstsq(design * root[:, None], y.ravel() * root, rcond=None)[0]
    found = crossed_slope(y, DOSE, weights=w, covariate=z)
    assert found.estimate == pytest.approx(fitted[0])
    assert found.held == pytest.approx(fitted[1])


@pytest.mark.parametrize(("of_seed", "of_item"), [(0.0, 0.0), (0.3, 0.3), (0.3, 0.0), (0.0, 0.5)])
def test_intervals_of_95_per_cent_hold_the_truth_with_three_seeds(
    of_seed: float, of_item: float
) -> None:
    """Simulated with a known slope of 0.1; 600 draws have a standard error of 0.9 points."""
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(600):
        outcome = simulated(rng, slope=0.1, of_seed=of_seed, of_item=of_item)
        test = crossed_slope(outcome, DOSE, weights=np.ones(60)).test
        assert test is not None
        hits += test.interval.low <= 0.1 <= test.interval.high
    assert hits / 600 > 0.915


def test_items_taken_for_all_the_evidence_would_not_hold_the_truth() -> None:
    """Where slopes differ between seeds, an interval over lines alone is far too short."""
    rng = np.random.default_rng(8)
    hits = 0
    for _ in range(200):
        outcome = simulated(rng, slope=0.1, of_seed=0.3, of_item=0.0)
        by_item = np.polyfit(DOSE, outcome.mean(axis=0), 1)[0]
        half = 1.96 * by_item.std(ddof=1) / np.sqrt(len(by_item))
        hits += abs(by_item.mean() - 0.1) <= half
    assert hits / 200 < 0.5


def test_doses_that_are_alike_and_covariates_that_follow_them_are_refused() -> None:
    flat = np.zeros((2, 3, 4))
    with pytest.raises(ValueError, match="two different doses"):
        crossed_slope(flat, [1.0, 1.0, 1.0], weights=np.ones(4))
    same = np.broadcast_to(np.asarray(DOSE)[None, :, None], flat.shape)
    with pytest.raises(ValueError, match="follows the dose exactly"):
        crossed_slope(flat, DOSE, weights=np.ones(4), covariate=same)
