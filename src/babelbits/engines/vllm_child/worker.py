"""The program of the child process: holds one model in vLLM, and answers what it is asked.

Run by the interpreter of another environment, as a file: it imports the standard library, msgspec
and numpy (which vLLM brings), vLLM, and the file of frames beside it; nothing of Babelbits. It has
no tokenizer: token ids come in, numbers go out. Commands come on standard input, whose end is the
end of the parent, and with it of this process, whatever runs just then; replies go to what was
standard output, where nothing else may write.

    {"do": "load", ...}                         {"is": "ready", ...}
    {"do": "ask", "asks": [...]}                {"is": "answer", ...} for each, {"is": "done"}
    {"do": "grow", "rows": [...]}               {"is": "grown", ...} at each step, {"is": "done"}
    {"do": "drop", "numbers": [...]}            nothing
    {"do": "wipe"}                              {"is": "done"}

What goes wrong with the whole is {"is": "failed", "what": ...}, after which the process ends.
Log-probabilities are in nats.
"""

import importlib.util
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

_ORPHANED = 1
_FAILED = 3


def _sibling(name: str) -> Any:
    """A file beside this one, loaded without making its folder a place to import from."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"_babelbits_{name}", path)
    assert spec is not None and spec.loader is not None  # noqa: S101  of a file that is there
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Model:
    """A model in vLLM, and the requests that it works on."""

    def __init__(self, options: dict[str, Any]) -> None:
        from vllm import LLM, SamplingParams

        _keep_arrays()
        self._params = SamplingParams
        self._llm = LLM(**options)
        self._engine = self._llm.llm_engine
        config = self._engine.vllm_config
        self.facts = {
            "vocabulary": int(config.model_config.get_vocab_size()),
            "block": int(config.cache_config.block_size),
            "dtype": str(config.model_config.dtype).removeprefix("torch."),
        }

    @property
    def busy(self) -> bool:
        """Whether a request is unfinished."""
        return bool(self._engine.has_unfinished_requests())

    def ask(self, ask: dict[str, Any]) -> None:
        """Take a request whose numbers are wanted, not its text."""
        own: dict[str, Any] = {}
        if ask["whole"]:
            own = {"prompt_logprobs": -1, "logprobs": -1}
        else:
            own["logprob_token_ids"] = ask["ids"]
            if ask["prompt"]:
                own["prompt_logprobs"] = 0
        # of tokens that lie in the cache vLLM would give no log-probabilities, or another's
        fresh = ask["fresh"] or ask["whole"] or bool(ask["prompt"])
        self._add(ask, max_tokens=1, temperature=0.0, skip_reading_prefix_cache=fresh, **own)

    def grow(self, row: dict[str, Any]) -> None:
        """Take a prompt that is to be continued."""
        self._add(
            row,
            max_tokens=row["most"],
            temperature=row["temperature"],
            top_p=row["top_p"],
            seed=row["seed"],
            logprobs=0,
            skip_reading_prefix_cache=row["fresh"],
        )

    def _add(self, request: dict[str, Any], **own: Any) -> None:
        from vllm.sampling_params import RequestOutputKind

        params = self._params(
            ignore_eos=True,
            detokenize=False,
            flat_logprobs=True,
            output_kind=RequestOutputKind.DELTA,
            **own,
        )
        tokens = np.frombuffer(request["tokens"], "<i4").tolist()
        self._engine.add_request(str(request["number"]), {"prompt_token_ids": tokens}, params)

    def step(self) -> list[Any]:
        """One step of all requests; what came of it."""
        return list(self._engine.step())

    def drop(self, numbers: list[int]) -> None:
        """Forget requests, finished or not."""
        self._engine.abort_request([str(number) for number in numbers])

    def wipe(self) -> None:
        """Forget all that was computed, and what lies in the cache."""
        self._engine.reset_prefix_cache()
        self._llm.collective_rpc(_zero_cache)


class ChildRows:
    """Log-probabilities of a prompt as arrays: what vLLM would make lists of Python numbers of."""

    def __init__(self, ids: Any, values: Any, ranks: Any) -> None:
        self.ids, self.values, self.ranks = ids, values, ranks

    def with_more(self, ids: Any, values: Any, ranks: Any) -> "ChildRows":
        """Those of the next part of the prompt behind these."""
        pairs = ((self.ids, ids), (self.values, values), (self.ranks, ranks))
        return ChildRows(*(np.concatenate(pair) for pair in pairs))


def _keep_arrays() -> None:
    """Have vLLM hand log-probabilities of prompts over as arrays.

    As lists a whole distribution took 12 ms a token with a vocabulary of 6,144, four times as long;
    the time grows with the vocabulary.
    """
    from vllm.v1.engine.logprobs import LogprobsProcessor

    def update(processor: Any, tensors: Any) -> None:
        new = [np.asarray(one) for one in tensors[:3]]
        old = processor.prompt_logprobs
        processor.prompt_logprobs = (
            old.with_more(*new) if isinstance(old, ChildRows) else ChildRows(*new)
        )

    LogprobsProcessor._update_prompt_logprobs = update


def _zero_cache(worker: Any) -> None:
    """Overwrite the cache: a number that is none (NaN) outlives the request that it was of."""
    for cache in worker.model_runner.kv_caches:
        for tensor in cache if isinstance(cache, list | tuple) else (cache,):
            tensor.zero_()


def answer(output: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """The reply to an ask.

    `last` are log-probabilities of the ids asked for after the last token, `best` is the most
    likely token there; `prompt` are log-probabilities of all tokens but the first, `ranks` their
    places; of a whole one `rows` are distributions after every wanted token.
    """
    number = {"is": "answer", "number": asked["number"]}
    made = output.outputs[0]
    best, last = int(made.token_ids[0]), made.logprobs
    if asked["whole"]:
        return {**number, "rows": _distributions(output.prompt_logprobs, last, asked["prompt"])}
    n = len(asked["ids"])
    if list(last.token_ids[1 : n + 1]) != asked["ids"]:
        raise RuntimeError("vLLM gave log-probabilities of other tokens than it was asked for")
    reply = {**number, "best": best, "last": _floats(last.logprobs[1 : n + 1])}
    if asked["prompt"]:
        rows, first = output.prompt_logprobs, asked["prompt"] - 1  # the first token has none
        reply["prompt"] = _floats(rows.values[first:, 0])
        reply["ranks"] = np.asarray(rows.ranks[first:], "<i4").tobytes()
    return reply


def _distributions(prompt: Any, last: Any, first: int) -> bytes:
    """Log-probabilities in the order of the vocabulary, a row each wanted position.

    Every position comes with its own token first, and then all tokens by rank.
    """
    parts = [(np.asarray(last.token_ids[1:])[None], np.asarray(last.logprobs[1:])[None])]
    if first:
        parts.insert(0, (prompt.ids[first - 1 :, 1:], prompt.values[first - 1 :, 1:]))
    rows = [np.full(ids.shape, np.nan, np.float32) for ids, _values in parts]
    for row, (ids, values) in zip(rows, parts, strict=True):
        np.put_along_axis(row, ids.astype(np.int64), values.astype(np.float32), axis=1)
    return np.concatenate(rows).astype("<f4").tobytes()


def _floats(values: Any) -> bytes:
    return np.asarray(values, "<f4").tobytes()


def read_growth(output: Any) -> list[Any]:
    """What a step added to a row: its number, tokens, whether numbers were finite, if it ended."""
    made = output.outputs[0]
    flat = made.logprobs
    values = [] if flat is None else [flat.logprobs[at] for at in flat.start_indices]
    finite = bool(np.isfinite(values).all())
    return [int(output.request_id), list(made.token_ids), finite, bool(output.finished)]


class ChildWorker:
    """Reads commands and does them, one at a time; drops are heeded while a batch runs."""

    def __init__(self, commands: "queue.Queue[Any]", send: Any, make: Any) -> None:
        self._commands = commands
        self._send = send
        self._make = make
        self._model: Any = None

    def run(self) -> None:
        """Until standard input ends, which ends the process."""
        while True:
            self.do(self._commands.get())

    def do(self, command: dict[str, Any]) -> None:
        """One command."""
        what = command["do"]
        if what == "load":
            self._model = self._make(command["options"])
            self._send({"is": "ready", **self._model.facts})
        elif what == "ask":
            self._answer(command["asks"])
        elif what == "grow":
            self._grow(command["rows"])
        elif what == "wipe":
            self._model.wipe()
            self._send({"is": "done"})

    def _answer(self, asks: list[dict[str, Any]]) -> None:
        waiting = {ask["number"]: ask for ask in asks}
        for ask in asks:
            self._model.ask(ask)
        prompts: dict[int, Any] = {}
        while self._model.busy:
            for output in self._model.step():
                number = int(output.request_id)
                if output.prompt_logprobs:  # given once, which may be before the end
                    prompts[number] = output.prompt_logprobs
                if output.finished:
                    output.prompt_logprobs = prompts.pop(number, None)
                    self._send(answer(output, waiting[number]))
        self._send({"is": "done"})

    def _grow(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self._model.grow(row)
        while self._model.busy:
            made = [read_growth(output) for output in self._model.step()]
            if made:
                self._send({"is": "grown", "rows": made})
            self._drop()
        self._send({"is": "done"})

    def _drop(self) -> None:
        """Heed what the parent wants no more of."""
        while True:
            try:
                command = self._commands.get_nowait()
            except queue.Empty:
                return
            if command["do"] == "drop":
                self._model.drop(command["numbers"])


def _listen(stream: BinaryIO, commands: "queue.Queue[Any]", frames: Any, unpack: Any) -> None:
    """Queue what the parent says; end the process when it has ended."""
    while True:
        try:
            message = frames.read(stream, unpack=unpack)
        except (frames.BrokenStreamError, OSError):
            message = None
        if message is None:
            os._exit(_ORPHANED)  # Python's own exit would wait for what other threads do
        commands.put(message)


def _codec() -> tuple[Any, Any]:
    """What packs and unpacks messages: vLLM brings msgspec."""
    try:
        from msgspec import msgpack
    except ImportError:
        import msgpack

        return msgpack.packb, msgpack.unpackb
    return msgpack.encode, msgpack.decode


def serve(make: Any) -> None:
    """Answer the parent until it ends.

    Parameters
    ----------
    make : callable
        Options to a `Model`, or to what stands in for one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us

    pack, unpack = _codec()
    frames = _sibling("frames")
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print belongs into the log
    commands: queue.Queue[Any] = queue.Queue()
    listening = (os.fdopen(os.dup(0), "rb"), commands, frames, unpack)
    threading.Thread(target=_listen, args=listening, daemon=True).start()

    def send(message: dict[str, Any]) -> None:
        frames.write(replies, message, pack=pack)

    try:
        ChildWorker(commands, send, make).run()
    except BaseException as error:  # noqa: BLE001  told to the parent, then this process ends
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        first = (str(error).strip().splitlines() or [""])[0]
        send({"is": "failed", "what": f"{type(error).__name__}: {first}"})
        os._exit(_FAILED)


if __name__ == "__main__":
    serve(Model)
