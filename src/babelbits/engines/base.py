"""What an engine is: a loaded variant that scores text and generates it.

No torch here: the plan, the tasks and the tests of other rooms may import this module.
Log-probabilities are in nats.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from babelbits.records import (
    Failure,
    GenerateRequest,
    Generation,
    Score,
    ScoreRequest,
    TextRequest,
    TextScore,
)
from babelbits.stats.divergence import TokenDivergence, TopTokens

LongPrompts = Literal["truncate-left", "fail"]

Batch = Literal["auto", "single", "many"]

SMALL_MODEL = 20_000_000
"""Weights below which a CPU engine computes with one thread: several processes use the cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How to run a model.

    Only `device`, `dtype` and `long_prompts` change results on purpose, and `batch` those of
    models whose numbers depend on what else is in a batch.
    """

    device: str = "auto"
    """'cpu', 'cuda', 'cuda:1', or 'auto': CUDA when there is one."""
    dtype: str = "auto"
    """'float32', 'bfloat16', 'float16', or 'auto': float32 on a CPU, bfloat16 on a GPU."""
    long_prompts: LongPrompts = "truncate-left"
    """What to do with a prompt longer than the context; either way it is counted."""
    token_budget: int = 8192
    """Largest number of padded tokens in one forward pass: bounds memory, not results."""
    batch: Batch = "auto"
    """'single': every row alone in its forward passes; 'many': as many as the budget allows;
    'auto': 'single' only where numbers depend on what else is in a batch (LLM.int8)."""
    sharing: bool = True
    """Compute shared prefixes once; False is the plain padded path, the oracle of the tests."""
    trust_remote_code: bool = False
    allow_pickle: bool = False
    allow_token_differences: bool = False
    """Run a GGUF variant on its checkpoint's tokens though llama.cpp itself gives others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineIdentity:
    """The part of an engine that may change numbers; it goes into every cell's id."""

    name: str
    version: str
    device_kind: str
    """'cpu' or 'cuda'."""
    dtype: str
    long_prompts: LongPrompts
    batch: Literal["single", "many"] = "many"
    """'single' where every row is alone in its forward passes."""


class Engine(Protocol):
    """Scores and generates in bulk, so that it may schedule; replies come in request order."""

    @property
    def identity(self) -> EngineIdentity:
        """What about this engine may change numbers."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about how this model runs here, one sentence each."""

    @property
    def context_length(self) -> int:
        """Largest input in tokens."""

    def count_tokens(self, text: str) -> int:
        """Tokens of `text`, special tokens included as in scoring."""

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score | Failure]:
        """Log-likelihood of each continuation after its context."""

    def score_text(self, requests: Sequence[TextRequest]) -> list[TextScore | Failure]:
        """Log-likelihood of each token of whole texts."""

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation | Failure]:
        """Continue each prompt."""

    def distributions(
        self, requests: Sequence[TextRequest], *, k: int
    ) -> list[TopTokens | Failure]:
        """The k most likely tokens after every position of whole texts."""

    def divergences(
        self, requests: Sequence[TextRequest], baselines: Sequence[TopTokens]
    ) -> list[TokenDivergence | Failure]:
        """How far this model is from a baseline after every position of the same texts."""

    def close(self) -> None:
        """Free the model's memory."""
