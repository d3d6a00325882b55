"""The body of a 200 reply becomes an answer, or the fault that hides in it. Pure.

A reply is an answer only if everything about it is as it must be: whole JSON, a choice with text, a
finish reason that is known, the model that was asked. Routers send their errors with status 200, in
place of the completion or even as its text; none of that may pass for what the model said.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from babelbits.engines.endpoint.faults import (
    EndpointFault,
    Usage,
    find_html_title,
    is_html,
    quoted,
    read_object_fault,
)
from babelbits.engines.endpoint.served_request import ServedRequest, encode_content
from babelbits.words import plural

_FINISHED: Mapping[str, Literal["stop", "length"]] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
}
"""Finish reasons of OpenAI, and those of servers that kept their own words."""
_HELD_BACK = ("content_filter", "safety", "recitation", "blocked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What the model said."""

    text: str
    finish_reason: Literal["stop", "length"]
    usage: Usage | None
    """None where the endpoint does not count."""


def read_completion(
    raw: bytes,
    *,
    model: str,
    answers_as: str | None = None,
    request: ServedRequest | None = None,
) -> Completion | EndpointFault:
    """Read the body of a reply with status 200.

    Parameters
    ----------
    raw : bytes
        The body as it came.
    model : str
        The model that was asked.
    answers_as : str, optional
        Another name that the model may answer under.
    request : ServedRequest, optional
        What was asked, where more than the text of a chat is read.
    """
    text = raw.decode("utf-8", "replace")
    try:
        reply = json.loads(text)
    except (ValueError, RecursionError) as error:
        what = (
            f"an HTML page in place of JSON ({find_html_title(text)}); check the URL"
            if is_html(text)
            else f"the reply is no whole JSON ({plural(len(raw), 'byte')}): {quoted(str(error))}"
        )
        return EndpointFault(kind="malformed", message=what, retry=True, maybe_charged=True)
    if not isinstance(reply, dict):
        return EndpointFault(
            kind="malformed", message="the reply is no JSON object", retry=True, maybe_charged=True
        )
    usage = _usage(reply.get("usage"))
    if reply.get("error"):
        return read_object_fault(reply["error"], usage=usage)
    answered = reply.get("model")
    if isinstance(answered, str) and not _same_model(answered, model, answers_as):
        message = (
            f"asked for the model {model!r}, answered by {quoted(answered)!r}; "
            "if that is the same model, say so with answers_as"
        )
        return EndpointFault(kind="malformed", message=message, fatal=True, **_charged(usage))
    found = _choice(reply.get("choices"), usage, request)
    if request is None or isinstance(found, EndpointFault):
        return found
    return replace(found, text=encode_content(found.text, reply, request))


def _choice(
    choices: object, usage: Usage | None, request: ServedRequest | None
) -> Completion | EndpointFault:
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return _malformed("the reply has no choices", usage)
    choice = choices[0]
    if choice.get("error"):
        return read_object_fault(choice["error"], usage=usage)
    is_text = request is not None and request.prompt is not None
    message = {"content": choice.get("text")} if is_text else choice.get("message")
    if not isinstance(message, dict):
        return _malformed("the reply's choice has no message", usage)
    reason = str(choice.get("finish_reason") or "none").lower()
    if reason in _HELD_BACK:
        return EndpointFault(
            kind="filtered",
            message=f"the endpoint held the answer back (finish reason {reason!r})",
            **_charged(usage),
        )
    if reason not in _FINISHED:
        return _malformed(f"the reply's finish reason is {quoted(reason)!r}", usage)
    text = _text(message, finish=_FINISHED[reason])
    if text is None:
        return _malformed("the reply's message has no text", usage)
    disguised = _error_as_text(text)
    if disguised is not None:
        return read_object_fault(disguised, usage=usage)
    return Completion(text=text, finish_reason=_FINISHED[reason], usage=usage)


def _text(message: Mapping[str, Any], *, finish: str) -> str | None:
    """The message's text; a refusal is text; None if there is none and there should be."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(part for part in parts if isinstance(part, str))
    if content is None:
        content = message.get("refusal")
    if content is None and finish == "length":
        content = ""  # all tokens went into hidden reasoning
    return _without_half_pairs(content) if isinstance(content, str) else None


def _error_as_text(text: str) -> object | None:
    """The error that a router sent as a completion's text; None if it is an answer."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    error = found.get("error") if isinstance(found, dict) else None
    return error if isinstance(error, dict) and ("message" in error or "code" in error) else None


def _same_model(answered: str, asked: str, answers_as: str | None) -> bool:
    """Whether two names may be one model: 'gpt-x' and 'gpt-x-2026-01-01', 'a/m' and 'm.gguf'."""
    if answered in (asked, answers_as):
        return True
    short = [name.rpartition("/")[2].rpartition("\\")[2].casefold() for name in (answered, asked)]
    return short[0].startswith(short[1]) or short[1].startswith(short[0])


def _usage(value: object) -> Usage | None:
    """Counted tokens, if both counts are there and possible."""
    if not isinstance(value, dict):
        return None
    counts = [value.get(name) for name in ("prompt_tokens", "completion_tokens")]
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in counts):
        return None
    return Usage(prompt=counts[0] or 0, output=counts[1] or 0)


def _malformed(message: str, usage: Usage | None) -> EndpointFault:
    return EndpointFault(kind="malformed", message=message, retry=True, **_charged(usage))


def _charged(usage: Usage | None) -> dict[str, Any]:
    """A served reply is charged, whether or not it can be used."""
    return {"usage": usage, "maybe_charged": usage is None}


def _without_half_pairs(text: str) -> str:
    r"""Text with halves of surrogate pairs (`\ud83d` alone), which no UTF-8 has, as U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
