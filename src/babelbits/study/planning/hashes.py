"""SHA-256 of large files, computed once: remembered by everything that a change of a file touches.

A file is hashed anew when its path, size, time of change, inode, device or change of status differ
from what is remembered: putting other bytes into a file and its old time back changes the last of
these. What no system call shows (bytes that rot on the disk) is found by `verify=True` only.

The memory is a convenience: it may be deleted, unreadable or read-only; only time is lost.
"""

import json
import os
import threading
from contextlib import suppress
from pathlib import Path

from babelbits.errors import ModelError
from babelbits.recipes.manifests import hash_file


def find_cache_folder() -> Path:
    """The user's folder for things that can be recomputed (XDG)."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "babelbits"


class FileHashes:
    """SHA-256 by file, with a memory on disk.

    Parameters
    ----------
    memory : Path, optional
        JSON file to remember in; by default `hashes.json` in the user's cache folder.
    verify : bool
        Read every file anew, once, whatever is remembered of it.
    """

    def __init__(self, memory: Path | None = None, *, verify: bool = False) -> None:
        self._memory = find_cache_folder() / "hashes.json" if memory is None else memory
        self._known = {} if verify else self._read()

    def of(self, file: Path) -> str:
        """Hex SHA-256 of a file's bytes.

        Raises
        ------
        ModelError
            If the file changes while it is read.
        """
        key = _key(file)
        if key not in self._known:
            digest = hash_file(file)
            if _key(file) != key:
                raise ModelError(
                    "the file is being written while it is read",
                    where=str(file),
                    hint="wait until it is complete, then run the same command again",
                )
            self._known[key] = digest
            self._write()
        return self._known[key]

    def _read(self) -> dict[str, str]:
        try:
            known = json.loads(self._memory.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        valid = isinstance(known, dict) and all(isinstance(value, str) for value in known.values())
        return known if valid else {}

    def _write(self) -> None:
        thread = threading.get_ident()
        partial = self._memory.with_name(f".{self._memory.name}.{os.getpid()}.{thread}")
        try:
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            known = self._read() | self._known  # others remember in the same file
            partial.write_text(json.dumps(known, indent=0), "utf-8")
            partial.replace(self._memory)
        except OSError:
            with suppress(OSError):
                partial.unlink()


def _key(file: Path) -> str:
    """Everything of a file's status that differs after its bytes were replaced."""
    found = file.stat()
    numbers = (found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev, found.st_ctime_ns)
    return "|".join(map(str, (file.resolve(), *numbers)))
