"""What a chat model is: it is asked messages and answers with text, or says why it has none.

Judges and translation ask through this; an endpoint and a local model answer alike. Nothing here
opens a connection or loads a model. Costs are in the currency of the price that the user gave.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """Continue a conversation with the assistant's next turn. Greedy when `temperature` is 0."""

    messages: tuple[Message, ...]
    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply:
    """The assistant's turn."""

    text: str
    finish_reason: Literal["stop", "length"]
    prompt_tokens: int | None
    output_tokens: int | None
    """Both None where the endpoint did not say."""
    cost: float | None
    """Of asking this now, failed attempts that were charged included: 0 for a reply from the cache;
    None where no price is known, or the endpoint did not count tokens."""
    cached: bool = False


ChatFailureKind = Literal[
    "rate_limited", "timeout", "server_error", "rejected", "malformed", "filtered", "over_budget"
]
"""rejected: the endpoint will not take the request (4xx); malformed: the reply is no valid answer;
filtered: the endpoint's content filter held the answer back; over_budget: not asked, for it could
have passed the spend limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatFailure:
    """A request without an answer after every retry, and why. Never cached."""

    kind: ChatFailureKind
    message: str
    attempts: int = 1
    cost: float | None = 0.0
    """Of the attempts that were charged."""
    fatal: bool = False
    """Every other request would meet it too."""


ChatAnswer = ChatReply | ChatFailure
OnAnswer = Callable[[int, ChatAnswer], None]
"""Called with a request's place as soon as its answer is known, from the calling thread."""


class ChatModel(Protocol):
    """Answers in bulk, so that it may schedule."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Everything about the model that may change an answer; goes into caches and records."""

    def ask(
        self, requests: Sequence[ChatRequest], *, on_answer: OnAnswer | None = None
    ) -> list[ChatAnswer]:
        """Answers in request order."""

    def close(self) -> None:
        """Free connections or memory."""
