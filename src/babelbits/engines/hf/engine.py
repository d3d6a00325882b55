"""The transformers engine: requests in, replies out, in request order.

It decides per request whether the shared path or the plain one serves it, keeps the trunk between
calls, and turns everything that goes wrong with one request into that request's `Failure`.
"""

import gc
from collections.abc import Sequence

import numpy as np
import torch

from babelbits.engines.base import EngineIdentity, EngineSettings
from babelbits.engines.distributions import (
    Compared,
    Kept,
    Reader,
    ask,
    divide,
    flatten,
    matching,
    targets_of,
)
from babelbits.engines.encoding import Encoder, Prompt, Query
from babelbits.engines.forest import grow, plan
from babelbits.engines.hf.exactness import find_shortcuts
from babelbits.engines.hf.forward import TreeRunner
from babelbits.engines.hf.generation import TreeGenerator, generate_plain
from babelbits.engines.hf.loading import LoadedModel
from babelbits.engines.hf.plain import plain_logits, score_plain
from babelbits.engines.hf.scoring import score_shared
from babelbits.engines.hf.trunk import Trunk
from babelbits.engines.replies import (
    Continuation,
    Scored,
    continuations,
    generate_reply,
    score_reply,
    text_reply,
)
from babelbits.engines.stopping import Stopping
from babelbits.engines.transformers import engine_version
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

_PACK_ON_CPU, _PACK_ON_GPU = 256, 2048
"""Tokens per forward pass at which matrix products reach full speed; see bench/README.md."""
_LONGEST = 1024
"""Tokens of one sequence in one forward pass when scoring."""
_LOGIT_ELEMENTS = 2**27
"""Logits of one forward pass: bounds memory where the vocabulary is large."""


class TransformersEngine:
    """Scores and generates with a loaded model. See `engines.base.Engine`."""

    def __init__(self, loaded: LoadedModel, *, settings: EngineSettings) -> None:
        self.loaded = loaded
        self.settings = settings
        self.encoder = Encoder(
            loaded.tokenizer,
            context_length=loaded.context_length,
            long_prompts=settings.long_prompts,
        )
        rows = max(64, _LOGIT_ELEMENTS // loaded.vocabulary)
        pack = _PACK_ON_CPU if loaded.device.type == "cpu" else _PACK_ON_GPU
        self._pack = min(pack, settings.token_budget, rows)
        self._longest = min(_LONGEST, settings.token_budget, rows)
        self._runner = TreeRunner(
            loaded.model,
            trunk=Trunk(block=self._pack),
            device=loaded.device,
            dtype=loaded.dtype,
        )
        self._stopping = Stopping(
            loaded.tokenizer, generation_config=loaded.model.generation_config
        )
        with torch.inference_mode():
            self._shortcuts = find_shortcuts(loaded, sharing=settings.sharing)

    @property
    def identity(self) -> EngineIdentity:
        """What about this engine may change numbers."""
        return EngineIdentity(
            name="transformers",
            version=engine_version(),
            device_kind=self.loaded.device.type,
            dtype=str(self.loaded.dtype).removeprefix("torch."),
            long_prompts=self.settings.long_prompts,
        )

    @property
    def context_length(self) -> int:
        """Largest input in tokens."""
        return self.loaded.context_length

    @property
    def sharing_limit(self) -> int:
        """Length in tokens up to which prefixes are shared; 0 where they never are."""
        return self._shortcuts.sharing_limit

    def count_tokens(self, text: str) -> int:
        """Tokens of `text`, special tokens included as in scoring."""
        return self.encoder.count(text)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score | Failure]:
        """Log-likelihood of each continuation after its context, nats."""
        encoded = self.encoder.queries(requests)
        queries = [query for query in encoded if isinstance(query, Query)]
        scored = iter(self._score(queries))
        return [
            score_reply(query, next(scored)) if isinstance(query, Query) else query
            for query in encoded
        ]

    def score_text(self, requests: Sequence[TextRequest]) -> list[TextScore | Failure]:
        """Log-likelihood of each token of whole texts, nats."""
        encoded = self.encoder.windows(requests)
        queries = [query for windows in encoded if isinstance(windows, list) for query in windows]
        scored = iter(self._score(queries))
        return [
            text_reply(request.text, [next(scored) for _window in windows])
            if isinstance(windows, list)
            else windows
            for request, windows in zip(requests, encoded, strict=True)
        ]

    def distributions(
        self, requests: Sequence[TextRequest], *, k: int
    ) -> list[TopTokens | Failure]:
        """The k most likely tokens after every position of whole texts."""
        encoded = self.encoder.windows(requests)
        return ask(encoded, Kept(targets_of(flatten(encoded)), k=k), self._show)

    def divergences(
        self, requests: Sequence[TextRequest], baselines: Sequence[TopTokens]
    ) -> list[TokenDivergence | Failure]:
        """How far this model is from a baseline after every position of the same texts."""
        encoded = self.encoder.windows(requests)
        kept = matching(encoded, baselines)
        return ask(encoded, Compared(targets_of(flatten(encoded)), kept), self._show)

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation | Failure]:
        """Continue each prompt; greedily where its temperature is 0."""
        encoded = self.encoder.prompts(requests)
        grown = [
            continuations(request, prompt) if isinstance(prompt, Prompt) else []
            for request, prompt in zip(requests, encoded, strict=True)
        ]
        self._generate([one for ones in grown for one in ones])
        return [
            generate_reply(request, prompt, ones, self._stopping)
            if isinstance(prompt, Prompt)
            else prompt
            for request, prompt, ones in zip(requests, encoded, grown, strict=True)
        ]

    def close(self) -> None:
        """Free the model's memory; the engine cannot be used afterwards."""
        del self.loaded, self._runner
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @torch.inference_mode()
    def _score(self, queries: Sequence[Query]) -> list[Scored]:
        """Scores in order; what sharing spoiled with a neighbour's NaN is computed alone."""
        shared = [
            i
            for i, query in enumerate(queries)
            if len(query.tokens) <= self._shortcuts.sharing_limit
        ]
        scored = dict(zip(shared, self._score_shared([queries[i] for i in shared]), strict=True))
        spoiled = [i for i in shared if not np.isfinite(scored[i][0]).all()]
        alone = [i for i in range(len(queries)) if i not in scored] + spoiled
        budget = self.settings.token_budget
        plain = score_plain(
            self.loaded.model,
            [queries[i] for i in alone],
            token_budget=budget,
            device=self.loaded.device,
        )
        scored.update(zip(alone, plain, strict=True))
        return [scored[i] for i in range(len(queries))]

    def _score_shared(self, queries: Sequence[Query]) -> list[Scored]:
        if not queries:
            return []
        tokens = [query.tokens for query in queries]
        starts = [len(query.tokens) - len(query.targets) for query in queries]
        steps = plan(grow(tokens, starts), pack=self._pack, block=self._pack, longest=self._longest)
        return score_shared(self._runner, queries, steps)

    @torch.inference_mode()
    def _show(self, queries: Sequence[Query], reader: Reader[object]) -> None:
        """Show a reader the logits of every target; whole texts share nothing, so plainly."""
        slots = divide(queries)
        budget = min(self.settings.token_budget, self._longest)
        for i, logits in plain_logits(
            self.loaded.model, queries, token_budget=budget, device=self.loaded.device
        ):
            numbers = np.arange(slots[i].start, slots[i].stop)
            reader.read(numbers, logits.float().cpu().numpy())

    @torch.inference_mode()
    def _generate(self, grown: Sequence[Continuation]) -> None:
        limit = self._shortcuts.sharing_limit
        shared = [o for o in grown if len(o.prompt.tokens) + o.prompt.max_new_tokens <= limit]
        alone = [o for o in grown if len(o.prompt.tokens) + o.prompt.max_new_tokens > limit]
        self._generate_shared(shared)
        spoiled = [one for one in shared if one.finish == "failed"]
        for one in spoiled:
            one.restart()
        generate_plain(
            self.loaded.model,
            alone + spoiled,
            self._stopping,
            cached=self._shortcuts.cached,
            token_budget=self.settings.token_budget,
            device=self.loaded.device,
        )

    def _generate_shared(self, grown: Sequence[Continuation]) -> None:
        members: dict[tuple[int, ...], list[Continuation]] = {}
        for one in grown:
            members.setdefault(tuple(one.prompt.tokens), []).append(one)
        if not members:
            return
        prompts = list(members)
        steps = plan(
            grow(prompts, [len(prompt) - 1 for prompt in prompts]),
            pack=self._pack,
            block=self._pack,
            longest=self.context_length,  # a prompt alone stays whole, to be decoded with others
        )
        TreeGenerator(
            self._runner,
            self._stopping,
            members=list(members.values()),
            token_budget=self.settings.token_budget,
            cascade=self._shortcuts.cascade,
        ).run(steps)
