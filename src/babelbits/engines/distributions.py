"""Logits to distributions that are kept, or compared with kept ones: the same for every engine.

Logits arrive in any order, some rows at a time; each row belongs to a *slot*, the place of its
target among the targets of all texts. A text whose logits are not finite becomes a `Failure`.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from babelbits.engines.encoding import Query
from babelbits.engines.replies import Scored, make_not_finite
from babelbits.errors import UnpairedItemsError
from babelbits.records import Failure
from babelbits.stats.divergence import (
    TokenDivergence,
    TopTokens,
    log_shares,
    token_divergence,
    top_tokens,
)
from babelbits.words import plural

_CHUNK_ELEMENTS = 2**22
"""Logits that are held in double precision at a time."""

ReplyT_co = TypeVar("ReplyT_co", covariant=True)


class DistributionReader(Protocol[ReplyT_co]):
    """Told the logits of all slots, it answers for ranges of them."""

    def read(self, slots: NDArray[np.intp], logits: NDArray[np.float32]) -> None:
        """Take the logits of some slots, shape (n, vocabulary)."""

    def is_spoiled(self, slots: slice) -> bool:
        """Whether one of the slots got no finite numbers."""

    def reply(self, slots: slice) -> ReplyT_co:
        """What becomes of a range of slots."""


class Chosen:
    """Reads off the log-probability of every slot's target, in nats."""

    def __init__(self, targets: NDArray[np.int64]) -> None:
        self._targets = targets
        self._logprobs = np.full(len(targets), np.nan)
        self._greedy = np.zeros(len(targets), np.bool_)

    def read(self, slots: NDArray[np.intp], logits: NDArray[np.float32]) -> None:
        """Take the logits of some slots, shape (n, vocabulary)."""
        for some, rows in _chunks(slots, logits):
            self._logprobs[some], self._greedy[some] = read_logits(rows, self._targets[some])

    def is_spoiled(self, slots: slice) -> bool:
        """Whether one of the slots got no finite numbers."""
        return not np.isfinite(self._logprobs[slots]).all()

    def reply(self, slots: slice) -> Scored:
        """Log-probabilities, and whether each target is the most likely token."""
        return self._logprobs[slots], self._greedy[slots]


class KeptDistributions:
    """Gathers the most likely tokens of every slot."""

    def __init__(self, targets: NDArray[np.int64], *, k: int) -> None:
        self._targets = targets
        self._k = k
        self._ids = np.zeros((len(targets), 0), np.int32)
        self._logprobs = np.zeros((len(targets), 0), np.float32)
        self._tail = np.full(len(targets), np.nan, np.float32)
        self._target_logprobs = np.full(len(targets), np.nan)

    def read(self, slots: NDArray[np.intp], logits: NDArray[np.float32]) -> None:
        """Take the logits of some slots, shape (n, vocabulary)."""
        if not self._ids.shape[1]:
            width = min(self._k, logits.shape[1])
            self._ids = np.zeros((len(self._targets), width), np.int32)
            self._logprobs = np.zeros((len(self._targets), width), np.float32)
        for some, rows in _chunks(slots, logits):
            found = top_tokens(log_shares(rows), self._targets[some], k=self._k)
            self._ids[some], self._logprobs[some] = found.ids, found.logprobs
            self._tail[some] = found.tail
            self._target_logprobs[some] = found.target_logprobs

    def is_spoiled(self, slots: slice) -> bool:
        """Whether one of the slots got no finite numbers."""
        return not np.isfinite(self._target_logprobs[slots]).all()

    def reply(self, slots: slice) -> TopTokens | Failure:
        """What a text gets."""
        if self.is_spoiled(slots):
            return make_not_finite()
        return TopTokens(
            ids=self._ids[slots],
            logprobs=self._logprobs[slots],
            tail=self._tail[slots],
            target_logprobs=self._target_logprobs[slots],
        )


class Compared:
    """Compares every slot with what was kept of the baseline."""

    def __init__(self, targets: NDArray[np.int64], baselines: Sequence[TopTokens]) -> None:
        self._targets = targets
        self._baseline = TopTokens(
            ids=np.concatenate([one.ids for one in baselines]),
            logprobs=np.concatenate([one.logprobs for one in baselines]),
            tail=np.concatenate([one.tail for one in baselines]),
            target_logprobs=np.concatenate([one.target_logprobs for one in baselines]),
        )
        self._kl = np.full(len(targets), np.nan)
        self._same_top = np.zeros(len(targets), np.bool_)
        self._logprobs = np.full(len(targets), np.nan)

    def read(self, slots: NDArray[np.intp], logits: NDArray[np.float32]) -> None:
        """Take the logits of some slots, shape (n, vocabulary)."""
        for some, rows in _chunks(slots, logits):
            found = token_divergence(
                _rows_of(self._baseline, some), log_shares(rows), self._targets[some]
            )
            self._kl[some], self._same_top[some] = found.kl, found.same_top
            self._logprobs[some] = found.variant_logprobs

    def is_spoiled(self, slots: slice) -> bool:
        """Whether one of the slots got no finite numbers."""
        return not np.isfinite(self._logprobs[slots]).all()

    def reply(self, slots: slice) -> TokenDivergence | Failure:
        """What a text gets."""
        if self.is_spoiled(slots):
            return make_not_finite()
        return TokenDivergence(
            kl=self._kl[slots],
            same_top=self._same_top[slots],
            baseline_logprobs=self._baseline.target_logprobs[slots],
            variant_logprobs=self._logprobs[slots],
            kept=1.0 - self._baseline.tail[slots].astype(np.float64),
        )


def divide(queries: Sequence[Query]) -> list[slice]:
    """The slots of each query."""
    ends = np.cumsum([len(query.targets) for query in queries])
    return [
        slice(int(end) - len(query.targets), int(end))
        for query, end in zip(queries, ends, strict=True)
    ]


def ask(
    encoded: Sequence[list[Query] | Failure],
    reader: DistributionReader[ReplyT_co],
    run: Callable[[Sequence[Query], DistributionReader[ReplyT_co]], None],
) -> list[ReplyT_co | Failure]:
    """Run the windows of texts past a reader, and give each text its reply.

    Parameters
    ----------
    run : callable
        Of an engine: shows the reader the logits of every target of some queries.
    """
    run(flatten(encoded), reader)
    replies: list[ReplyT_co | Failure] = []
    start = 0
    for windows in encoded:
        if isinstance(windows, Failure):
            replies.append(windows)
            continue
        end = start + sum(len(window.targets) for window in windows)
        replies.append(reader.reply(slice(start, end)))
        start = end
    return replies


def flatten(encoded: Sequence[list[Query] | Failure]) -> list[Query]:
    """The windows of all texts that have some."""
    return [query for windows in encoded if isinstance(windows, list) for query in windows]


def select_matching(
    encoded: Sequence[list[Query] | Failure], baselines: Sequence[TopTokens]
) -> list[TopTokens]:
    """The baselines of the texts that have windows.

    Raises
    ------
    UnpairedItemsError
        If a text has other tokens than its baseline.
    """
    pairs = [(w, b) for w, b in zip(encoded, baselines, strict=True) if isinstance(w, list)]
    for number, (windows, baseline) in enumerate(pairs):
        here = sum(len(window.targets) for window in windows)
        if here != len(baseline.ids):
            raise UnpairedItemsError(
                f"{plural(len(baseline.ids), 'token')} of the baseline, {here} of this model",
                where=f"text {number}",
                hint="compare models that share a tokenizer and a context length",
            )
    return [baseline for _windows, baseline in pairs]


def number_targets(queries: Sequence[Query]) -> NDArray[np.int64]:
    """The targets of all queries, numbered through."""
    return np.array([token for query in queries for token in query.targets], np.int64)


def read_logits(
    logits: NDArray[np.float32], targets: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Log-probability of each row's target, and whether it is the most likely token.

    Parameters
    ----------
    logits : shape (n, vocabulary)
    targets : shape (n,)
    """
    rows = np.arange(len(targets))
    best = logits.argmax(axis=1)
    highest = logits[rows, best]
    shares = logits - highest[:, None]
    totals = np.exp(shares, out=shares).sum(axis=1, dtype=np.float64)
    chosen = logits[rows, targets].astype(np.float64) - highest - np.log(totals)
    return chosen, best == targets


def _chunks(
    slots: NDArray[np.intp], logits: NDArray[np.float32]
) -> list[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    parts = 1 + logits.size // _CHUNK_ELEMENTS
    return list(zip(np.array_split(slots, parts), np.array_split(logits, parts), strict=True))


def _rows_of(kept: TopTokens, rows: NDArray[np.intp]) -> TopTokens:
    return TopTokens(
        ids=kept.ids[rows],
        logprobs=kept.logprobs[rows],
        tail=kept.tail[rows],
        target_logprobs=kept.target_logprobs[rows],
    )
