"""Ctrl-C once finishes the batch in flight and stops; twice stops now.

SIGTERM (schedulers send it before they kill) counts as the first Ctrl-C. Nothing recorded is lost
either way; the second merely repeats a batch on the next run.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType


class Stop:
    """Whether the user asked to stop."""

    def __init__(self) -> None:
        self._requested = False
        self.terminated = False
        """Whether it was SIGTERM that asked."""

    def request(self) -> None:
        """Ask to stop after the batch in flight."""
        self._requested = True

    def is_requested(self) -> bool:
        """Whether to stop; may change at any moment."""
        return self._requested


@contextmanager
def stop_on_interrupt(tell: Callable[[], None], stop: Stop | None = None) -> Iterator[Stop]:
    """Watch for Ctrl-C; `tell` is called at the first one. A `Stop` may be given to be used.

    Raises
    ------
    KeyboardInterrupt
        At the second Ctrl-C.
    """
    stop = stop or Stop()

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_requested():
            raise KeyboardInterrupt
        stop.terminated = number == signal.SIGTERM
        stop.request()
        with suppress(RuntimeError):  # a write to the same stream may be what we interrupted
            tell()

    former = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
