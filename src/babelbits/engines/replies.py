"""Log-probabilities to replies, and continuations while they grow: the same for every engine.

Log-probabilities are in nats. A query whose numbers are not finite becomes a `Failure`, never a
number. Nothing here runs a model.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from babelbits.engines.encoding import Prompt, Query
from babelbits.engines.sampling import Sampler
from babelbits.engines.stopping import Ending, FinishReason, Stopping
from babelbits.engines.thinking import find_opened_block
from babelbits.records import Failure, GenerateRequest, Generation, Score, TextScore

Scored = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""Log-probability of every target of a query, and whether each is the most likely token."""


def score_reply(query: Query, scored: Scored) -> Score | Failure:
    """The reply to a `ScoreRequest`."""
    logprobs, greedy = scored
    if not np.isfinite(logprobs).all():
        return make_not_finite()
    return Score(
        logprob=min(0.0, float(logprobs.sum())),
        is_greedy=bool(greedy.all()),
        prompt_tokens=query.prompt_tokens,
        continuation_tokens=len(query.targets),
        truncated_tokens=query.truncated,
    )


def make_text_reply(text: str, windows: Sequence[Scored]) -> TextScore | Failure:
    """The reply to a `TextRequest` from the scores of its windows, in order."""
    logprobs = np.concatenate([scored[0] for scored in windows])
    if not np.isfinite(logprobs).all():
        return make_not_finite()
    return TextScore(logprobs=tuple(np.minimum(0.0, logprobs).tolist()), n_bytes=len(text.encode()))


def make_not_finite() -> Failure:
    """What a request gets whose logits were NaN or infinite."""
    return Failure(kind="nan_logits", message="the model's logits are not finite numbers")


@dataclass(slots=True, eq=False)
class Continuation:
    """One continuation while it grows."""

    prompt: Prompt
    ending: Ending
    sampler: Sampler | None
    tokens: list[int] = field(default_factory=list)
    finish: FinishReason | Literal["failed"] | None = None

    def restart(self) -> None:
        """Forget what was generated."""
        self.tokens, self.finish = [], None
        if self.sampler:
            self.sampler.restart()


def make_continuations(request: GenerateRequest, prompt: Prompt) -> list[Continuation]:
    """What has to be decoded for a request; one greedy row serves any number of samples."""
    greedy = request.temperature == 0
    samplers = [None if greedy else Sampler(request, i) for i in range(request.samples)]
    wanted = samplers[:1] if greedy else samplers
    return [Continuation(prompt=prompt, ending=make_ending(request), sampler=s) for s in wanted]


def make_ending(request: GenerateRequest) -> Ending:
    """What ends the continuations of a request."""
    opened = find_opened_block(request.prompt, request.thinking)
    return Ending(
        stop=request.stop, thinking=request.thinking, opened=opened, ignored=request.ignore_end
    )


def append(
    chosen: Sequence[int | None], growing: Sequence[Continuation], stopping: Stopping
) -> None:
    """Give every continuation its next token (None: it failed), and see whether that ends it."""
    for one, token in zip(growing, chosen, strict=True):
        if token is None:
            one.finish = "failed"
        else:
            one.tokens.append(token)
    alive = [one for one in growing if one.finish is None]
    reasons = stopping.finished(
        [one.tokens for one in alive],
        [one.ending for one in alive],
        [one.prompt.max_new_tokens for one in alive],
    )
    for one, reason in zip(alive, reasons, strict=True):
        one.finish = reason


def generate_reply(
    request: GenerateRequest, prompt: Prompt, grown: Sequence[Continuation], stopping: Stopping
) -> Generation | Failure:
    """The reply to a request whose continuations are finished."""
    reasons: list[FinishReason] = []
    for one in grown:
        if one.finish is None or one.finish == "failed":
            return make_not_finite()
        reasons.append(one.finish)
    repeats = request.samples // len(grown)
    thoughts = [stopping.thinking(one.tokens, one.ending) for one in grown]
    reasons = [
        reason if thought is None or thought.finished else "length"
        for reason, thought in zip(reasons, thoughts, strict=True)
    ]
    return Generation(
        texts=tuple(stopping.text(one.tokens, one.ending) for one in grown) * repeats,
        thinking=tuple(thoughts) * repeats if request.thinking else (),
        finish_reasons=tuple(reasons) * repeats,
        output_tokens=tuple(len(one.tokens) for one in grown) * repeats,
        prompt_tokens=len(prompt.tokens),
        truncated_tokens=prompt.truncated,
    )
