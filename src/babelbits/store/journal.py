"""An append-only file of records, each with a checksum, for results that must survive a kill.

One record a line: eight hex digits of CRC-32, a space, canonical JSON. A record is durable when
`append` returns. An unfinished last line has not happened: reading leaves it out, and opening for
writing removes it (else the next record would be glued to the stump and both lost).

Lines end at a line feed only: model outputs hold U+2028 and its kin.
"""

import fcntl
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from babelbits.errors import CorruptRecordError, StoreLockedError
from babelbits.records import canonical_json
from babelbits.store.atomic import store_errors, sync_folder


class Journal:
    """Writer of one journal; the lock dies with the process, so none is ever stale."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        with store_errors(self._path):
            self._file = self._path.open("ab+", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise StoreLockedError(
                "another process is writing this cell",
                where=str(self._path),
                hint="wait for it, or stop it; what it has recorded is kept",
            ) from None
        whole = self._path.read_bytes()
        self._size = whole.rfind(b"\n") + 1
        with store_errors(self._path):
            self._file.truncate(self._size)
            sync_folder(self._path.parent)
        return self

    def append(self, record: dict[str, Any]) -> None:
        """Add a record and wait until it is on the disk.

        Raises
        ------
        ValueError
            If the record holds NaN or infinity.
        StoreError
            If it could not be written; what was appended before is still whole.
        """
        body = canonical_json(record).encode()
        line = b"%08x %b\n" % (zlib.crc32(body), body)
        with store_errors(self._path):
            try:
                left = memoryview(line)
                while left:
                    left = left[self._file.write(left) :]
                os.fsync(self._file.fileno())
            except OSError:
                self._file.truncate(self._size)
                raise
        self._size += len(line)

    def __exit__(self, *_exc: object) -> None:
        self._file.close()


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield every complete record.

    Raises
    ------
    CorruptRecordError
        At the first record whose checksum differs; the ones before it have been yielded.
    """
    *lines, _torn_or_empty = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        checksum, _, body = line.partition(b" ")
        if checksum != b"%08x" % zlib.crc32(body):
            raise CorruptRecordError(
                "a record's checksum differs from its bytes",
                where=f"{path}:{number}",
                hint="`babelbits doctor FOLDER --fix` sets the damaged cell aside; "
                "the next run repeats it",
            )
        yield json.loads(body)
