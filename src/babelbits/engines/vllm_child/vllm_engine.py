"""The vLLM engine: requests in, replies out, the model in a process of its own.

A worker that dies is started again once, and what was asked of it is asked again: nothing of it has
been recorded. If the second one dies of it too, that is an `EngineError` with its last lines, and
the next request starts another.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np

from babelbits.engines.base import EngineIdentity, EngineSettings
from babelbits.engines.distributions import DistributionReader, divide
from babelbits.engines.encoding import Encoder, Query
from babelbits.engines.local import LocalEngine
from babelbits.engines.replies import Continuation, Scored, append
from babelbits.engines.stopping import Stopping
from babelbits.engines.vllm_child import checkpoint
from babelbits.engines.vllm_child.asking import Ask, ChildAnswers, encode_tokens, order, plan_asks
from babelbits.engines.vllm_child.checkpoint import LoadedFolder
from babelbits.engines.vllm_child.child import Child, WorkerDiedError
from babelbits.engines.vllm_child.vllm_version import NAME, Path_, make_engine_version
from babelbits.errors import EngineError, ModelError

_T = TypeVar("_T")
_ELEMENTS = 2**22
"""Numbers of whole distributions that cross the border at a time."""
_PROBES, _PROBE_PREFIX, _PROBE_TAIL = 12, 3, 4
"""Prompts of the trial at the start; blocks that they share, and tokens of their own."""
_TOLERANCE = {"float32": 1e-3}
_COARSE = 0.25
"""Nats by which a kept prefix may change a log-probability: in 16 bits, rounding alone."""


class VllmEngine(LocalEngine):
    """Scores and generates with a model in vLLM. See `engines.base.Engine`.

    Parameters
    ----------
    loaded : LoadedFolder
        The model without its weights.
    settings : EngineSettings
        Its device and dtype are not 'auto'.
    start : callable
        Starts a worker.
    installed : mapping
        Distributions of the worker's environment, with their versions.
    """

    def __init__(
        self,
        loaded: LoadedFolder,
        *,
        settings: EngineSettings,
        start: Callable[[], Child],
        installed: Mapping[str, str],
    ) -> None:
        super().__init__(
            encoder=Encoder(
                loaded.tokenizer,
                context_length=loaded.context_length,
                long_prompts=settings.long_prompts,
                rows=loaded.rows,
            ),
            stopping=Stopping(
                loaded.tokenizer,
                generation_config=SimpleNamespace(eos_token_id=list(loaded.end_tokens)),
            ),
            settings=settings,
        )
        self.loaded = loaded
        self._start_child = start
        self._installed = dict(installed)
        self._child: Child | None = None
        self._facts: Mapping[str, Any] = {}
        self._restarts = 0
        self._path: Path_ = "plain"
        self._difference = 0.0
        self._begin()

    @property
    def _tolerance(self) -> float:
        return _TOLERANCE.get(self.settings.dtype, _COARSE)

    # --- what it is --------------------------------------------------------------------------

    @property
    def identity(self) -> EngineIdentity:
        """What about this engine may change numbers."""
        return EngineIdentity(
            name=NAME,
            version=make_engine_version(self._installed, path=self._path),
            device_kind=self.settings.device.partition(":")[0],
            dtype=self.settings.dtype,
            long_prompts=self.settings.long_prompts,
            tensor_parallel=self.settings.tensor_parallel or 1,
            pipeline_parallel=self.settings.pipeline_parallel or 1,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about how this model runs here, one sentence each."""
        own = []
        if self._difference > self._tolerance:
            own.append(
                f"vLLM's prefix cache changes log-probabilities of this model by up to "
                f"{self._difference:.2g} nats, so that every prompt is computed anew: slower"
            )
        if self._restarts:
            own.append("vLLM's process ended and was started again; nothing was lost")
        return (*self.encoder.notes, *self.loaded.notes, *own)

    @property
    def pid(self) -> int | None:
        """Process id of the worker; None where none runs."""
        return None if self._child is None else self._child.pid

    def close(self) -> None:
        """End the worker, and with it free the model's memory."""
        child, self._child = self._child, None
        if child is not None:
            child.end()

    # --- the worker --------------------------------------------------------------------------

    def _open(self) -> Child:
        """The worker, started and loaded if there is none."""
        if self._child is not None:
            return self._child
        child = self._start_child()
        try:
            child.send(
                {
                    "do": "load",
                    "options": checkpoint.make_options(self.loaded, settings=self.settings),
                }
            )
            ready = child.receive()
        except BaseException:
            child.end()
            raise
        self._facts, self._child = ready, child
        return child

    def _begin(self) -> None:
        """Load the model and try the cache; once more where the worker was killed meanwhile."""
        try:
            self._prepare()
        except WorkerDiedError as error:
            if not error.killed:
                raise self._unusable(error) from error
            self._restarts += 1
            try:
                self._prepare()
            except WorkerDiedError as second:
                raise self._unusable(second) from second

    def _prepare(self) -> None:
        self._open()
        if self.settings.sharing:
            self._try_the_cache()

    def _unusable(self, error: WorkerDiedError) -> ModelError:
        """What is said where the worker ends before a first request."""
        where = str(self.loaded.folder)
        return ModelError(f"cannot be run in vLLM: {error.what}", where=where, hint=error.hint)

    def _with_child(self, work: Callable[[Child], _T]) -> _T:
        """Do something with a worker; once more from its beginning, where the worker dies of it."""
        try:
            return self._attempt(work)
        except WorkerDiedError:
            self._restarts += 1
            return self._attempt(work)

    def _attempt(self, work: Callable[[Child], _T]) -> _T:
        child = self._open()
        try:
            return work(child)
        except BaseException:  # an answer that nobody took must not be the next one's
            self.close()
            raise

    def _try_the_cache(self) -> None:
        """Score some prompts behind a kept prefix and anew; without the cache if they differ."""
        queries = self._probes()

        def scores(block: int | None) -> list[Scored]:
            asks = plan_asks(queries, block=block)
            return self._attempt(lambda child: _ask(child, queries, asks, fresh=block is None))

        kept, anew = scores(1), scores(None)
        pairs = zip(kept, anew, strict=True)
        changes = np.concatenate([np.abs(one[0] - two[0]) for one, two in pairs])
        finite = changes[np.isfinite(changes)]
        if len(finite) < len(changes):
            self._attempt(_wipe)
        self._difference = float(finite.max()) if len(finite) else 0.0
        if self._difference <= self._tolerance:
            self._path = "prefix-cached"

    def _probes(self) -> list[Query]:
        """Prompts of made-up tokens behind one prefix, as long as the context allows."""
        rng = np.random.default_rng(0)
        room = self.loaded.context_length - _PROBE_TAIL
        length = max(1, min(_PROBE_PREFIX * self._facts["block"] + 1, room))
        prefix = rng.integers(0, self.loaded.rows, length).tolist()
        return [
            Query(tokens=prefix + tail[:-1], targets=tail, prompt_tokens=length)
            for tail in rng.integers(0, self.loaded.rows, (_PROBES, _PROBE_TAIL)).tolist()
        ]

    # --- what LocalEngine leaves -------------------------------------------------------------

    def _score(self, queries: Sequence[Query]) -> list[Scored]:
        block = self._facts["block"] if self._path == "prefix-cached" else None
        scored = self._scored(queries, block=block)

        def again(numbers: Sequence[int]) -> None:
            found = self._scored([queries[number] for number in numbers], block=None)
            for number, one in zip(numbers, found, strict=True):
                scored[number] = one

        self._mend(range(len(queries)), lambda i: not np.isfinite(scored[i][0]).all(), again=again)
        return scored

    def _mend(
        self,
        numbers: Sequence[int],
        is_spoiled: Callable[[int], bool],
        *,
        again: Callable[[Sequence[int]], None],
    ) -> None:
        """Compute anew what got no finite numbers, with a cache that holds none such.

        A NaN stays in the cache when its request is gone, and whoever gets that place next has it
        in every number. So first all together, then each alone; of a model that gives nothing but
        NaN the second is left out.
        """
        spoiled = [number for number in numbers if is_spoiled(number)]
        if not spoiled:
            return
        self._with_child(_wipe)
        again(spoiled)
        still = [number for number in spoiled if is_spoiled(number)]
        for number in still if len(still) < len(numbers) else ():
            self._with_child(_wipe)
            again([number])
        if still:
            self._with_child(_wipe)

    def _scored(self, queries: Sequence[Query], *, block: int | None) -> list[Scored]:
        if not queries:
            return []
        asks = plan_asks(queries, block=block)
        return self._with_child(lambda child: _ask(child, queries, asks, fresh=block is None))

    def _show(self, queries: Sequence[Query], reader: DistributionReader[object]) -> None:
        """Show the reader the distributions of every target, some at a time."""
        slots = divide(queries)
        rows = max(1, _ELEMENTS // self.loaded.rows)

        def show(numbers: Sequence[int]) -> None:
            for some in _within(numbers, [len(queries[number].tokens) for number in numbers], rows):
                found = self._distributions([queries[number] for number in some])
                for number, logprobs in zip(some, found, strict=True):
                    reader.read(np.arange(slots[number].start, slots[number].stop), logprobs)

        every = range(len(queries))
        show(every)
        self._mend(every, lambda number: reader.is_spoiled(slots[number]), again=show)

    def _distributions(self, queries: Sequence[Query]) -> list[Any]:
        return self._with_child(lambda child: _distributions(child, queries))

    def _generate(self, grown: Sequence[Continuation]) -> None:
        ordered = [grown[i] for i in order([one.prompt.tokens for one in grown])]

        def grow(numbers: Sequence[int]) -> None:
            if numbers:
                rows = [ordered[number] for number in numbers]
                self._with_child(lambda child: self._grow(child, rows))

        every = range(len(ordered))
        grow(every)
        self._mend(every, lambda number: ordered[number].finish == "failed", again=grow)

    def _grow(self, child: Child, grown: Sequence[Continuation]) -> None:
        """Grow all to their ends; what a worker that died had begun is begun again."""
        for one in grown:
            one.restart()
        fresh = self._path == "plain"
        rows = [_row(number, one, fresh=fresh) for number, one in enumerate(grown)]
        for reply in child.replies({"do": "grow", "rows": rows}):
            ended = self._take(reply["rows"], grown)
            if ended:
                child.send({"do": "drop", "numbers": ended})
        for one in grown:
            if one.finish is None:
                raise EngineError("vLLM ended a continuation that should have gone on")

    def _take(self, rows: Sequence[Sequence[Any]], grown: Sequence[Continuation]) -> list[int]:
        """Give continuations their new tokens; numbers of those that end here before vLLM's do."""
        for i in range(max((len(tokens) for _number, tokens, _finite, _ended in rows), default=0)):
            going = [
                (grown[number], tokens[i] if finite else None)
                for number, tokens, finite, _ended in rows
                if i < len(tokens) and grown[number].finish is None
            ]
            append([token for _one, token in going], [one for one, _token in going], self._stopping)
        return [
            number
            for number, _tokens, _finite, ended in rows
            if not ended and grown[number].finish is not None
        ]


def _ask(
    child: Child, queries: Sequence[Query], asks: Sequence[Ask], *, fresh: bool
) -> list[Scored]:
    answers = ChildAnswers(queries)
    messages = [ask.message(number, fresh=fresh) for number, ask in enumerate(asks)]
    for reply in child.replies({"do": "ask", "asks": messages}):
        answers.take(asks[reply["number"]], reply)
    return answers.scores()


def _distributions(child: Child, queries: Sequence[Query]) -> list[Any]:
    """Log-probabilities of all tokens after every wanted position of each query."""
    messages = [
        {
            "number": number,
            "tokens": encode_tokens(query.tokens),
            "ids": [],
            "prompt": len(query.tokens) - len(query.targets) + 1 if len(query.targets) > 1 else 0,
            "whole": True,
            "fresh": True,
        }
        for number, query in enumerate(queries)
    ]
    found: dict[int, Any] = {}
    for reply in child.replies({"do": "ask", "asks": messages}):
        targets = queries[reply["number"]].targets
        found[reply["number"]] = np.frombuffer(reply["rows"], "<f4").reshape(len(targets), -1)
    return [found[number] for number in range(len(queries))]


def _row(number: int, one: Continuation, *, fresh: bool) -> dict[str, Any]:
    """A continuation as it is sent; what ends it before its limit is looked for on this side."""
    sampler = one.sampler
    return {
        "number": number,
        "tokens": encode_tokens(one.prompt.tokens),
        "fresh": fresh,
        "most": one.prompt.max_new_tokens,
        "temperature": 0.0 if sampler is None else sampler.temperature,
        "top_p": 1.0 if sampler is None else sampler.top_p,
        "seed": None if sampler is None else sampler.seed % 2**31,
    }


def _within(numbers: Sequence[int], sizes: Sequence[int], most: int) -> Iterator[list[int]]:
    """Runs of numbers whose sizes add up to `most`, or single ones that are larger."""
    members: list[int] = []
    held = 0
    for number, size in zip(numbers, sizes, strict=True):
        if members and held + size > most:
            yield members
            members, held = [], 0
        members.append(number)
        held += size
    if members:
        yield members


def _wipe(child: Child) -> None:
    """Have the worker forget what it keeps."""
    for _reply in child.replies({"do": "wipe"}):
        pass
