"""What all engines that hold the model themselves have in common: requests in, replies out.

Requests become tokens, tokens are shown to the model by the engine's own three methods, and numbers
become replies in request order. What goes wrong with one request is that request's `Failure`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from babelbits.engines.base import EngineSettings
from babelbits.engines.distributions import (
    Compared,
    DistributionReader,
    KeptDistributions,
    ask,
    flatten,
    number_targets,
    select_matching,
)
from babelbits.engines.encoding import Encoder, Prompt, Query
from babelbits.engines.replies import (
    Continuation,
    Scored,
    generate_reply,
    make_continuations,
    make_text_reply,
    score_reply,
)
from babelbits.engines.stopping import Stopping
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


class LocalEngine(ABC):
    """Scores and generates with a loaded model. See `engines.base.Engine`."""

    def __init__(self, *, encoder: Encoder, stopping: Stopping, settings: EngineSettings) -> None:
        self.encoder = encoder
        self.settings = settings
        self._stopping = stopping

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about how this model runs here, one sentence each."""
        return self.encoder.notes

    @property
    def context_length(self) -> int:
        """Largest input in tokens."""
        return self.encoder.context_length

    def count_tokens(self, text: str) -> int:
        """Tokens of `text`, special tokens included as in scoring."""
        return self.encoder.count(text)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score | Failure]:
        """Log-likelihood of each continuation after its context, nats."""
        encoded = self.encoder.queries(requests)
        scored = iter(self._score([query for query in encoded if isinstance(query, Query)]))
        return [
            score_reply(query, next(scored)) if isinstance(query, Query) else query
            for query in encoded
        ]

    def score_text(self, requests: Sequence[TextRequest]) -> list[TextScore | Failure]:
        """Log-likelihood of each token of whole texts, nats."""
        encoded = self.encoder.windows(requests)
        scored = iter(self._score(flatten(encoded)))
        return [
            make_text_reply(request.text, [next(scored) for _window in windows])
            if isinstance(windows, list)
            else windows
            for request, windows in zip(requests, encoded, strict=True)
        ]

    def distributions(
        self, requests: Sequence[TextRequest], *, k: int
    ) -> list[TopTokens | Failure]:
        """The k most likely tokens after every position of whole texts."""
        encoded = self.encoder.windows(requests)
        return ask(encoded, KeptDistributions(number_targets(flatten(encoded)), k=k), self._show)

    def divergences(
        self, requests: Sequence[TextRequest], baselines: Sequence[TopTokens]
    ) -> list[TokenDivergence | Failure]:
        """How far this model is from a baseline after every position of the same texts."""
        encoded = self.encoder.windows(requests)
        kept = select_matching(encoded, baselines)
        return ask(encoded, Compared(number_targets(flatten(encoded)), kept), self._show)

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation | Failure]:
        """Continue each prompt; greedily where its temperature is 0."""
        encoded = self.encoder.prompts(requests)
        grown = [
            make_continuations(request, prompt) if isinstance(prompt, Prompt) else []
            for request, prompt in zip(requests, encoded, strict=True)
        ]
        self._generate([one for ones in grown for one in ones])
        return [
            generate_reply(request, prompt, ones, self._stopping)
            if isinstance(prompt, Prompt)
            else prompt
            for request, prompt, ones in zip(requests, encoded, grown, strict=True)
        ]

    # --- what the engine itself does ---------------------------------------------------------

    @abstractmethod
    def _score(self, queries: Sequence[Query]) -> list[Scored]:
        """Log-probabilities of every query's targets, in order; NaN where the logits were."""

    @abstractmethod
    def _show(self, queries: Sequence[Query], reader: DistributionReader[object]) -> None:
        """Show the reader the logits of every target of the queries."""

    @abstractmethod
    def _generate(self, grown: Sequence[Continuation]) -> None:
        """Let every continuation grow to its end."""
