"""Child processes that end with the process that started them, even where that one was killed.

The child's standard input is a pipe that nobody writes to: it ends when the last process that holds
its other side is gone. Works wherever pipes do; no polling, no process groups.
"""

import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STDIN = 0
_ORPHANED = 1
"""Exit status of a child without a parent."""


@contextmanager
def lifeline() -> Iterator[int]:
    """A file descriptor for a child's `stdin`, which ends when this block or this process does."""
    read, write = os.pipe()  # neither is inherited unless it is asked for
    try:
        yield read
    finally:
        os.close(write)
        os.close(read)


def end_with_parent() -> None:
    """In a child started with `stdin=` a `lifeline`: end when it ends, whatever runs just then."""
    threading.Thread(target=_wait, daemon=True).start()


def read_commands() -> Iterator[bytes]:
    """In a child started with a pipe for `stdin`: the lines that its parent writes there.

    As `end_with_parent` does, it ends the process when the pipe ends, whatever runs just then.
    """
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read_lines, args=(lines,), daemon=True).start()
    while True:
        yield lines.get()


def _read_lines(lines: "queue.SimpleQueue[bytes]") -> None:
    left = b""
    while read := os.read(_STDIN, 1 << 16):
        *whole, left = (left + read).split(b"\n")
        for line in whole:
            lines.put(line)
    os._exit(_ORPHANED)


def _wait() -> None:
    while os.read(_STDIN, 1):  # not `sys.stdin`, whose lock would stop the interpreter's end
        pass
    os._exit(_ORPHANED)  # Python's own exit would wait for what other threads do
