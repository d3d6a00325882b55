"""The llama.cpp engine: a GGUF file in llama.cpp, in this process.

It opens a session whose memory the token budget bounds (or one long sequence needs), and decides
per request whether the shared path or the plain one serves it.
"""

from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import numpy as np

from babelbits.engines.base import EngineIdentity, EngineSettings
from babelbits.engines.distributions import Chosen, Reader, divide, targets_of
from babelbits.engines.encoding import Query
from babelbits.engines.forest import Step, grow, plan
from babelbits.engines.llama.encoding import CheckedEncoder
from babelbits.engines.llama.generation import generate_plain, generate_shared
from babelbits.engines.llama.loading import LoadedModel
from babelbits.engines.llama.scoring import run_plain, run_shared
from babelbits.engines.llama.session import Session
from babelbits.engines.llama.tree import Tree
from babelbits.engines.llama_cpp import NAME, cache_dtype, engine_version
from babelbits.engines.local import LocalEngine
from babelbits.engines.replies import Continuation, Scored
from babelbits.engines.stopping import Stopping
from babelbits.errors import EngineError

_PACK_ON_CPU, _PACK_ON_GPU = 256, 2048
"""Tokens per forward pass at which matrix products reach full speed; see bench/README.md."""
_LOGIT_ELEMENTS = 2**26
"""Logits of one forward pass: bounds memory where the vocabulary is large."""
_SEQUENCES = 64
"""Branches in one forward pass, rows that are decoded side by side, and the smallest pass."""
_UNIT = 256
"""llama.cpp rounds its memory up to a multiple of this."""


class LlamaEngine(LocalEngine):
    """Scores and generates with a GGUF model in llama.cpp. See `engines.base.Engine`."""

    def __init__(self, loaded: LoadedModel, *, settings: EngineSettings) -> None:
        super().__init__(
            encoder=CheckedEncoder(
                loaded.tokenizer,
                loaded.vocabulary,
                context_length=loaded.context_length,
                long_prompts=settings.long_prompts,
            ),
            stopping=Stopping(
                loaded.tokenizer,
                generation_config=SimpleNamespace(eos_token_id=list(loaded.end_tokens)),
            ),
            settings=settings,
        )
        self.loaded = loaded
        rows = max(64, _LOGIT_ELEMENTS // len(loaded.vocabulary))
        pack = _PACK_ON_CPU if loaded.device_kind == "cpu" else _PACK_ON_GPU
        self._pack = max(_SEQUENCES, min(pack, settings.token_budget, rows))
        self._dtype = cache_dtype(settings.dtype, device_kind=loaded.device_kind)
        self._open(min(settings.token_budget, loaded.context_length))

    @property
    def identity(self) -> EngineIdentity:
        """What about this engine may change numbers."""
        return EngineIdentity(
            name=NAME,
            version=engine_version(),
            device_kind=self.loaded.device_kind,
            dtype=self._dtype,
            long_prompts=self.settings.long_prompts,
        )

    @property
    def sharing_limit(self) -> int:
        """Length in tokens up to which prefixes are shared; 0 where they never are."""
        return self.loaded.sharing_limit

    def close(self) -> None:
        """Free the model's memory; the engine cannot be used afterwards."""
        self._session.close()
        self.loaded.free()
        del self.loaded

    def _open(self, cells: int) -> None:
        """Begin a session of at least `cells`."""
        self._session = Session(
            self.loaded.api,
            self.loaded.model,
            cells=-(-cells // _UNIT) * _UNIT,
            batch=self._pack,
            sequences=_SEQUENCES,
            threads=self.loaded.threads,
            dtype=self._dtype,
        )
        self._tree = Tree(self._session)

    def _make_room(self, longest: int) -> None:
        """Let the session hold one sequence of `longest` tokens, and a pack beside its trunk.

        Where there is no memory for it, the session is as large as before and the caller is told.
        """
        needed, before = longest + self._pack, self._session.cells
        if needed <= before:
            return
        self._session.close()
        try:
            self._open(needed)
        except EngineError:
            self._open(before)
            raise

    def _score(self, queries: Sequence[Query]) -> list[Scored]:
        reader = Chosen(targets_of(queries))
        self._show(queries, reader)
        return [reader.reply(slots) for slots in divide(queries)]

    def _show(self, queries: Sequence[Query], reader: Reader[object]) -> None:
        """Show the reader the logits of every target of the queries.

        What sharing spoiled with a neighbour's NaN is computed again, alone.
        """
        if not queries:
            return
        self._make_room(max(len(query.tokens) for query in queries))
        slots = divide(queries)
        shared = [i for i, q in enumerate(queries) if len(q.tokens) <= self.sharing_limit]
        if shared:
            numbers = np.concatenate([np.arange(slots[i].start, slots[i].stop) for i in shared])
            run_shared(
                self._tree,
                self._plan([queries[i] for i in shared]),
                lambda found, logits: reader.read(numbers[found], logits),
            )
        alone = sorted(set(range(len(queries))) - set(shared))
        alone += [i for i in shared if reader.is_spoiled(slots[i])]
        if alone:
            starts = [slots[i].start for i in alone]
            self._tree.wipe()
            run_plain(self._session, [queries[i] for i in alone], starts, reader.read)
            self._tree.wipe()

    def _plan(self, queries: Sequence[Query]) -> Iterator[Step]:
        starts = [len(query.tokens) - len(query.targets) for query in queries]
        forest = grow([query.tokens for query in queries], starts)
        return plan(forest, pack=self._pack, block=self._pack, longest=self._pack)

    def _generate(self, grown: Sequence[Continuation]) -> None:
        if not grown:
            return
        sizes = [len(one.prompt.tokens) + one.prompt.max_new_tokens for one in grown]
        self._make_room(max(sizes))
        pairs = list(zip(grown, sizes, strict=True))
        shared = [one for one, size in pairs if size <= self.sharing_limit]
        alone = [one for one, size in pairs if size > self.sharing_limit]
        generate_shared(self._session, self._tree, shared, self._stopping)
        spoiled = [one for one in shared if one.finish == "failed"]
        for one in spoiled:
            one.restart()
        if alone or spoiled:
            generate_plain(self._session, self._tree, alone + spoiled, self._stopping)
            self._tree.wipe()
