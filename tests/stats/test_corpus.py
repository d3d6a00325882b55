"""Corpus scores: expected values by enumeration, by hand and from scipy."""

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from babelbits.errors import UnpairedItemsError
from babelbits.stats import corpus
from babelbits.stats.corpus import (
    acceleration,
    approximate_randomisation,
    bca_interval,
    corpus_interval,
)

Table = NDArray[np.float64]


def precision(sums: Table) -> Table:
    """Matches over words: a ratio of sums, like every corpus score."""
    return np.asarray(100 * sums[:, 0] / sums[:, 1])


def bleu_2(sums: Table) -> Table:
    """BLEU up to bigrams: matches 1, matches 2, words, bigrams, length of the references."""
    found = np.sqrt(sums[:, 0] / sums[:, 2] * sums[:, 1] / sums[:, 3])
    brevity = np.minimum(1.0, np.exp(1 - sums[:, 4] / sums[:, 2]))
    return np.asarray(100 * brevity * found)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def corpora(n: int, *, seed: int = 0, harm: float = 0.0) -> tuple[Table, Table]:
    """Matches and words of two systems on segments of unequal length."""
    rng = np.random.default_rng(seed)
    words = rng.integers(5, 40, (2, n))
    hard = rng.uniform(0.3, 0.8, n)
    first = rng.binomial(words[0], hard)
    second = rng.binomial(words[1], hard - harm)
    return np.column_stack([first, words[0]]) * 1.0, np.column_stack([second, words[1]]) * 1.0


def test_few_segments_are_enumerated(rng: np.random.Generator) -> None:
    """All 2^7 swaps scored one by one, in the words of the definition."""
    first, second = corpora(7, harm=0.2)
    hits = 0
    observed = abs(precision(second.sum(0)[None])[0] - precision(first.sum(0)[None])[0])
    for swap in product([False, True], repeat=7):
        mask = np.array(swap)[:, None]
        a, b = np.where(mask, second, first).sum(0), np.where(mask, first, second).sum(0)
        hits += abs(precision(b[None])[0] - precision(a[None])[0]) >= observed - 1e-9
    found = approximate_randomisation(first, second, precision, rng=rng)
    assert found.exact
    assert (found.n_segments, found.n_changed, found.resamples) == (7, 7, 128)
    assert found.p_value == pytest.approx(hits / 128)


def test_patterns_in_blocks_count_the_same(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = corpora(8, harm=0.1)
    whole = approximate_randomisation(first, second, precision, rng=rng).p_value
    monkeypatch.setattr(corpus, "_PATTERNS_AT_ONCE", 7)
    assert approximate_randomisation(first, second, precision, rng=rng).p_value == whole


def test_drawn_swaps_agree_with_all_swaps(rng: np.random.Generator) -> None:
    first, second = corpora(13, harm=0.15)
    exact = approximate_randomisation(first, second, precision, rng=rng)
    drawn = approximate_randomisation(first, second, precision, rng=rng, resamples=4000)
    assert (exact.exact, drawn.exact) == (True, False)
    assert drawn.p_value == pytest.approx(exact.p_value, abs=0.03)


def test_drawn_swaps_of_a_mean_agree_with_scipy(rng: np.random.Generator) -> None:
    """With one word a segment the corpus score is the mean and the test is scipy's."""
    values = np.random.default_rng(1).normal(0.25, 1, (40, 2))
    ones = np.ones(40)
    theirs = stats.permutation_test(
        (values[:, 1] - values[:, 0],), np.mean, permutation_type="samples", n_resamples=20_000,
        rng=2,
    ).pvalue  # fmt: skip
    found = approximate_randomisation(
        np.column_stack([values[:, 0], ones]), np.column_stack([values[:, 1], ones]), precision,
        rng=rng, resamples=20_000,
    )  # fmt: skip
    assert found.p_value == pytest.approx(theirs, abs=0.015)


def test_ka28_identical_systems_give_p_one(rng: np.random.Generator) -> None:
    """Sacrebleu's test counts `>` and gives a p near 0 here."""
    for n in (3, 200):
        first, _ = corpora(n)
        found = approximate_randomisation(first, first, precision, rng=rng)
        assert (found.p_value, found.delta, found.n_changed) == (1.0, 0.0, 0)
        assert corpus_interval(first, first, precision, rng=rng) is None


def test_mirrored_systems_of_equal_score_give_p_one(rng: np.random.Generator) -> None:
    """Each segment's loss is another's gain: every swap is at least as far apart as 0."""
    first = np.column_stack([np.arange(30.0), np.full(30, 30.0)])
    second = first[::-1]
    assert approximate_randomisation(first, second, precision, rng=rng).p_value == 1.0


def test_scores_are_of_the_sums_by_hand(rng: np.random.Generator) -> None:
    """BLEU-2 by hand: sqrt(3/5 * 1/3) * exp(1 - 6/5) * 100 = 36.61; and all matched is 100."""
    first = np.array([[2, 1, 3, 2, 3], [1, 0, 2, 1, 3]], float)
    second = np.array([[3, 2, 3, 2, 3], [3, 2, 3, 2, 3]], float)
    found = approximate_randomisation(first, second, bleu_2, rng=rng)
    assert found.baseline_score == pytest.approx(36.6147, abs=1e-3)
    assert found.variant_score == pytest.approx(100.0)
    assert found.delta == pytest.approx(100 - 36.6147, abs=1e-3)


def test_interval_of_a_ratio_agrees_with_scipys_bca(rng: np.random.Generator) -> None:
    first, second = corpora(80, harm=0.1)

    def difference(index: NDArray[np.intp], axis: int = -1) -> Table:
        sums = first[index].sum(axis=-2), second[index].sum(axis=-2)
        return np.asarray(
            100 * (sums[1][..., 0] / sums[1][..., 1] - sums[0][..., 0] / sums[0][..., 1])
        )

    theirs = stats.bootstrap(
        (np.arange(80),), difference, method="BCa", n_resamples=999, vectorized=True,
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    found = corpus_interval(first, second, precision, rng=rng, resamples=999)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    assert found.high < 0


def test_few_changed_segments_have_no_interval(rng: np.random.Generator) -> None:
    first, _ = corpora(100)
    second = first.copy()
    second[:9, 0] -= 1
    assert corpus_interval(first, second, precision, rng=rng) is None


@pytest.mark.parametrize(
    "second", [np.ones((3, 2)), np.ones((4, 3)), np.ones(4), np.full((4, 2), np.nan)]
)
def test_unpaired_or_missing_statistics_are_refused(
    second: Table, rng: np.random.Generator
) -> None:
    with pytest.raises(UnpairedItemsError):
        approximate_randomisation(np.ones((4, 2)), second, precision, rng=rng)


def test_bca_of_what_does_not_vary_is_none() -> None:
    same = np.full(99, 0.25)
    assert bca_interval(same, estimate=0.25, leave_one_out=[0.25] * 8) is None
    assert bca_interval([1.0, 2.0], estimate=5.0, leave_one_out=[1.0, 2.0]) is None
    assert acceleration([0.5, 0.5]) == 0.0
