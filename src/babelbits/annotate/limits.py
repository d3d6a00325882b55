"""Rate limits: so many tries in so much time, per key. In memory of the one process that serves."""

import threading
from collections import defaultdict, deque
from collections.abc import Callable


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
