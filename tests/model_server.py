"""A real model behind the fake endpoint, as different servers would serve it.

    vllm            /completions with `prompt_logprobs`, token ids, and log-probabilities of output
    echo            /completions with `echo` and `logprobs`, text only, as OpenAI's old API
    llama-server    takes `echo` and `prompt_logprobs` without a word, and gives no such thing
    chat            /chat/completions alone, as hosted services

The expected numbers of a served variant are then those of the same checkpoint run here. Also a
program: python tests/model_server.py FOLDER [KIND] prints its URL and serves until stdin ends.
"""

import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fake_endpoint import Answer, FakeEndpoint, Look, lists, refuses, serving

Kind = Literal["vllm", "echo", "llama-server", "chat"]
NAME = "tiny"


@dataclass(eq=False)
class ModelServer:
    """Decides what the fake endpoint says by running a checkpoint; attributes may be changed."""

    folder: Path
    kind: Kind = "vllm"
    noise: float = 0.0
    """Nats by which log-probabilities of output are off at random, as of a busy server's."""
    flips: float = 0.0
    """Share of greedy answers that take the second most likely token somewhere."""
    shift: float = 0.0
    """Standard deviation of noise on all weights, relative: another quantization."""
    starts: bool = True
    """Whether it puts the tokenizer's first token before a text, as most models want it."""
    fault: Answer | None = None
    """Said in place of every answer."""
    rng: random.Random = field(default_factory=lambda: random.Random(1))

    def __post_init__(self) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.torch = torch
        self.tokenizer = AutoTokenizer.from_pretrained(self.folder)
        self.model = AutoModelForCausalLM.from_pretrained(self.folder, dtype=torch.float32).eval()
        self._lock = threading.Lock()
        self._known: dict[Any, Any] = {}

    def change(self, shift: float) -> None:
        """Become another model: its weights with noise, as a quantization would leave them."""
        torch = self.torch
        self._known.clear()
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in self.model.parameters():
                noise = torch.randn(weight.shape, generator=generator)
                weight += shift * weight.abs().mean() * noise

    def decide(self, request: dict[str, Any], _times: int) -> Answer:
        """The answer to a request."""
        if self.fault is not None:
            return self.fault
        if request["model"] != NAME:
            return refuses(404, f"The model `{request['model']}` does not exist.")
        is_chat = "messages" in request
        if not is_chat and self.kind == "chat":
            return refuses(404, "Not Found")
        prompt = request["messages"][-1]["content"] if is_chat else request["prompt"]
        if not isinstance(prompt, str) and self.kind != "vllm":
            return refuses(400, "prompt must be a string")
        ids = prompt
        if isinstance(prompt, str):
            ids = self.tokenizer(prompt, add_special_tokens=self.starts)["input_ids"]
        if len(ids) + request["max_tokens"] > 4000:
            return refuses(400, "this model's maximum context length is 4000 tokens")
        with self._lock, self.torch.no_grad():
            return self._said(request, ids, is_chat=is_chat)

    def _said(self, request: dict[str, Any], ids: list[int], *, is_chat: bool) -> Answer:
        import json

        new, logprobs, tops = self._generate(request, ids)
        text = self.tokenizer.decode(new, skip_special_tokens=True)
        ended = bool(new) and new[-1] == self.tokenizer.eos_token_id
        finish, stop_reason = ("stop" if ended else "length"), None
        for term in request.get("stop") or ():
            if term in text:
                text, finish, stop_reason = text.split(term)[0], "stop", term
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish}
        if self.kind == "vllm":
            choice["stop_reason"] = stop_reason
        words = [self.tokenizer.decode([token]) for token in new]
        if is_chat:
            choice["message"] = {"role": "assistant", "content": text}
            if request.get("logprobs") and self.kind != "chat":
                rows = zip(words, logprobs, strict=True)
                choice["logprobs"] = {"content": [{"token": t, "logprob": p} for t, p in rows]}
        else:
            choice["text"] = text
            if request.get("logprobs"):
                choice["logprobs"] = {
                    "tokens": words, "token_logprobs": logprobs, "top_logprobs": tops,
                }  # fmt: skip
            self._add_prompt(choice, request, ids)
        usage = {"prompt_tokens": len(ids), "completion_tokens": len(new)}
        reply = {"id": "x", "model": NAME, "choices": [choice], "usage": usage}
        if self.kind == "llama-server":
            reply["system_fingerprint"] = "b1234-abcdef"
        return Answer(body=json.dumps(reply).encode())

    def _add_prompt(self, choice: dict[str, Any], request: dict[str, Any], ids: list[int]) -> None:
        """Log-probabilities of the prompt, as this kind of server gives them."""
        if self.kind == "vllm" and request.get("prompt_logprobs"):
            found = self._logits(ids)
            rows: list[Any] = [None]
            for place, token in enumerate(ids[1:]):
                row = found[place]
                best = int(row.argmax())
                rank = int((row > row[token]).sum()) + 1
                rows.append({
                    str(one): {
                        "logprob": float(row[one]),
                        "rank": 1 if one == best else rank,
                        "decoded_token": self.tokenizer.decode([one]),
                    }
                    for one in dict.fromkeys((token, best))
                })  # fmt: skip
            choice["prompt_logprobs"] = rows
        if self.kind == "echo" and request.get("echo"):
            found = self._logits(ids)
            words = [self.tokenizer.decode([token]) for token in ids]
            scores = [None] + [float(found[i][t]) for i, t in enumerate(ids[1:])]
            best = [int(found[i].argmax()) for i in range(len(ids) - 1)]
            tops = [None] + [
                {self.tokenizer.decode([one]): float(found[i][one])} for i, one in enumerate(best)
            ]
            after = choice.get("logprobs") or {
                "tokens": [],
                "token_logprobs": [],
                "top_logprobs": [],
            }
            choice["logprobs"] = {
                "tokens": words + after["tokens"],
                "token_logprobs": scores + after["token_logprobs"],
                "top_logprobs": tops + after["top_logprobs"],
            }
            choice["text"] = self.tokenizer.decode(ids, skip_special_tokens=True) + choice["text"]

    def _logits(self, ids: list[int]) -> Any:
        logits = self.model(self.torch.tensor([ids])).logits[0].double()
        return self.torch.log_softmax(logits, dim=-1)

    def _generate(
        self, request: dict[str, Any], ids: list[int]
    ) -> tuple[list[int], list[float], list[dict[str, float]]]:
        key = (tuple(ids), request["max_tokens"], request.get("temperature"), request.get("seed"))
        noisy = self.noise or self.flips
        if noisy or key not in self._known:
            self._known[key] = self._grown(request, ids)
        return self._known.pop(key) if noisy else self._known[key]

    def _grown(
        self, request: dict[str, Any], ids: list[int]
    ) -> tuple[list[int], list[float], list[dict[str, float]]]:
        torch = self.torch
        temperature = request.get("temperature", 1.0)
        flip = self.rng.randrange(request["max_tokens"]) if self.rng.random() < self.flips else None
        generator = torch.Generator().manual_seed(request.get("seed", 0))
        new: list[int] = []
        logprobs: list[float] = []
        tops: list[dict[str, float]] = []
        past, feed = None, ids
        for step in range(request["max_tokens"]):
            out = self.model(torch.tensor([feed]), past_key_values=past, use_cache=True)
            past = out.past_key_values
            row = torch.log_softmax(out.logits[0, -1].double(), dim=-1)
            best = row.topk(2).indices.tolist()
            token = best[1] if step == flip else best[0]
            if temperature > 0:
                drawn = torch.softmax(out.logits[0, -1].double() / temperature, dim=-1)
                token = int(torch.multinomial(drawn, 1, generator=generator))
            new.append(token)
            logprobs.append(min(0.0, float(row[token]) + self.noise * self.rng.gauss(0, 1)))
            tops.append({self.tokenizer.decode([best[0]]): float(row[best[0]])})
            feed = [token]
            if token == self.tokenizer.eos_token_id:
                break
        return new, logprobs, tops


def looks_like(kind: Kind) -> Look:
    """What such a server says of itself."""
    if kind == "llama-server":
        props = {"build_info": "b1234-abcdef", "model_path": "/models/tiny.gguf"}
        return lists(NAME, props=props)
    if kind == "vllm":
        return lists(NAME, version={"version": "0.19.0"})
    return lists(NAME)


@contextmanager
def serving_model(
    folder: Path, kind: Kind = "vllm", **more: Any
) -> Iterator[tuple[FakeEndpoint, ModelServer]]:
    """A server of a checkpoint while inside, and the model behind it."""
    model = ModelServer(folder, kind, **more)
    with serving(model.decide, look=looks_like(kind)) as endpoint:
        yield endpoint, model


if __name__ == "__main__":
    served: Any = sys.argv[2] if len(sys.argv) > 2 else "vllm"
    with serving_model(Path(sys.argv[1]), served) as (running, _):
        print(running.url, flush=True)
        sys.stdin.read()
