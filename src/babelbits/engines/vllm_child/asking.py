"""Queries to what vLLM is asked, and its answers to scores.

vLLM reads a kept prefix only for what comes *after* a prompt, so there are two ways to score the
targets of a query:

- *plain*: one request with the log-probabilities of its prompt, which computes all of it anew and
  a row of logits for each of its tokens;
- *stepped*: one request a target, for the log-probability of that token after the tokens before
  it. Each finds the prefix in the cache, and queries that part late (the choices of an item) share
  the requests up to there. Worth it where the targets are few and the prefix is long.

A query of one target needs no log-probabilities of its prompt either way. Requests go in the order
of a prefix tree, that is of their tokens, so that a prefix is met again while it is kept.
Nothing here knows vLLM. Log-probabilities are in nats.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from babelbits.engines.encoding import Query
from babelbits.engines.replies import Scored

MOST_IDS = 128
"""Tokens whose log-probability one request may ask for (vLLM, `logprob_token_ids`)."""

Place = tuple[int, int]
"""A query's number and which of its targets."""


@dataclass(slots=True, kw_only=True)
class Ask:
    """One request: log-probabilities after `tokens`, and of those of its own tokens if wanted."""

    tokens: tuple[int, ...]
    ids: list[int] = field(default_factory=list)
    """Tokens asked for after the last."""
    places: list[list[Place]] = field(default_factory=list)
    """What each of `ids` answers."""
    prompt: int = 0
    """Position of the first token whose own log-probability is wanted; 0: of none."""
    owner: int | None = None
    """The query that those are of."""

    def message(self, number: int, *, fresh: bool) -> dict[str, Any]:
        """As it is sent; a `fresh` one reads nothing that was kept."""
        return {
            "number": number,
            "tokens": encode_tokens(self.tokens),
            "ids": self.ids,
            "prompt": self.prompt,
            "whole": False,
            "fresh": fresh,
        }


def encode_tokens(tokens: Iterable[int]) -> bytes:
    """Token ids as they cross the border."""
    return np.fromiter(tokens, "<i4").tobytes()


def order(sequences: Sequence[Sequence[int]]) -> list[int]:
    """Numbers of token sequences in the order of a prefix tree."""
    return sorted(range(len(sequences)), key=lambda number: list(sequences[number]))


def plan_asks(queries: Sequence[Query], *, block: int | None) -> list[Ask]:
    """What to ask so that every target of every query is answered.

    Parameters
    ----------
    block : int, optional
        Tokens that vLLM keeps together: the last, incomplete one is computed again for each
        request. None: every query is asked plainly.
    """
    numbers = order([query.tokens for query in queries])
    shared = _shared([queries[number].tokens for number in numbers])
    stepped: dict[tuple[int, ...], Ask] = {}
    asks: list[Ask] = []
    for number, prefix in zip(numbers, shared, strict=True):
        query = queries[number]
        n = len(query.targets)
        if block is not None and (n == 1 or n * block <= prefix):
            _step(query, number, stepped)
        else:
            first = len(query.tokens) - n + 1
            asks.append(
                Ask(
                    tokens=tuple(query.tokens),
                    ids=[query.targets[-1]],
                    places=[[(number, n - 1)]],
                    prompt=first if n > 1 else 0,
                    owner=number,
                )
            )
    asks += [part for ask in stepped.values() for part in _parts(ask)]
    return sorted(asks, key=lambda ask: ask.tokens)


def _step(query: Query, number: int, stepped: dict[tuple[int, ...], Ask]) -> None:
    """Add a query's targets to the requests that end before them."""
    start = len(query.tokens) - len(query.targets) + 1
    for i, target in enumerate(query.targets):
        tokens = tuple(query.tokens[: start + i])
        ask = stepped.setdefault(tokens, Ask(tokens=tokens))
        if target not in ask.ids:
            ask.ids.append(target)
            ask.places.append([])
        ask.places[ask.ids.index(target)].append((number, i))


def _parts(ask: Ask) -> list[Ask]:
    """Requests of at most `MOST_IDS` tokens."""
    return [
        Ask(
            tokens=ask.tokens,
            ids=ask.ids[at : at + MOST_IDS],
            places=ask.places[at : at + MOST_IDS],
        )
        for at in range(0, len(ask.ids), MOST_IDS)
    ]


def _shared(ordered: Sequence[Sequence[int]]) -> list[int]:
    """Of each sequence, the tokens that it begins with like one of its neighbours."""
    between = [_common(one, two) for one, two in pairwise(ordered)]
    return [max(pair) for pair in pairwise([0, *between, 0])] if ordered else []


def _common(one: Sequence[int], two: Sequence[int]) -> int:
    short = min(len(one), len(two))
    differ = np.flatnonzero(np.asarray(one[:short]) != np.asarray(two[:short]))
    return int(differ[0]) if len(differ) else short


class ChildAnswers:
    """Gathers the answers to asks, and gives the scores of queries."""

    def __init__(self, queries: Sequence[Query]) -> None:
        sizes = [len(query.targets) for query in queries]
        self._logprobs: list[NDArray[np.float64]] = [np.full(size, np.nan) for size in sizes]
        self._greedy: list[NDArray[np.bool_]] = [np.zeros(size, np.bool_) for size in sizes]

    def take(self, ask: Ask, reply: Mapping[str, Any]) -> None:
        """Take the answer to one ask."""
        last = np.frombuffer(reply["last"], "<f4")
        for token, value, places in zip(ask.ids, last, ask.places, strict=True):
            for number, i in places:
                self._logprobs[number][i] = value
                self._greedy[number][i] = token == reply["best"]
        if ask.prompt and ask.owner is not None:
            own = np.frombuffer(reply["prompt"], "<f4")
            self._logprobs[ask.owner][: len(own)] = own
            self._greedy[ask.owner][: len(own)] = np.frombuffer(reply["ranks"], "<i4") <= 1

    def scores(self) -> list[Scored]:
        """Log-probabilities of every query's targets, and whether each is the most likely token."""
        return list(zip(self._logprobs, self._greedy, strict=True))
