"""What stands in front of every route: size limit, origin check, security headers, a log line.

The log names routes, never addresses: an invitation's address is a secret. No header says which
server or version this is.
"""

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 64 * 1024
"""Bytes; a comment has 2,000 letters."""

_CONTENT_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS: Mapping[str, str] = {
    "content-security-policy": _CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # "no-referrer" makes browsers send "Origin: null"
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "x-robots-tag": "noindex, nofollow",
}
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_log = logging.getLogger("babelbits.annotate")


class Protection:
    """Middleware around the whole app.

    Parameters
    ----------
    public_url : str, optional
        Where raters reach the app; its host is then the only origin that may write.
    """

    def __init__(self, app: ASGIApp, *, public_url: str | None = None) -> None:
        self._app = app
        self._origin = None if public_url is None else urlsplit(public_url).netloc
        self._https = public_url is not None and public_url.startswith("https:")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(scope, MutableHeaders(scope=message))
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await _say(answer, *refusal)
        else:
            await self._app(scope, _limited(receive), answer)
        route = getattr(scope.get("route"), "path", "-")
        milliseconds = 1000 * (time.perf_counter() - started)
        _log.info("%s %s %d %.0f ms", scope["method"], route, status, milliseconds)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Why a request does not reach the app."""
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            return 413, "too_large"
        if scope["method"] not in _SAFE_METHODS and not self._same_origin(headers):
            return 403, "foreign_origin"
        return None

    def _same_origin(self, headers: Headers) -> bool:
        """Whether a writing request comes from our own pages, or from no browser at all."""
        own = self._origin or headers.get("host", "")
        origin = headers.get("origin")
        if origin is not None:
            return urlsplit(origin).netloc == own
        return headers.get("sec-fetch-site", "none") in ("same-origin", "none")

    def _add_headers(self, scope: Scope, headers: MutableHeaders) -> None:
        for name, value in HEADERS.items():
            headers[name] = value
        if self._https:
            headers["strict-transport-security"] = "max-age=31536000"
        cached = scope["path"].startswith("/static/")
        headers["cache-control"] = "no-cache" if cached else "no-store"


def _limited(receive: Receive) -> Receive:
    """Receive no more than the limit, whatever length was stated."""
    total = 0

    async def limited() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > MAX_BODY:
            return {"type": "http.disconnect"}
        return message

    return limited


async def _say(send: Send, status: int, code: str) -> None:
    body = f'{{"error":"{code}"}}'.encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


# --- rate limits ----------------------------------------------------------------------------------


class Limiter:
    """At most `tries` of a key within `seconds`.

    Parameters
    ----------
    clock : callable
        Seconds; an argument so that tests need not wait.
    """

    def __init__(self, tries: int, seconds: float, *, clock: Callable[[], float]) -> None:
        self._tries = tries
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._times: dict[str, deque[float]] = defaultdict(deque)

    def is_full(self, key: str) -> bool:
        """Whether the key has used its tries."""
        with self._lock:
            return len(self._recent(key)) >= self._tries

    def count(self, key: str) -> bool:
        """Count a try; whether it was allowed."""
        with self._lock:
            recent = self._recent(key)
            if len(recent) >= self._tries:
                return False
            recent.append(self._clock())
            return True

    def _recent(self, key: str) -> deque[float]:
        now = self._clock()
        if len(self._times) > 10_000:  # keys of visitors long gone
            for old in [k for k, t in self._times.items() if not t or t[-1] < now - self._seconds]:
                del self._times[old]
        times = self._times[key]
        while times and times[0] <= now - self._seconds:
            times.popleft()
        return times
