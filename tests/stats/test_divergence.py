"""Divergence of next-token distributions: hand calculation, scipy, and laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from babelbits.errors import UnpairedItemsError
from babelbits.stats.divergence import (
    TokenDivergence,
    log_shares,
    summarise,
    token_divergence,
    top_tokens,
)


def pair(seed: int, *, n: int = 20, vocabulary: int = 50, spread: float = 0.5) -> tuple:
    """Log-probabilities of a baseline and a variant, and targets."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=3, size=(n, vocabulary))
    other = logits + rng.normal(scale=spread, size=logits.shape)
    return log_shares(logits), log_shares(other), rng.integers(0, vocabulary, n)


def test_hand_calculation_with_two_kept_tokens_and_a_tail() -> None:
    """P = (1/2, 1/4, 1/8, 1/8), q = (1/4, 1/4, 1/4, 1/4); kept 2: tail 1/4 against 1/2.

    KL = ln(2)/2 + 0 + ln(1/2)/4 = ln(2)/4; over all four tokens ln(2)/2 - ln(2)/4 = ln(2)/4 too,
    since the tail's two tokens changed alike.
    """
    p, q = np.log([[1 / 2, 1 / 4, 1 / 8, 1 / 8]]), np.log([[1 / 4, 1 / 4, 1 / 4, 1 / 4]])
    kept = top_tokens(p, [3], k=2)
    assert kept.ids.tolist() == [[0, 1]]
    assert kept.tail == pytest.approx([0.25])
    found = token_divergence(kept, q, [3])
    assert found.kl == pytest.approx([math.log(2) / 4])
    assert found.same_top.tolist() == [True]  # of equally likely tokens the first
    assert found.baseline_logprobs == pytest.approx([math.log(1 / 8)])
    assert found.variant_logprobs == pytest.approx([math.log(1 / 4)])


def test_all_tokens_kept_give_scipys_entropy() -> None:
    p, q, targets = pair(1)
    found = token_divergence(top_tokens(p, targets, k=50), q, targets)
    expected = stats.entropy(np.exp(p), np.exp(q), axis=1)
    assert found.kl == pytest.approx(expected, rel=1e-6)
    assert found.same_top.tolist() == (p.argmax(1) == q.argmax(1)).tolist()


def test_log_shares_are_scipys_log_softmax() -> None:
    logits = np.random.default_rng(2).normal(scale=30, size=(5, 40)).astype(np.float32)
    expected = special.log_softmax(logits.astype(float), axis=1)
    assert log_shares(logits) == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 500), st.integers(1, 49))
def test_fewer_kept_tokens_never_give_more(seed: int, k: int) -> None:
    """The data-processing inequality: joining outcomes cannot raise a divergence."""
    p, q, targets = pair(seed)
    few = token_divergence(top_tokens(p, targets, k=k), q, targets)
    more = token_divergence(top_tokens(p, targets, k=k + 1), q, targets)
    assert (few.kl <= more.kl + 1e-7).all()
    assert (few.kl >= 0).all()


@given(st.integers(0, 500), st.integers(1, 60))
def test_a_model_is_no_distance_from_itself(seed: int, k: int) -> None:
    """Kept in 32 bits: the rounding is an error of second order."""
    p, _q, targets = pair(seed)
    same = token_divergence(top_tokens(p, targets, k=k), p, targets)
    assert (same.kl < 1e-12).all()
    assert same.same_top.all()


def test_of_equally_likely_tokens_as_many_as_asked_are_kept() -> None:
    kept = top_tokens(np.log(np.full((1, 8), 1 / 8)), [0], k=3)
    assert kept.tail == pytest.approx([5 / 8])
    assert len(set(kept.ids[0].tolist())) == 3


def test_other_positions_are_refused() -> None:
    p, q, targets = pair(3)
    with pytest.raises(UnpairedItemsError, match=r"20 positions .* 19"):
        token_divergence(top_tokens(p, targets, k=4), q[1:], targets[1:])
    with pytest.raises(ValueError, match="at least one"):
        top_tokens(p, targets, k=0)


def document(kl: list[float], lost: float = 0.0) -> TokenDivergence:
    values = np.array(kl)
    return TokenDivergence(
        kl=values,
        same_top=values < 1,
        baseline_logprobs=np.full(values.size, -2.0),
        variant_logprobs=np.full(values.size, -2.0 - lost),
        kept=np.full(values.size, 0.75),
    )


def test_tokens_are_pooled_and_the_ratio_is_that_of_perplexities() -> None:
    """Six tokens: mean 11/6, median the third smallest, one top of six lost.

    Two documents of 2 and 4 tokens lose 0.3 and 0: ratio exp(0.6 / 6).
    """
    found = summarise(
        [document([0.0, 10.0], 0.3), document([0.1, 0.2, 0.3, 0.4])], rng=np.random.default_rng(0)
    )
    assert (found.n_documents, found.n_tokens) == (2, 6)
    assert found.mean == pytest.approx(11 / 6)
    assert found.same_top == pytest.approx(5 / 6)
    assert found.perplexity_ratio == pytest.approx(math.exp(0.1))
    assert [q.value for q in found.quantiles] == pytest.approx([0.2, 10.0, 10.0, 10.0])
    assert found.largest == 10.0
    assert found.kept == 0.75


def test_one_document_has_no_interval_and_none_is_an_error() -> None:
    found = summarise([document([0.1, 0.3])], rng=np.random.default_rng(0))
    assert found.mean_interval is None
    assert found.quantiles[0].interval is None
    with pytest.raises(UnpairedItemsError, match="without tokens"):
        summarise([], rng=np.random.default_rng(0))


def test_the_interval_of_the_mean_is_that_of_a_ratio_of_document_sums() -> None:
    """Against the delta method's standard error with documents as clusters (Miller 2024, 2.2)."""
    rng = np.random.default_rng(5)
    documents = [
        document((rng.gamma(2.0) * rng.exponential(size=rng.integers(20, 60))).tolist())
        for _ in range(200)
    ]
    found = summarise(documents, rng=rng)
    sums = np.array([one.kl.sum() for one in documents])
    sizes = np.array([one.kl.size for one in documents])
    error = math.sqrt(((sums - found.mean * sizes) ** 2).sum()) / sizes.sum()
    assert found.mean_interval is not None
    half = (found.mean_interval.high - found.mean_interval.low) / 2
    assert half == pytest.approx(1.96 * error, rel=0.06)


def test_quantiles_are_divergences_of_tokens_and_no_edges_of_bins() -> None:
    """Expected values: numpy's inverted distribution function over all tokens."""
    rng = np.random.default_rng(5)
    documents = [
        TokenDivergence(
            kl=rng.exponential(0.01, size) ** 2,
            same_top=np.ones(size, bool),
            baseline_logprobs=np.zeros(size),
            variant_logprobs=np.zeros(size),
            kept=np.ones(size),
        )
        for size in (7, 100, 333)
    ]
    values = np.concatenate([one.kl for one in documents])
    found = summarise(documents, rng=rng, resamples=50)
    for quantile in found.quantiles:
        assert quantile.value == np.quantile(values, quantile.share, method="inverted_cdf")
        assert quantile.value in values
