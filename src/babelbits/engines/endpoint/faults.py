"""What went wrong with one attempt, and what follows from it. Pure.

A fault says whether trying again can help, how long the endpoint wants to be left alone, whether
all other requests would fail the same way, and whether somebody may have been charged.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from babelbits.engines.chat import ChatFailureKind
from babelbits.engines.endpoint.pace import retry_after

_LONGEST_QUOTE = 300
"""Characters of a foreign message that are repeated."""
_NO_MONEY = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_FATAL = (401, 402, 403, 404, 405)
_RETRIED = (408, 409, 425, 429)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens by the endpoint's own count."""

    prompt: int
    output: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFault:
    """One attempt without an answer."""

    kind: ChatFailureKind
    message: str
    retry: bool = False
    wait: float | None = None
    """Seconds that the endpoint asked to be left alone for."""
    fatal: bool = False
    """Every other request would meet it too."""
    usage: Usage | None = None
    """What was charged, where the endpoint said so."""
    maybe_charged: bool = False
    """The request may have been served and charged, and nobody said."""


def read_status_fault(status: int, headers: Mapping[str, str], body: bytes) -> EndpointFault:
    """The fault that an HTTP status other than 200 stands for.

    Parameters
    ----------
    status : int
        300 or more.
    headers : mapping
        Names in lower case.
    """
    code, said = _error_of(body)
    message = f"HTTP {status} from the endpoint: {said}" if said else f"HTTP {status}"
    wait = _asked_wait(headers)
    if code in _NO_MONEY:
        return EndpointFault(kind="rejected", message=message, fatal=True)
    if "content_filter" in code:
        return EndpointFault(kind="filtered", message=message)
    if status == 429:
        return EndpointFault(kind="rate_limited", message=message, retry=True, wait=wait)
    if status == 408:
        return EndpointFault(kind="timeout", message=message, retry=True, wait=wait)
    if status >= 500 or status in _RETRIED:
        return EndpointFault(kind="server_error", message=message, retry=True, wait=wait)
    if status < 400:
        goal = quoted(headers.get("location", "nowhere"))
        message = f"HTTP {status}: the endpoint redirects to {goal}; give that URL if you trust it"
        return EndpointFault(kind="rejected", message=message, fatal=True)
    return EndpointFault(
        kind="rejected", message=message + _advice(status, said), fatal=status in _FATAL
    )


def read_object_fault(error: object, *, usage: Usage | None) -> EndpointFault:
    """The fault behind an `error` object that came with status 200 (routers do that)."""
    known: Mapping[str, Any] = error if isinstance(error, dict) else {"message": str(error)}
    body = json.dumps({"error": known}).encode()
    try:
        status = int(known.get("code") or 500)
    except (TypeError, ValueError):
        status = 429 if "rate" in str(known.get("code")) else 500
    inner = read_status_fault(status if 400 <= status < 600 else 500, {}, body)
    return EndpointFault(
        kind=inner.kind,
        message=f"an error in place of a completion: {_error_of(body)[1]}",
        retry=inner.retry,
        fatal=inner.fatal,
        usage=usage,
    )


def quoted(text: str) -> str:
    """Foreign text, short and on one line."""
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST_QUOTE else flat[:_LONGEST_QUOTE] + "…"


def find_html_title(text: str) -> str:
    """What an HTML page calls itself."""
    found = re.search(r"<(title|h1)[^>]*>(.*?)</\1>", text, re.IGNORECASE | re.DOTALL)
    return quoted(found[2]) if found else "no title"


def is_html(text: str) -> bool:
    """Whether a text is a page for a browser."""
    return re.match(r"\s*<(!doctype|html|head|body|\?xml)", text, re.IGNORECASE) is not None


def _error_of(body: bytes) -> tuple[str, str]:
    """The code and the message of an error reply in any of the usual forms."""
    text = body.decode("utf-8", "replace")
    if is_html(text):
        return "", f"an HTML page ({find_html_title(text)})"
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return "", quoted(text)
    if isinstance(parsed, dict):
        inner = parsed.get("error", parsed)
        if isinstance(inner, dict):
            message = inner.get("message") or inner.get("detail") or parsed.get("detail") or inner
            codes = [str(inner.get(name) or "") for name in ("code", "type")]
            return " ".join(codes).strip(), quoted(str(message))
        return "", quoted(str(inner))
    return "", quoted(text)


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `Retry-After`."""
    milliseconds = retry_after(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    return retry_after(headers.get("retry-after"))


def _advice(status: int, said: str) -> str:
    """What to do about a refusal, where that is known."""
    if status in (401, 403):
        return "; check the API key in its environment variable"
    if status in (404, 405):
        return "; check the URL (does it end with /v1?) and the model's name"
    if "max_completion_tokens" in said:
        return "; set token_parameter = 'max_completion_tokens'"
    for name in ("temperature", "top_p", "seed", "stop"):
        if re.search(rf"\b{name}\b", said):
            return f"; leave the parameter out with omit = ['{name}']"
    return ""
