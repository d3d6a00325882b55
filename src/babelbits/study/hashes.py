"""SHA-256 of large files, computed once: remembered by path, size and time of change.

The memory is a convenience: it may be deleted, unreadable or read-only; only time is lost.
"""

import json
import os
from contextlib import suppress
from pathlib import Path

from babelbits.recipes.manifests import sha256


def cache_folder() -> Path:
    """The user's folder for things that can be recomputed (XDG)."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "babelbits"


class FileHashes:
    """SHA-256 by file, with a memory on disk.

    Parameters
    ----------
    memory : Path, optional
        JSON file to remember in; by default `hashes.json` in the user's cache folder.
    """

    def __init__(self, memory: Path | None = None) -> None:
        self._memory = cache_folder() / "hashes.json" if memory is None else memory
        self._known = self._read()

    def of(self, file: Path) -> str:
        """Hex SHA-256 of a file's bytes."""
        status = file.stat()
        key = f"{file.resolve()}|{status.st_size}|{status.st_mtime_ns}"
        if key not in self._known:
            self._known[key] = sha256(file)
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
        partial = self._memory.with_name(f".{self._memory.name}.{os.getpid()}")
        try:
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(self._known, indent=0), "utf-8")
            partial.replace(self._memory)
        except OSError:
            with suppress(OSError):
                partial.unlink()
