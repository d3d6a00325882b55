"""What one attempt may take: seconds for everything together, and bytes.

A server that drips headers, never ends an error, or answers with a compressed bomb must not hold a
thread or fill the memory. The deadline is kept below the HTTP library, at every read of the socket,
because the library's own timeouts begin anew with every byte.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LARGEST_REPLY = 32 * 2**20
"""Bytes of a reply; more is no chat."""
LARGEST_ERROR = 64 * 2**10
"""Bytes of an error that are read; the rest is left."""


class TooSlowError(Exception):
    """No whole reply before the deadline."""


class TooLargeError(Exception):
    """More bytes than a reply may have."""


class StatusError(Exception):
    """A status other than 200, with what was read of its body."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.body = body


@dataclass
class Bounds(threading.local):
    """Deadline and bytes of the attempt that the calling thread makes."""

    deadline: float = field(default=float("inf"))
    """By the monotonic clock, seconds."""
    n_bytes: int = 0
    """Received so far, headers included, as they came."""

    def begin(self, seconds: float) -> None:
        """A new attempt: it has so many seconds."""
        self.deadline = time.monotonic() + seconds
        self.n_bytes = 0

    def left(self, timeout: float | None) -> float:
        """Seconds that a call of the network may take now.

        Raises
        ------
        TooSlowError
            If none are left.
        """
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise TooSlowError
        return seconds if timeout is None else min(timeout, seconds)

    def count(self, received: bytes) -> bytes:
        """The same bytes, counted.

        Raises
        ------
        TooLargeError
            If they are too many.
        """
        self.n_bytes += len(received)
        if self.n_bytes > LARGEST_REPLY:
            raise TooLargeError
        return received


def set_bounds(client: Any, bounds: Bounds) -> None:
    """Let every connection that an HTTP client makes keep to the bounds.

    Parameters
    ----------
    client : httpx client
        Of either version of that library; not used yet.
    """
    transports = [client._transport, *filter(None, client._mounts.values())]
    for transport in transports:
        pool = transport._pool
        pool._network_backend = _BoundedBackend(pool._network_backend, bounds)


class _BoundedBackend:
    """A network backend of httpcore whose streams keep to the bounds."""

    def __init__(self, backend: Any, bounds: Bounds) -> None:
        self._backend = backend
        self._bounds = bounds

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> "_BoundedStream":
        """A connection over TCP."""
        made = self._backend.connect_tcp(
            host,
            port,
            timeout=self._bounds.left(timeout),
            local_address=local_address,
            socket_options=socket_options,
        )
        return _BoundedStream(made, self._bounds)

    def sleep(self, seconds: float) -> None:
        """Wait between tries of a connection."""
        self._backend.sleep(min(seconds, self._bounds.left(None)))


class _BoundedStream:
    """A network stream of httpcore that keeps to the bounds."""

    def __init__(self, stream: Any, bounds: Bounds) -> None:
        self._stream = stream
        self._bounds = bounds
        self.close: Callable[[], None] = stream.close
        self.get_extra_info: Callable[[str], Any] = stream.get_extra_info

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Bytes that have come."""
        return self._bounds.count(self._stream.read(max_bytes, self._bounds.left(timeout)))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes."""
        self._stream.write(buffer, self._bounds.left(timeout))

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> "_BoundedStream":
        """The same over TLS."""
        made = self._stream.start_tls(ssl_context, server_hostname, self._bounds.left(timeout))
        return _BoundedStream(made, self._bounds)
