"""When the next request may be sent: sliding windows, back-off, and what the endpoint asked for.

Pure but for `Pace`, which makes threads wait. Times are in seconds; windows are of 60.

A window is exact: in no 60 seconds are more requests sent, or more tokens reserved, than the limit.
(A bucket that refills would let twice the limit pass in its first minute.)
"""

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_MINUTE = 60.0


class Window:
    """How much was used in the last minute, and how long until there is room. Not for threads."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._used: deque[list[float]] = deque()  # [when, how much]

    def seconds_until(self, amount: float, *, now: float) -> float:
        """Seconds until `amount` fits; one that never fits waits for an empty window."""
        if self._limit is None:
            return 0.0
        self._forget(now)
        excess = sum(used for _, used in self._used) + amount - self._limit
        wait = 0.0
        for when, used in self._used:
            if excess <= 0:
                break
            excess -= used
            wait = when + _MINUTE - now
        return wait

    def take(self, amount: float, *, now: float) -> list[float]:
        """Use `amount` now; the entry can be corrected with `correct`."""
        entry = [now, amount]
        if self._limit is not None:
            self._used.append(entry)
        return entry

    def _forget(self, now: float) -> None:
        while self._used and self._used[0][0] + _MINUTE <= now:
            self._used.popleft()


class Pace:
    """Lets threads send when the limits allow, and stops all of them when the endpoint asks."""

    def __init__(
        self,
        *,
        requests_per_minute: int | None,
        tokens_per_minute: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests = Window(requests_per_minute)
        self._tokens = Window(tokens_per_minute)
        self._clock = clock
        self._lock = threading.Lock()
        self._not_before = 0.0

    def enter(self, tokens: int, *, stopping: threading.Event) -> list[float] | None:
        """Wait for one's turn; None if the run is stopping.

        The entry that is returned can be corrected when the tokens are counted.
        """
        while not stopping.is_set():
            with self._lock:
                now = self._clock()
                wait = max(
                    self._not_before - now,
                    self._requests.seconds_until(1, now=now),
                    self._tokens.seconds_until(tokens, now=now),
                )
                if wait <= 0:
                    self._requests.take(1, now=now)
                    return self._tokens.take(tokens, now=now)
            stopping.wait(wait)
        return None

    def correct(self, entry: list[float], tokens: int) -> None:
        """Replace reserved tokens by those that were used."""
        with self._lock:
            entry[1] = tokens

    def hold(self, seconds: float) -> None:
        """Nobody sends for so long: the endpoint said that it is too much."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)


def compute_backoff(attempt: int, *, first: float, longest: float, salt: str) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1).

    Doubles from `first` up to `longest`; between half and all of that is waited ("equal jitter"),
    where between is fixed by `salt`, so that clients that failed together do not return together.
    """
    whole = min(longest, first * 2.0 ** min(attempt - 1, 60))
    draw = hashlib.blake2b(f"{salt}\x1f{attempt}".encode(), digest_size=8).digest()
    return whole * (0.5 + 0.5 * int.from_bytes(draw) / 2**64)


def retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds that a `Retry-After` header asks for, by RFC 9110 10.2.3; None if it asks nothing.

    Parameters
    ----------
    value : str or None
        Seconds (fractions are accepted) or an HTTP date.
    now : datetime, optional
        The present, for dates.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            when = parsedate_to_datetime(value)
        except ValueError:
            return None
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        seconds = (when - (now or datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if seconds == seconds and seconds < float("inf") else None
