"""What a served model is asked for a study beyond a chat: to continue a text, how likely it is.

Parameters of a request and the reading of a reply, for what OpenAI's API and vLLM's call by other
names. Pure. Log-probabilities are in nats. What a reply does not hold is None or empty, never 0.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from babelbits.engines.chat import ChatRequest

Way = Literal["prompt_logprobs", "echo"]
"""How log-likelihoods of a prompt are asked for: vLLM's parameter, or OpenAI's `echo`."""
WAYS: tuple[Way, ...] = ("prompt_logprobs", "echo")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedRequest(ChatRequest):
    """A chat, or with a `prompt` a text to continue or to score; its reply's text is JSON.

    The reply of a scored text is what `read_tokens` reads, of all others what `read_said` reads.
    """

    prompt: str | tuple[int, ...] | None = None
    """Text or token ids, for /completions; None: a chat of `messages`."""
    way: Way | None = None
    """Score the prompt in this way; nothing is generated that anybody reads."""
    logprobs: bool = False
    """Ask for the log-probabilities of what is generated too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredToken:
    """A token of a prompt with its log-probability."""

    text: str
    logprob: float | None
    """None for a first token, which nothing stands before."""
    is_top: bool | None
    """Whether it is the most likely one; None where the server does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a served model wrote, with what the reply says beside it."""

    text: str
    thinking: str | None
    """Given apart from the text."""
    ending: str | None
    """The stop string that ended it, where the server says so."""
    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]
    """Of the tokens; both empty where the server gives none."""
    fingerprint: str | None
    """`system_fingerprint`."""


def find_extra_parameters(request: ServedRequest) -> dict[str, Any]:
    """Parameters of a request's body that not every server knows."""
    if request.way == "prompt_logprobs":
        return {"prompt_logprobs": 1}
    if request.way == "echo":
        return {"echo": True, "logprobs": 1}
    if request.logprobs:
        return {"logprobs": True} if request.prompt is None else {"logprobs": 1}
    return {}


def encode_content(text: str, reply: Mapping[str, Any], request: ServedRequest) -> str:
    """What is kept of a reply: JSON that `read_tokens` or `read_said` reads.

    Parameters
    ----------
    text : str
        Of the first choice.
    reply : mapping
        The whole body, which has a first choice.
    """
    choice = reply["choices"][0]
    if request.way is not None:
        prompt = request.prompt
        asked = prompt if isinstance(prompt, tuple) else None
        by_way = {"prompt_logprobs": _of_prompt_logprobs, "echo": _of_echo}
        return json.dumps(by_way[request.way](choice, reply, asked))
    message = choice.get("message") or {}
    thinking = message.get("reasoning_content") or message.get("reasoning")
    ending, fingerprint = choice.get("stop_reason"), reply.get("system_fingerprint")
    tokens, logprobs = _generated(choice.get("logprobs"))
    said = {
        "text": text,
        "thinking": thinking if isinstance(thinking, str) else None,
        "ending": ending if isinstance(ending, str) else None,
        "tokens": tokens,
        "logprobs": logprobs,
        "fingerprint": fingerprint if isinstance(fingerprint, str) else None,
    }
    return json.dumps(said)


def read_tokens(content: str) -> tuple[ScoredToken, ...]:
    """The tokens of a scored prompt; none where the server gave no log-probabilities of it."""
    return tuple(ScoredToken(text=t, logprob=p, is_top=top) for t, p, top in json.loads(content))


def read_said(content: str) -> Written:
    """What was written."""
    fields = json.loads(content)
    tokens, logprobs = tuple(fields.pop("tokens")), tuple(fields.pop("logprobs"))
    return Written(tokens=tokens, logprobs=logprobs, **fields)


_Row = tuple[str, float | None, bool | None]


def _of_prompt_logprobs(
    choice: Mapping[str, Any], reply: Mapping[str, Any], asked: Sequence[int] | None
) -> list[_Row]:
    """As vLLM writes it: for every token a mapping of token ids, the prompt's own among them."""
    entries = choice.get("prompt_logprobs") or reply.get("prompt_logprobs")
    if not isinstance(entries, list) or (asked is not None and len(entries) != len(asked)):
        return []
    return [_vllm(entry, None if asked is None else asked[i]) for i, entry in enumerate(entries)]


def _vllm(entry: object, token: int | None) -> _Row:
    if not isinstance(entry, dict) or not entry:
        return "", None, None
    ranked = {name: one for name, one in entry.items() if isinstance(one, dict)}
    if token is None:  # the prompt's own token is the only one, or stands below the most likely
        own = max(ranked.values(), key=lambda one: one.get("rank") or 0, default={})
    else:
        own = ranked.get(str(token), {})
    logprob = _number(own.get("logprob"))
    best = max((_number(one.get("logprob")) or -math.inf for one in ranked.values()), default=None)
    top = None if logprob is None or best is None else logprob >= best
    if logprob is not None and isinstance(own.get("rank"), int):
        top = own["rank"] == 1
    return str(own.get("decoded_token") or ""), logprob, top


def _of_echo(
    choice: Mapping[str, Any],
    reply: Mapping[str, Any],
    asked: Sequence[int] | None,  # noqa: ARG001  as the other way
) -> list[_Row]:
    """As OpenAI's completions write it: three lists, the generated token at the end of them."""
    found = choice.get("logprobs")
    if not isinstance(found, dict):
        return []
    tokens, logprobs = found.get("tokens"), found.get("token_logprobs")
    if not isinstance(tokens, list) or not isinstance(logprobs, list):
        return []
    tops = found.get("top_logprobs")
    if not isinstance(tops, list):
        tops = [None] * len(tokens)
    usage = reply.get("usage") or {}
    n_new = usage.get("completion_tokens") if isinstance(usage, dict) else None
    n_new = n_new if isinstance(n_new, int) and 0 <= n_new <= 1 else 1
    rows = list(zip(tokens, logprobs, tops, strict=False))
    kept = rows[: len(rows) - n_new]
    return [(str(t), _number(p), _is_top(_number(p), top)) for t, p, top in kept]


def _is_top(logprob: float | None, top: object) -> bool | None:
    if logprob is None or not isinstance(top, dict) or not top:
        return None
    known = [number for value in top.values() if (number := _number(value)) is not None]
    return logprob >= max(known) - 1e-6 if known else None


def _generated(found: object) -> tuple[list[str], list[float]]:
    """Tokens and log-probabilities of what was generated, of a chat or a completion."""
    if not isinstance(found, dict):
        return [], []
    content = found.get("content")
    if isinstance(content, list):
        rows = [(one.get("token"), one.get("logprob")) for one in content if isinstance(one, dict)]
    else:
        tokens, logprobs = found.get("tokens"), found.get("token_logprobs")
        if not isinstance(tokens, list) or not isinstance(logprobs, list):
            return [], []
        rows = list(zip(tokens, logprobs, strict=False))
    known = [(str(t), n) for t, p in rows if (n := _number(p)) is not None]
    if len(known) != len(rows):
        return [], []
    return [t for t, _ in known], [p for _, p in known]


def _number(value: object) -> float | None:
    """A finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
