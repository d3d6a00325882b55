"""Connections that ask for something soon, or make room: half-open ones cannot stop the app.

A client has `seconds` for a whole request, however slowly its bytes drip. There are at most `most`
connections; where one more comes, the one that has been silent longest is closed. Nothing here
looks into a request.
"""

import asyncio
import resource
from contextlib import suppress
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS = 30.0
"""For one request, headers and body: 64 KB at the speed of a poor telephone line."""
_SPARE_FILES = 128
"""Open files that are no connections: database, log, templates."""
_MOST = 8192


def count_connections() -> int:
    """How many connections this process may hold, after asking for as many files as it may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST + _SPARE_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
            soft = allowed
    files = wanted if soft == resource.RLIM_INFINITY else min(soft, wanted)
    return max(1, files - _SPARE_FILES)


def make_bounded_protocol(*, most: int, seconds: float = SECONDS) -> type[asyncio.Protocol]:
    """Uvicorn's protocol with a limit of time for every request, and one of connections.

    Parameters
    ----------
    most : int
        Connections at the same time.
    seconds : float
        Time for the whole of a request to arrive.
    """
    silent: dict[Any, None] = {}  # connections without a whole request, the longest silent first

    class BoundedProtocol(H11Protocol):
        """One connection."""

        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            """A client is there: make room for it."""
            super().connection_made(transport)
            self._watch()
            if len(self.connections) > most and silent:
                next(iter(silent)).give_up()

        def data_received(self, data: bytes) -> None:
            """Read on; a request that is complete has all the time it needs."""
            super().data_received(data)
            self._watch()

        def on_response_complete(self) -> None:
            """Wait for the next request."""
            super().on_response_complete()
            self._rest()
            if not self.transport.is_closing():
                self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            """The client is gone."""
            self._rest()
            super().connection_lost(exc)

        def give_up(self) -> None:
            """Close without a word: what was sent so far is no request."""
            self._rest()
            self.transport.abort()

        def _watch(self) -> None:
            if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
                self._rest()
            elif self._deadline is None:
                self._deadline = self.loop.call_later(seconds, self.give_up)
                silent[self] = None

        def _rest(self) -> None:
            silent.pop(self, None)
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return BoundedProtocol
