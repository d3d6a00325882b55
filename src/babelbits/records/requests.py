"""What is asked of an engine."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequest:
    """Log-likelihood of `continuation` after `context` (lm-eval's `loglikelihood`)."""

    context: str
    continuation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRequest:
    """Log-likelihood of every token of a whole text (lm-eval's `loglikelihood_rolling`)."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRequest:
    """Continue `prompt`. Greedy when `temperature` is 0."""

    prompt: str
    max_new_tokens: int
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    samples: int = 1
    """Independent continuations; more than one needs temperature > 0."""
    seed: int = 0
    """With `samples`, fixes the draw of each continuation whatever the batch."""
    thinking: tuple[tuple[str, str], ...] = ()
    """Opening and closing tags of what the model thinks first: taken out of the texts, counted."""
    ignore_end: bool = False
    """Go on to `max_new_tokens` whatever the model writes, as is done to measure speed."""
    messages: tuple[tuple[str, str], ...] = ()
    """Role and content of the turns that the prompt was written from by a chat template, for
    servers that take chats alone; empty for plain text. No part of an item's identity: the prompt
    says it all."""


Request = ScoreRequest | TextRequest | GenerateRequest
