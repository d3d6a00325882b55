"""What an engine answers in a rehearsal; a request that it cannot answer fails the check."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from babelbits.records import Failure
from babelbits.study.rehearsal.outcomes import Failed


def copy_unshared(engine: Any) -> Any:
    """The same loaded model in an engine that shares nothing."""
    settings = replace(engine.settings, sharing=False)
    if type(engine).__name__ == "LlamaEngine":
        return type(engine)(replace(engine.loaded, sharing_limit=0), settings=settings)
    return type(engine)(engine.loaded, settings=settings)


def list_texts(replies: Sequence[Any]) -> list[str]:
    """The first text of each generation."""
    for reply in replies:
        if isinstance(reply, Failure):
            raise Failed(f"a generation failed: {reply.message}")
    return [reply.texts[0] for reply in replies]


def list_logprobs(replies: Sequence[Any]) -> list[float]:
    """The log-probabilities of all tokens of all texts, nats."""
    for reply in replies:
        if isinstance(reply, Failure):
            raise Failed(f"a text could not be scored: {reply.message}")
    return [value for reply in replies for value in reply.logprobs]


def list_scores(replies: Sequence[Any]) -> list[float]:
    """The log-likelihood of each continuation, nats."""
    for reply in replies:
        if isinstance(reply, Failure):
            raise Failed(f"a continuation could not be scored: {reply.message}")
    return [reply.logprob for reply in replies]


def measure_mean_difference(some: Sequence[float], others: Sequence[float]) -> float:
    """Mean absolute difference, in the values' unit."""
    return sum(abs(a - b) for a, b in zip(some, others, strict=True)) / len(some)
