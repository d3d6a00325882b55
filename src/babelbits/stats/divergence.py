"""How far a variant's next-token distributions are from the baseline's: Kullback-Leibler, in nats.

The baseline's distribution is kept as its k most likely tokens and the mass of all others. Against
that, ``KL = sum p ln(p / q) + p_tail ln(p_tail / q_tail)`` over the k tokens and the tail as one
outcome: by the data-processing inequality a *lower bound* of the divergence over the whole
vocabulary, and equal to it where k is the vocabulary. The terms are computed as
``p ln(p / q) - p + q``, which adds up to the same and makes rounding of the kept values an error of
second order.

A divergence is a distance, never negative, and 0 only where nothing changed: "is it 0" is no
question, and no test is made of it. Smaller is better. The units of all intervals are documents:
tokens of one text are not independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import kl_div

from babelbits.errors import UnpairedItemsError
from babelbits.records import Interval
from babelbits.stats.paired_scores import FloatArray
from babelbits.stats.resampling import bootstrap_counts, percentile_interval

_CELLS_AT_ONCE = 1 << 21
QUANTILES = (0.5, 0.9, 0.99, 0.999)
"""Of the divergence over tokens: the mean hides how bad the worst tokens are."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TopTokens:
    """The most likely tokens after every position of one text, by falling probability."""

    ids: NDArray[np.int32]
    """Shape (n, k)."""
    logprobs: NDArray[np.float32]
    """Shape (n, k), nats. Kept in 16 bits they would add 3e-7 to 6e-7 nats of divergence, several
    times what a float16 copy of the bundled model has (1e-7)."""
    tail: NDArray[np.float32]
    """Shape (n,): probability of all other tokens together."""
    target_logprobs: NDArray[np.float64]
    """Shape (n,): log-probability of the text's own next token, nats."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenDivergence:
    """A variant against the baseline after every position of one text; all of shape (n,)."""

    kl: FloatArray
    """KL(baseline || variant), nats; a lower bound unless all tokens were kept."""
    same_top: NDArray[np.bool_]
    """Whether both find the same token most likely."""
    baseline_logprobs: FloatArray
    """Of the text's own tokens, nats."""
    variant_logprobs: FloatArray
    kept: FloatArray
    """Probability of the kept tokens under the baseline: where it is far from 1, the bound is
    loose."""


def log_shares(logits: ArrayLike) -> FloatArray:
    """Log-probabilities of rows of logits, in double precision; shape (n, vocabulary)."""
    values = np.asarray(logits, np.float64)
    shifted = values - values.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def top_tokens(logprobs: FloatArray, targets: ArrayLike, *, k: int) -> TopTokens:
    """Keep the k most likely tokens of each row; where the last of them has equals, any of these.

    Parameters
    ----------
    logprobs : shape (n, vocabulary)
        Log-probabilities, nats.
    targets : int, shape (n,)
        The text's own tokens.
    k : int
        At least 1; more than the vocabulary means all.

    Raises
    ------
    ValueError
        If `k` is less than 1.
    """
    if k < 1:
        raise ValueError("keep at least one token")
    ids = _largest(logprobs, min(k, logprobs.shape[1]))
    rows = np.arange(len(logprobs))
    return TopTokens(
        ids=ids.astype(np.int32),
        logprobs=np.take_along_axis(logprobs, ids, axis=1).astype(np.float32),
        tail=_rest(logprobs, ids).astype(np.float32),
        target_logprobs=logprobs[rows, np.asarray(targets)],
    )


def _largest(logprobs: FloatArray, k: int) -> NDArray[np.intp]:
    """Columns of the k largest values of each row, by falling value, then by column."""
    if k < logprobs.shape[1]:
        found = np.argpartition(-logprobs, k - 1, axis=1)[:, :k]
        found.sort(axis=1)
    else:
        found = np.broadcast_to(np.arange(k), logprobs.shape)
    order = np.argsort(-np.take_along_axis(logprobs, found, axis=1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(found, order, axis=1))


def _rest(logprobs: FloatArray, ids: NDArray[np.integer]) -> FloatArray:
    """Probability of all tokens but `ids`: summed, since 1 minus the others would round."""
    shares = np.exp(logprobs)
    np.put_along_axis(shares, ids, 0.0, axis=1)
    return np.asarray(shares.sum(axis=1))


def token_divergence(
    baseline: TopTokens, logprobs: FloatArray, targets: ArrayLike
) -> TokenDivergence:
    """Compare a variant's distributions with what was kept of the baseline's.

    Parameters
    ----------
    logprobs : shape (n, vocabulary)
        The variant's, nats.
    targets : int, shape (n,)
        The text's own tokens.

    Raises
    ------
    UnpairedItemsError
        If the two have not the same number of positions.
    """
    if len(baseline.ids) != len(logprobs):
        raise UnpairedItemsError(
            f"{len(baseline.ids)} positions of the baseline, {len(logprobs)} of the variant",
            hint="compare the same texts in the same tokens",
        )
    kept = np.exp(np.asarray(baseline.logprobs, np.float64))
    theirs = np.exp(np.take_along_axis(logprobs, baseline.ids, axis=1))
    inner = kl_div(kept, theirs).sum(axis=1)
    outer = kl_div(np.asarray(baseline.tail, np.float64), _rest(logprobs, baseline.ids))
    rows = np.arange(len(logprobs))
    return TokenDivergence(
        kl=np.asarray(inner + outer),
        same_top=logprobs.argmax(axis=1) == baseline.ids[:, 0],
        baseline_logprobs=np.asarray(baseline.target_logprobs, np.float64),
        variant_logprobs=logprobs[rows, np.asarray(targets)],
        kept=1.0 - np.asarray(baseline.tail, np.float64),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantile:
    """A quantile of the divergence over tokens."""

    share: float
    """E.g. 0.99."""
    value: float
    """nats."""
    interval: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DivergenceSummary:
    """A variant against the baseline over the documents of one language."""

    n_documents: int
    n_tokens: int
    mean: float
    """Mean divergence, nats a token."""
    mean_interval: Interval | None
    """None with one document, as all intervals here."""
    quantiles: tuple[Quantile, ...]
    largest: float
    same_top: float
    """Share of tokens whose most likely next token stayed the same."""
    same_top_interval: Interval | None
    perplexity_ratio: float
    """Variant over baseline; more than 1 is harm."""
    perplexity_ratio_interval: Interval | None
    kept: float
    """Mean probability of the kept tokens under the baseline; 1: the divergence is no bound."""


def summarise(
    documents: Sequence[TokenDivergence],
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
) -> DivergenceSummary:
    """Pool the tokens of documents; intervals from drawing whole documents.

    Percentile intervals of a bootstrap: too short with few documents (`percentile_interval`).

    Parameters
    ----------
    documents : sequence of TokenDivergence
        Of one language, at least one; none empty.

    Raises
    ------
    UnpairedItemsError
        If there are no documents, or one has no tokens.
    """
    if not documents or any(one.kl.size == 0 for one in documents):
        raise UnpairedItemsError("a document without tokens, or no documents at all")
    sums = np.array([_sums(one) for one in documents])
    values, owners = _by_size(documents)
    draws = _draw(sums, values, owners, rng=rng, resamples=resamples)
    intervals: list[Interval | None] = [None] * draws.shape[1]
    if len(documents) > 1:
        intervals = [percentile_interval(column, level=level) for column in draws.T]
    mean, same, ratio = _ratios(sums.sum(axis=0))
    points = _quantiles(values, owners, np.ones((1, len(documents))))[0]
    return DivergenceSummary(
        n_documents=len(documents),
        n_tokens=int(sums[:, 0].sum()),
        mean=float(mean),
        mean_interval=intervals[0],
        quantiles=tuple(
            Quantile(share=share, value=float(value), interval=interval)
            for share, value, interval in zip(QUANTILES, points, intervals[3:], strict=True)
        ),
        largest=float(values[-1]),
        same_top=float(same),
        same_top_interval=intervals[1],
        perplexity_ratio=float(ratio),
        perplexity_ratio_interval=intervals[2],
        kept=float(np.concatenate([one.kept for one in documents]).mean()),
    )


def _sums(one: TokenDivergence) -> list[float]:
    """Tokens, divergence, same tops, and loss of log-probability of a document."""
    lost = one.baseline_logprobs - one.variant_logprobs
    return [one.kl.size, one.kl.sum(), one.same_top.sum(), lost.sum()]


def _ratios(sums: FloatArray) -> FloatArray:
    """Mean divergence, share of same tops and perplexity ratio, last axis first."""
    tokens, kl, same, lost = np.moveaxis(np.asarray(sums, float), -1, 0)
    return np.array([kl / tokens, same / tokens, np.exp(lost / tokens)])


def _by_size(documents: Sequence[TokenDivergence]) -> tuple[FloatArray, NDArray[np.intp]]:
    """Divergences of all tokens in rising order, and the document of each."""
    values = np.concatenate([one.kl for one in documents])
    owners = np.repeat(np.arange(len(documents)), [one.kl.size for one in documents])
    order = np.argsort(values, kind="stable")
    return values[order], owners[order]


def _quantiles(values: FloatArray, owners: NDArray[np.intp], counts: FloatArray) -> FloatArray:
    """Inverted distribution function at `QUANTILES` for documents drawn `counts` times each."""
    reached = np.cumsum(counts[:, owners], axis=1)
    places = [np.searchsorted(row, np.array(QUANTILES) * row[-1] - 1e-9) for row in reached]
    return np.asarray(values[np.minimum(places, len(values) - 1)])


def _draw(
    sums: FloatArray,
    values: FloatArray,
    owners: NDArray[np.intp],
    *,
    rng: np.random.Generator,
    resamples: int,
) -> FloatArray:
    """Mean, same tops, ratio and quantiles of resampled documents; shape (resamples, 3 + q)."""
    blocks = [
        few
        for counts in bootstrap_counts(len(sums), rng=rng, resamples=resamples)
        for few in np.array_split(counts, 1 + counts.shape[0] * len(values) // _CELLS_AT_ONCE)
    ]
    return np.concatenate(
        [np.hstack([_ratios(few @ sums).T, _quantiles(values, owners, few)]) for few in blocks]
    )
