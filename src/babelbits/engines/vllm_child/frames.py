"""Messages between the engine and its worker: four bytes of length, then that many of msgpack.

Both sides load this file, the worker in an environment where Babelbits is not installed: nothing is
imported here but the standard library, and whoever calls brings the packer of its side. Token ids
and numbers cross as arrays of bytes, little-endian: int32, float32.
"""

import struct
from collections.abc import Callable
from typing import Any, BinaryIO

_LENGTH = struct.Struct("<I")
LARGEST = 2**31
"""Bytes of one message: more is a stream that is out of step, not a message."""


class BrokenStreamError(Exception):
    """What was read is no message: it was cut off, or something else was written there."""


def write(stream: BinaryIO, message: Any, *, pack: Callable[[Any], bytes]) -> None:
    """Write one message and flush.

    Raises
    ------
    OSError
        If nobody reads the other end, or the disk or pipe fails.
    """
    body = pack(message)
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


def read(stream: BinaryIO, *, unpack: Callable[[bytes], Any]) -> Any:
    """The next message; None where the stream ends between two messages.

    Raises
    ------
    BrokenStreamError
        If the stream ends within a message, or a length is absurd.
    """
    head = _exactly(stream, _LENGTH.size)
    if not head:
        return None
    if len(head) < _LENGTH.size:
        raise BrokenStreamError("the stream ended within a length")
    (length,) = _LENGTH.unpack(head)
    if length > LARGEST:
        raise BrokenStreamError(f"a message is announced whose size is {length:,}")
    body = _exactly(stream, length)
    if len(body) < length:
        raise BrokenStreamError(f"the stream ended within a message: {len(body):,} of {length:,}")
    try:
        return unpack(body)
    except ValueError as error:
        raise BrokenStreamError(f"is no message: {error}") from error


def _exactly(stream: BinaryIO, length: int) -> bytes:
    """That many bytes, fewer where the stream ends first."""
    parts: list[bytes] = []
    left = length
    while left:
        part = stream.read(left)
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
