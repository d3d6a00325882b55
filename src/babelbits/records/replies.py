"""What an engine answers.

Log-probabilities are in nats. A request without an answer has a `Failure`: counted and shown, never
dropped.
"""

from dataclasses import dataclass
from typing import Literal

FailureKind = Literal[
    "prompt_too_long",
    "nan_logits",
    "empty_text",
    "generation_failed",
    "scoring_failed",
    "nothing_to_score",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A request that has no answer, and why. Counted and shown, never dropped."""

    kind: FailureKind
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Answer to a `ScoreRequest`."""

    logprob: float
    """Sum over the continuation's tokens, nats, <= 0."""
    is_greedy: bool
    """Whether greedy decoding would have produced the continuation."""
    prompt_tokens: int
    continuation_tokens: int
    truncated_tokens: int = 0
    """Tokens cut from the left of the context so that it fits; 0 is the usual case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextScore:
    """Answer to a `TextRequest`: one log-probability a token, nats."""

    logprobs: tuple[float, ...]
    n_bytes: int
    """UTF-8 bytes of the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """What a model wrote between its tags before it answered."""

    text: str
    tokens: int
    """Tags included; part of the output tokens."""
    finished: bool
    """False where no closing tag came: the answer is then empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """Answer to a `GenerateRequest`: one text per sample."""

    texts: tuple[str, ...]
    """Without thinking."""
    finish_reasons: tuple[Literal["stop", "eos", "length"], ...]
    output_tokens: tuple[int, ...]
    prompt_tokens: int
    truncated_tokens: int = 0
    thinking: tuple[Thinking | None, ...] = ()
    """A sample's, or None where it did not think; empty where nobody looked for it."""


Reply = Score | TextScore | Generation | Failure
