"""The llama.cpp engine: a GGUF file in llama.cpp, in this process.

It opens a session whose memory the token budget bounds (or one long sequence needs), and decides
per request whether the shared path or the plain one serves it.

Some models (LongRoPE: Phi-3.5, Phi-4-mini) have two sets of rotary factors. Transformers takes one
by the length of the text, llama.cpp by the size of the session, whatever is in it. So such a model
has short texts in sessions that are short, and long ones in sessions that are long; a continuation
that outgrows the first is computed anew in the second, as transformers does. Then no setting of
memory changes a number.
"""

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from babelbits.engines.base import EngineIdentity, EngineSettings, LongPrompts
from babelbits.engines.distributions import Chosen, DistributionReader, divide, number_targets
from babelbits.engines.encoding import Encoder, Query
from babelbits.engines.llama.generation import generate_plain, generate_shared
from babelbits.engines.llama.loading import LoadedGguf
from babelbits.engines.llama.scoring import run_plain, run_shared
from babelbits.engines.llama.session import Session
from babelbits.engines.llama.tree import Tree
from babelbits.engines.llama.version import NAME, choose_cache_dtype, make_engine_version
from babelbits.engines.local import LocalEngine
from babelbits.engines.prefix_tree import ForwardStep, grow, plan_steps
from babelbits.engines.replies import Continuation, Scored
from babelbits.engines.stopping import Stopping
from babelbits.errors import EngineError
from babelbits.llamacpp.vocabulary import Vocabulary, describe_difference


class CheckedEncoder(Encoder):
    """An `Encoder` whose tokenizer must agree with llama.cpp's, unless differences are allowed.

    A GGUF file carries its tokenizer as a name and tables. If the name is wrong (a converter
    guesses it from a hash), text in one script may be split as before and text in another not; the
    model then reads other tokens, which looks like damage by quantization. So every text with a
    line that was not seen yet is tokenized by both, and any difference is an error. The model is
    given the checkpoint's tokens in any case, so a study may allow differences: its numbers are
    those of the model then, and of what llama.cpp itself would do with the text they say nothing.

    Raises
    ------
    EngineError
        From every method: if the two give different tokens for a text; it shows the place.
    """

    def __init__(
        self,
        tokenizer: Any,
        vocabulary: Vocabulary,
        *,
        context_length: int,
        long_prompts: LongPrompts,
        allow_differences: bool = False,
    ) -> None:
        super().__init__(tokenizer, context_length=context_length, long_prompts=long_prompts)
        self._vocabulary = vocabulary
        self._compares = tokenizer is not vocabulary and not allow_differences
        self._seen: set[int] = set()

    def _encode(
        self, texts: Sequence[str], *, prefix: str | None = None, special: bool | None = None
    ) -> dict[str, list[int]]:
        if self._compares:
            self._compare(texts)
        return super()._encode(texts, prefix=prefix, special=special)

    def _compare(self, texts: Sequence[str]) -> None:
        fresh = [text for text in dict.fromkeys(texts) if self._has_new_line(text)]
        if not fresh:
            return
        ours = self.tokenizer(fresh, add_special_tokens=False, verbose=False)["input_ids"]
        for text, expected in zip(fresh, ours, strict=True):
            found = self._vocabulary.encode(text, add_special_tokens=False)
            if found != expected:
                raise EngineError(
                    "llama.cpp splits a text into other tokens than the checkpoint's tokenizer: "
                    + describe_difference(
                        text, expected=expected, found=found, tokenizer=self.tokenizer
                    ),
                    hint="where the GGUF file holds another tokenizer than the model's, convert it "
                    "again; where llama.cpp has none like it, set allow_token_differences = true "
                    "in [model]: the model is given the checkpoint's tokens",
                )

    def _has_new_line(self, text: str) -> bool:
        before = len(self._seen)
        self._seen.update(hash(line) for line in text.split("\n"))
        return len(self._seen) > before


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

    def __init__(self, loaded: LoadedGguf, *, settings: EngineSettings) -> None:
        super().__init__(
            encoder=CheckedEncoder(
                loaded.tokenizer,
                loaded.vocabulary,
                context_length=loaded.context_length,
                long_prompts=settings.long_prompts,
                allow_differences=settings.allow_token_differences,
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
        self._dtype = choose_cache_dtype(settings.dtype, device_kind=loaded.device_kind)
        budget = min(settings.token_budget, loaded.context_length)
        self._usual = budget if loaded.short_texts is None else min(budget, self._shorts)
        self._open(self._usual)

    @property
    def identity(self) -> EngineIdentity:
        """What about this engine may change numbers."""
        return EngineIdentity(
            name=NAME,
            version=make_engine_version(),
            device_kind=self.loaded.device_kind,
            dtype=self._dtype,
            long_prompts=self.settings.long_prompts,
            kv_cache=self.settings.kv_cache,
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
            kv_cache=self.settings.kv_cache,
        )
        self._tree = Tree(self._session)

    @property
    def _shorts(self) -> int:
        """Cells of the largest session that has the rotary factors for short texts."""
        most = (self.loaded.short_texts or 0) // _UNIT * _UNIT
        if not most:
            raise EngineError(
                f"this model reads texts of up to {self.loaded.short_texts} tokens with other "
                f"rotary factors, and llama.cpp takes those for sessions of {_UNIT} tokens",
                hint="use recipes of transformers for this model",
            )
        return most

    def _make_room(self, longest: int) -> None:
        """Let the session hold one sequence of `longest` tokens, and a pack beside its trunk.

        Where there is no memory for it, the session is as large as before and the caller is told.
        """
        needed, most = longest + self._pack, None
        short = self.loaded.short_texts
        if short is not None and longest <= short:
            most = self._shorts
            needed = min(needed, most)
        elif short is not None:
            needed = max(needed, short + 1)
        before = self._session.cells
        if needed <= before and (most is None or before <= most):
            return
        self._session.close()
        try:
            self._open(max(needed, self._usual))
        except EngineError:
            self._open(before)
            raise
        if longest > self._session.cells:
            raise EngineError(
                f"llama.cpp cannot hold {longest} tokens with the rotary factors for short texts"
            )

    def _by_factors(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Numbers of the texts that one session can hold: all, or the short and the long ones."""
        short = self.loaded.short_texts
        is_long = [short is not None and length > short for length in lengths]
        for wanted in (False, True):
            members = [number for number, one in enumerate(is_long) if one is wanted]
            if members:
                self._make_room(max(lengths[number] for number in members))
                yield members

    def _shares(self, length: int) -> bool:
        """Whether a text of this length goes the shared path in the session as it is."""
        room = self._session.cells - self._pack
        return length <= self.sharing_limit and (self.loaded.short_texts is None or length <= room)

    def _score(self, queries: Sequence[Query]) -> list[Scored]:
        reader = Chosen(number_targets(queries))
        self._show(queries, reader)
        return [reader.reply(slots) for slots in divide(queries)]

    def _show(self, queries: Sequence[Query], reader: DistributionReader[object]) -> None:
        """Show the reader the logits of every target of the queries.

        What sharing spoiled with a neighbour's NaN is computed again, alone.
        """
        slots = divide(queries)
        for members in self._by_factors([len(query.tokens) for query in queries]):
            shared = [i for i in members if self._shares(len(queries[i].tokens))]
            if shared:
                self._show_shared([queries[i] for i in shared], [slots[i] for i in shared], reader)
            alone = sorted(set(members) - set(shared))
            alone += [i for i in shared if reader.is_spoiled(slots[i])]
            if alone:
                starts = [slots[i].start for i in alone]
                self._tree.wipe()
                run_plain(self._session, [queries[i] for i in alone], starts, reader.read)
                self._tree.wipe()

    def _show_shared(
        self, queries: Sequence[Query], slots: Sequence[slice], reader: DistributionReader[object]
    ) -> None:
        numbers = np.concatenate([np.arange(one.start, one.stop) for one in slots])
        run_shared(
            self._tree,
            self._plan(queries),
            lambda found, logits: reader.read(numbers[found], logits),
        )

    def _plan(self, queries: Sequence[Query]) -> Iterator[ForwardStep]:
        starts = [len(query.tokens) - len(query.targets) for query in queries]
        forest = grow([query.tokens for query in queries], starts)
        return plan_steps(forest, pack=self._pack, block=self._pack, longest=self._pack)

    def _generate(self, grown: Sequence[Continuation]) -> None:
        short = self.loaded.short_texts
        sizes = [len(one.prompt.tokens) + one.prompt.max_new_tokens for one in grown]
        crossing = [
            one
            for one, size in zip(grown, sizes, strict=True)
            if short is not None and len(one.prompt.tokens) <= short < size
        ]
        rest = [i for i, one in enumerate(grown) if one not in crossing]
        for members in self._by_factors([sizes[i] for i in rest]):
            self._generate_in_session([grown[rest[i]] for i in members])
        if crossing:
            self._cross(crossing)

    def _generate_in_session(self, grown: Sequence[Continuation]) -> None:
        """Grow continuations whose last token the session has room for."""
        sizes = [len(one.prompt.tokens) + one.prompt.max_new_tokens for one in grown]
        pairs = list(zip(grown, sizes, strict=True))
        shared = [one for one, size in pairs if self._shares(size)]
        alone = [one for one, size in pairs if not self._shares(size)]
        generate_shared(self._session, self._tree, shared, self._stopping)
        spoiled = [one for one in shared if one.finish == "failed"]
        for one in spoiled:
            one.restart()
        if alone or spoiled:
            generate_plain(self._session, self._tree, alone + spoiled, self._stopping)
            self._tree.wipe()

    def _cross(self, grown: Sequence[Continuation]) -> None:
        """Grow continuations that begin with the factors for short texts and outgrow them."""
        short = self.loaded.short_texts
        self._make_room(self._shorts)
        generate_plain(self._session, self._tree, grown, self._stopping, longest=short)
        left = [one for one in grown if one.finish is None]
        if left:
            self._make_room(max(len(o.prompt.tokens) + o.prompt.max_new_tokens for o in left))
            generate_plain(self._session, self._tree, left, self._stopping)
        self._tree.wipe()
