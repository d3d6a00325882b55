"""The transformers engine: a checkpoint in PyTorch.

It decides per request whether the shared path or the plain one serves it, and keeps the trunk
between calls.
"""

import gc
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import torch

from babelbits.engines.base import EngineIdentity, EngineSettings
from babelbits.engines.distributions import DistributionReader, divide
from babelbits.engines.encoding import Encoder, Query
from babelbits.engines.hf import attention
from babelbits.engines.hf.exactness import find_shortcuts, probe_tokens
from babelbits.engines.hf.forward import TreeRunner, score_shared
from babelbits.engines.hf.generation import TreeGenerator, generate_plain
from babelbits.engines.hf.lengths import find_column_change, find_rope_change
from babelbits.engines.hf.loading import LoadedModel
from babelbits.engines.hf.plain import Batching, compute_plain_logits, score_plain
from babelbits.engines.hf.precision import Tolerance, chooses_by_batch
from babelbits.engines.hf.prefix_cache import Trunk
from babelbits.engines.hf.version import NAME, make_engine_version
from babelbits.engines.local import LocalEngine
from babelbits.engines.prefix_tree import grow, plan_steps
from babelbits.engines.replies import Continuation, Scored
from babelbits.engines.stopping import Stopping
from babelbits.formats.logit_scale import is_left_out
from babelbits.quiet import no_cast_warnings

_PACK_ON_CPU, _PACK_ON_GPU = 256, 2048
"""Tokens per forward pass at which matrix products reach full speed; see bench/README.md."""
_LONGEST = 1024
"""Tokens of one sequence in one forward pass when scoring."""
_LOGIT_ELEMENTS = 2**27
"""Logits of one forward pass: bounds memory where the vocabulary is large."""


class TransformersEngine(LocalEngine):
    """Scores and generates with a loaded model. See `engines.base.Engine`."""

    def __init__(self, loaded: LoadedModel, *, settings: EngineSettings) -> None:
        super().__init__(
            encoder=Encoder(
                loaded.tokenizer,
                context_length=loaded.context_length,
                long_prompts=settings.long_prompts,
                rows=getattr(loaded.model.get_input_embeddings(), "num_embeddings", None),
            ),
            stopping=Stopping(loaded.tokenizer, generation_config=loaded.model.generation_config),
            settings=settings,
        )
        self.loaded = loaded
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
        self._open = ExitStack()
        self._open.enter_context(no_cast_warnings())
        with torch.inference_mode():
            self._prepare(loaded, settings)

    def _prepare(self, loaded: LoadedModel, settings: EngineSettings) -> None:
        """Choose how attention is computed, then find out which paths are exact."""
        tokens = probe_tokens(loaded)
        attention_found = attention.probe_attention(loaded.model, tokens)
        tolerance = Tolerance.of(loaded).mean
        why = attention.choose(
            loaded.model, tokens, tolerance=tolerance, attention_found=attention_found
        )
        self._shortcuts = find_shortcuts(
            loaded,
            sharing=settings.sharing,
            together=not self._asked_alone(),
            attention_found=attention_found,
            pack=max(self._pack, self._longest),
        )
        self._batching = Batching(
            token_budget=settings.token_budget,
            alone=not self._shortcuts.together,
            rope_change=find_rope_change(loaded.model.config),
            column_change=find_column_change(loaded.model.config),
            score_budget=attention.score_budget(loaded.model),
        )
        reasons = (f"attention runs as the model's own code, which is slower: {why}",)
        self._notes = (reasons if why else ()) + self._shortcuts.notes

    def _asked_alone(self) -> bool:
        """Whether every row shall be a batch of its own."""
        if self.settings.batch == "auto":
            return chooses_by_batch(self.loaded.model.config)
        return self.settings.batch == "single"

    @property
    def identity(self) -> EngineIdentity:
        """What about this engine may change numbers."""
        return EngineIdentity(
            name=NAME,
            version=make_engine_version(
                scaled=is_left_out({"model_type": self.loaded.model.config.model_type})
            ),
            device_kind=self.loaded.device.type,
            dtype=str(self.loaded.dtype).removeprefix("torch."),
            long_prompts=self.settings.long_prompts,
            batch="single" if self._asked_alone() else "many",
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What makes this model slower than others here, in plain words."""
        return (*self.encoder.notes, *self.loaded.notes, *self._notes)

    @property
    def sharing_limit(self) -> int:
        """Length in tokens up to which prefixes are shared; 0 where they never are."""
        return self._shortcuts.sharing_limit

    def close(self) -> None:
        """Free the model's memory; the engine cannot be used afterwards."""
        self._open.close()
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
        plain = score_plain(
            self.loaded.model,
            [queries[i] for i in alone],
            batching=self._batching,
            device=self.loaded.device,
        )
        scored.update(zip(alone, plain, strict=True))
        return [scored[i] for i in range(len(queries))]

    def _score_shared(self, queries: Sequence[Query]) -> list[Scored]:
        if not queries:
            return []
        tokens = [query.tokens for query in queries]
        starts = [len(query.tokens) - len(query.targets) for query in queries]
        steps = plan_steps(
            grow(tokens, starts), pack=self._pack, block=self._pack, longest=self._longest
        )
        return score_shared(self._runner, queries, steps)

    @torch.inference_mode()
    def _show(self, queries: Sequence[Query], reader: DistributionReader[object]) -> None:
        """Show a reader the logits of every target; whole texts share nothing, so plainly."""
        slots = divide(queries)
        batching = replace(self._batching, token_budget=self._longest)
        for i, logits in compute_plain_logits(
            self.loaded.model, queries, batching=batching, device=self.loaded.device
        ):
            numbers = np.arange(slots[i].start, slots[i].stop)
            reader.read(numbers, logits.float().cpu().numpy())

    @torch.inference_mode()
    def _generate(self, grown: Sequence[Continuation]) -> None:
        limit = self._shortcuts.decoding_limit
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
            cache=self._shortcuts.cache,
            batching=self._batching,
            device=self.loaded.device,
        )

    def _generate_shared(self, grown: Sequence[Continuation]) -> None:
        members: dict[tuple[int, ...], list[Continuation]] = {}
        for one in grown:
            members.setdefault(tuple(one.prompt.tokens), []).append(one)
        if not members:
            return
        prompts = list(members)
        steps = plan_steps(
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
