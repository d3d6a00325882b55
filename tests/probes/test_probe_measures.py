"""Measures of tensors against scipy and numpy."""

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from scipy import stats
from scipy.spatial import distance

from babelbits.probes import measures


def test_jensen_shannon_and_entropy_are_scipys() -> None:
    rng = np.random.default_rng(1)
    p, q = rng.dirichlet([0.3] * 9, size=5), rng.dirichlet([0.3] * 9, size=5)
    p[:, -2:], p[:, 0] = 0, 1 - p[:, 1:-2].sum(axis=1)  # keys that a row cannot see
    found = measures.jensen_shannon(torch.tensor(p), torch.tensor(q)).numpy()
    assert found == pytest.approx(distance.jensenshannon(p, q, axis=1, base=2), abs=1e-5)
    entropy = measures.attention_entropy(torch.tensor(p)).numpy()
    assert entropy == pytest.approx(stats.entropy(p, axis=1), abs=1e-5)


def test_distributions_that_share_nothing_are_at_distance_1() -> None:
    """Endres & Schindelin (2003): with base 2 the largest distance is 1."""
    first, second = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    assert float(measures.jensen_shannon(first, second)) == pytest.approx(1.0)


def test_variance_of_attention_is_over_the_keys_that_a_row_can_see() -> None:
    rng = np.random.default_rng(2)
    rows = np.tril(rng.random((6, 6)))
    rows /= rows.sum(axis=1, keepdims=True)
    found = measures.attention_variance(torch.tensor(rows)).numpy()
    assert found == pytest.approx([rows[n, : n + 1].var() for n in range(6)], abs=1e-6)


def test_kurtosis_and_peak_are_scipys_and_numpys() -> None:
    values = np.random.default_rng(3).standard_t(4, size=(7, 65))
    assert measures.kurtosis(torch.tensor(values)).numpy() == pytest.approx(
        stats.kurtosis(values, axis=1, fisher=False), rel=1e-4
    )
    expected = np.abs(values).max(axis=1) / np.median(np.abs(values), axis=1)
    assert measures.peak_over_median(torch.tensor(values)).numpy() == pytest.approx(
        expected, rel=1e-5
    )


def test_distances_are_scipys_and_small_angles_do_not_round_to_0() -> None:
    rng = np.random.default_rng(4)
    first, second = rng.normal(size=8), rng.normal(size=8)
    found = measures.cosine_distance(torch.tensor(first), torch.tensor(second))
    assert float(found) == pytest.approx(distance.cosine(first, second), rel=1e-5)
    error = measures.relative_error(torch.tensor(first), torch.tensor(second))
    assert float(error) == pytest.approx(
        np.linalg.norm(second - first) / np.linalg.norm(first), rel=1e-5
    )
    near = measures.cosine_distance(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1e-5]))
    assert float(near) == pytest.approx(5e-11, rel=1e-2)  # 1 - cos x is x^2/2


def test_signal_to_noise_is_ten_log_ten_and_undefined_without_noise() -> None:
    weights = torch.ones(4, 4)
    assert measures.signal_to_noise(weights, 1.01 * weights) == pytest.approx(40.0, abs=1e-3)
    assert measures.signal_to_noise(weights, weights) is None
