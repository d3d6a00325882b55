"""The worker with a toy model: the program under test, save for vLLM itself.

What the toy says of the next token depends on the last four tokens and on how many there are, by a
seeded draw; the tests draw the same numbers. TOY_MODE makes it misbehave.
"""

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

BLOCK = 4


def logprobs(tokens: Sequence[int], vocabulary: int) -> Any:
    """Log-probabilities of the next token, nats, shape (vocabulary,)."""
    logits = 3 * np.random.default_rng([len(tokens), *tokens[-4:]]).normal(size=vocabulary)
    return logits - np.log(np.exp(logits).sum())


class Flat:
    """What vLLM's `FlatLogprobs` of one position holds."""

    def __init__(self, ids: Sequence[int], values: Sequence[float]) -> None:
        self.token_ids, self.logprobs = list(ids), list(values)
        self.start_indices, self.end_indices = [0], [len(self.token_ids)]


class ToyModel:
    def __init__(self, options: dict[str, Any]) -> None:
        import json

        config = json.loads((Path(options["model"]) / "config.json").read_text())
        self.mode, _, self.argument = os.environ.get("TOY_MODE", "").partition(":")
        if self.mode == "refuse":
            raise ValueError("Model architectures ['Nope'] are not supported\nfor now")
        self.size = config["vocab_size"]
        self.facts = {"vocabulary": self.size, "block": BLOCK, "dtype": "float32"}
        self.rows: dict[int, Any] = {}
        self.poisoned = False
        if self.mode == "die-once-loading":
            self._die_once()

    @property
    def busy(self) -> bool:
        return bool(self.rows)

    def ask(self, ask: dict[str, Any]) -> None:
        self._take(ask, most=1, temperature=0.0, seed=None)

    def grow(self, row: dict[str, Any]) -> None:
        keys = ("most", "temperature", "seed")
        self._take(row, **{key: row[key] for key in keys})

    def _take(self, request: dict[str, Any], **own: Any) -> None:
        tokens = np.frombuffer(request["tokens"], "<i4").tolist()
        number = request["number"]
        self.rows[number] = SimpleNamespace(request=request, tokens=tokens, made=0, **own)

    def drop(self, numbers: list[int]) -> None:
        for number in numbers:
            self.rows.pop(number, None)

    def wipe(self) -> None:
        self.poisoned = False

    def step(self) -> list[Any]:
        self._misbehave()
        return [self._advance(number, row) for number, row in list(self.rows.items())]

    def _misbehave(self) -> None:
        if self.mode == "die-once":
            self._die_once()
        if self.mode == "die":
            self._die()
        if self.mode == "raise":
            raise RuntimeError("out of pages")
        if self.mode == "chatty":
            print("a library prints to standard output", flush=True)

    def _die_once(self) -> None:
        if not Path(self.argument).exists():
            Path(self.argument).write_text("died")
            self._die()

    def _die(self) -> None:
        print("step 7: cudaErrorIllegalAddress\n\ngood bye", file=sys.stderr, flush=True)
        os.kill(os.getpid(), 9)

    def _advance(self, number: int, row: Any) -> Any:
        ahead = logprobs(row.tokens, self.size)
        if self.mode == "poison":
            self.poisoned |= int(self.argument) in row.tokens
            ahead = ahead + (np.nan if self.poisoned else 0)
        if row.temperature:
            rng = np.random.default_rng([row.seed, row.made])
            token = int(rng.choice(self.size, p=np.exp(ahead)))
        else:
            token = int(ahead.argmax())
        flat, prompt = self._numbers(row, ahead, token)
        row.tokens.append(token)
        row.made += 1
        finished = row.made >= row.most
        if finished:
            del self.rows[number]
        return SimpleNamespace(
            request_id=str(number),
            prompt_logprobs=prompt,
            outputs=[SimpleNamespace(token_ids=[token], logprobs=flat)],
            finished=finished,
        )

    def _numbers(self, row: Any, ahead: Any, token: int) -> tuple[Any, Any]:
        if "ids" not in row.request:
            return Flat([token], [ahead[token]]), None
        request, tokens = row.request, row.tokens
        every = [logprobs(tokens[:i], self.size) for i in range(1, len(tokens))]
        wanted = tokens[1:]
        own = np.array([values[t] for values, t in zip(every, wanted, strict=True)])
        ranks = [int((v >= v[t]).sum()) for v, t in zip(every, wanted, strict=True)]
        if request["whole"]:
            by_rank = [np.argsort(-values) for values in every]
            ids = [[t, *order] for t, order in zip(wanted, by_rank, strict=True)]
            values = [[v[i] for i in row_ids] for v, row_ids in zip(every, ids, strict=True)]
            order = np.argsort(-ahead)
            last = Flat([token, *order.tolist()], [ahead[token], *ahead[order].tolist()])
            rows = SimpleNamespace(ids=np.array(ids), values=np.array(values), ranks=ranks)
            return last, rows
        stale = 1.0 if self.mode == "stale-cache" and not request["fresh"] else 0.0
        ids = request["ids"]
        last = Flat([token, *ids], [ahead[token], *(ahead[i] - stale for i in ids)])
        rows = SimpleNamespace(values=own[:, None], ranks=ranks) if request["prompt"] else None
        return last, rows


def _program() -> Any:
    spec = importlib.util.spec_from_file_location("worker_under_test", os.environ["TOY_WORKER"])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    _program().serve(ToyModel)
