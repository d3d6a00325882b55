"""Areas under the ROC curve against scipy, DeLong's formula written out, and simulated truth."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from babelbits.stats.discrimination import permuted_aucs, stratified_auc


def test_one_stratum_is_mann_whitneys_u_over_the_pairs() -> None:
    """Bamber (1975), J Math Psychol 12:387: the area is U / (m n), ties counting one half."""
    rng = np.random.default_rng(1)
    scores, labels = rng.integers(0, 9, size=80).astype(float), rng.random(80) < 0.4
    u = stats.mannwhitneyu(scores[labels], scores[~labels]).statistic
    found = stratified_auc(scores, labels, strata=["en"] * 80, clusters=range(80))
    assert found.auc == pytest.approx(u / (labels.sum() * (~labels).sum()))
    assert (found.n_positive, found.n_negative) == (labels.sum(), (~labels).sum())


def test_without_clusters_the_error_is_delongs() -> None:
    """DeLong et al. (1988), equations 4 to 6, with loops over all pairs."""
    rng = np.random.default_rng(2)
    ups, downs = rng.normal(0.8, 1, 23), rng.normal(0, 1, 41)
    pairs = np.array([[float(x > y) + 0.5 * (x == y) for y in downs] for x in ups])
    expected = np.sqrt(
        pairs.mean(axis=1).var(ddof=1) / len(ups) + pairs.mean(axis=0).var(ddof=1) / len(downs)
    )
    scores, labels = np.concatenate([ups, downs]), np.repeat([1, 0], [23, 41])
    found = stratified_auc(scores, labels, strata=["en"] * 64, clusters=range(64))
    assert found.standard_error == pytest.approx(expected)


def test_two_copies_of_every_item_in_a_cluster_have_the_error_of_one() -> None:
    """A translation that adds nothing must not narrow the interval."""
    rng = np.random.default_rng(3)
    scores, labels = rng.normal(size=60), rng.random(60) < 0.5
    once = stratified_auc(scores, labels, strata=["en"] * 60, clusters=range(60))
    twice = stratified_auc(
        np.tile(scores, 2),
        np.tile(labels, 2),
        strata=["en"] * 60 + ["de"] * 60,
        clusters=[*range(60), *range(60)],
    )
    assert twice.auc == pytest.approx(once.auc)
    assert twice.standard_error == pytest.approx(once.standard_error)


def test_a_language_with_larger_numbers_and_more_damage_proves_nothing() -> None:
    rng = np.random.default_rng(4)
    scores = np.concatenate([rng.normal(0, 1, 2000), rng.normal(9, 1, 2000)])
    labels = np.concatenate([rng.random(2000) < 0.1, rng.random(2000) < 0.9])
    apart = stratified_auc(
        scores, labels, strata=["en"] * 2000 + ["hi"] * 2000, clusters=range(4000)
    )
    together = stratified_auc(scores, labels, strata=["x"] * 4000, clusters=range(4000))
    assert apart.auc == pytest.approx(0.5, abs=0.04)
    assert together.auc is not None
    assert together.auc > 0.85


def drawn(
    rng: np.random.Generator, *, shift: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_], list[int], list[int]]:
    """Two languages of 90 sources that share half of their noise and some of their damage."""
    shared = rng.normal(size=90)
    scores, labels = [], []
    tendency = rng.normal(size=90)
    for _ in range(2):
        broke = tendency + rng.normal(size=90) > 0.6
        scores.append(shift * broke + (shared + rng.normal(size=90)) / np.sqrt(2))
        labels.append(broke)
    return (
        np.concatenate(scores),
        np.concatenate(labels),
        [0] * 90 + [1] * 90,
        [*range(90), *range(90)],
    )


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_intervals_hold_the_true_area_as_often_as_they_say(shift: float) -> None:
    """Two normals a shift d apart: the area is Phi(d / sqrt 2) (Bamber 1975)."""
    rng = np.random.default_rng(5)
    truth = stats.norm.cdf(shift / np.sqrt(2))
    held = 0
    for _ in range(400):
        scores, labels, strata, clusters = drawn(rng, shift=shift)
        found = stratified_auc(scores, labels, strata=strata, clusters=clusters).interval
        assert found is not None
        held += found.low <= truth <= found.high
    assert 0.925 <= held / 400 <= 0.98


def test_dealt_labels_give_one_half_and_mann_whitneys_spread() -> None:
    rng = np.random.default_rng(6)
    scores, labels = rng.normal(size=50), np.repeat([True, False], [20, 30])
    found = permuted_aucs(scores, labels, strata=["en"] * 50, draws=4000, rng=rng)
    assert found.mean() == pytest.approx(0.5, abs=0.01)
    assert found.std() == pytest.approx(np.sqrt((20 + 30 + 1) / (12 * 20 * 30)), rel=0.05)


def test_what_is_undefined_says_why() -> None:
    none = stratified_auc([1.0, 2.0], [0, 0], strata=["en", "en"], clusters=[1, 2])
    assert (none.auc, none.interval) == (None, None)
    assert none.reason == "no stratum has a positive and a negative"
    one = stratified_auc([1.0, 2.0, 3.0], [1, 0, 0], strata=["en"] * 3, clusters=[1, 2, 3])
    assert one.auc == 0
    assert one.interval is None
    assert "single item" in one.reason
    split = stratified_auc(range(6), [0, 0, 0, 1, 1, 1], strata=["en"] * 6, clusters=range(6))
    assert split.auc == 1
    assert "no spread" in split.reason
    with pytest.raises(ValueError, match="not finite"):
        stratified_auc([float("nan")], [1], strata=["en"], clusters=[1])
    with pytest.raises(ValueError, match="0 or 1"):
        stratified_auc([1.0], [2], strata=["en"], clusters=[1])
