"""Queries to log-probabilities through the forest, and queries to replies.

Log-probabilities are in nats. A query whose numbers are not finite becomes a `Failure`, never a
number.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from babelbits.engines.hf.encoding import Query
from babelbits.engines.hf.forest import Step
from babelbits.engines.hf.forward import TreeRunner, read_logits, wanted_rows
from babelbits.engines.hf.plain import Scored
from babelbits.records import Failure, Score, TextScore


def score_shared(
    runner: TreeRunner, queries: Sequence[Query], steps: Iterable[Step]
) -> list[Scored]:
    """Run the steps planned for `queries` and hand each query its log-probabilities."""
    targets = [token for query in queries for token in query.targets]
    logprobs = np.full(len(targets), np.nan)
    greedy = np.zeros(len(targets), dtype=np.bool_)
    for step in steps:
        logits = runner.run(step)
        if logits is None:
            continue
        index = {row: i for i, row in enumerate(wanted_rows(step))}
        slots = [slot for _row, slot in step.wants]
        rows = [index[row] for row, _slot in step.wants]
        logprobs[slots], greedy[slots] = read_logits(logits, rows, [targets[s] for s in slots])
    bounds = np.cumsum([len(query.targets) for query in queries])[:-1]
    return list(zip(np.split(logprobs, bounds), np.split(greedy, bounds), strict=True))


def score_reply(query: Query, scored: Scored) -> Score | Failure:
    """The reply to a `ScoreRequest`."""
    logprobs, greedy = scored
    if not np.isfinite(logprobs).all():
        return not_finite()
    return Score(
        logprob=min(0.0, float(logprobs.sum())),
        is_greedy=bool(greedy.all()),
        prompt_tokens=query.prompt_tokens,
        continuation_tokens=len(query.targets),
        truncated_tokens=query.truncated,
    )


def text_reply(text: str, windows: Sequence[Scored]) -> TextScore | Failure:
    """The reply to a `TextRequest` from the scores of its windows, in order."""
    logprobs = np.concatenate([scored[0] for scored in windows])
    if not np.isfinite(logprobs).all():
        return not_finite()
    return TextScore(logprobs=tuple(np.minimum(0.0, logprobs).tolist()), n_bytes=len(text.encode()))


def not_finite() -> Failure:
    """What a request gets whose logits were NaN or infinite."""
    return Failure(kind="nan_logits", message="the model's logits are not finite numbers")
