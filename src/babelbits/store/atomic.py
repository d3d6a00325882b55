"""Files that are whole or absent, whatever happens to the process.

Write to a temporary name in the same folder, flush to the disk, rename, flush the folder. A reader
sees the old file or the new one. Never used for growing files: those are journals.
"""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from babelbits.errors import StoreError

_REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space and run the same command again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space and run the same command again"),
    errno.EFBIG: ("the file is larger than this account may write", "raise the limit (ulimit -f)"),
    errno.EROFS: ("the file system is read-only", "choose another folder"),
    errno.EACCES: ("no permission to write here", "choose another folder or change its mode"),
    errno.EPERM: ("no permission to write here", "choose another folder or change its mode"),
    errno.EEXIST: ("a file of that name is in the way", "rename it, or choose another folder"),
    errno.ENOTDIR: ("a file of that name is in the way", "rename it, or choose another folder"),
    errno.ENOLCK: ("this file system has no locks", "choose a folder on a local disk"),
}
_A_BLOCK = 2**20


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's complaints about `path` into a `StoreError` that helps."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        what, hint = _REASONS.get(error.errno or 0, (str(error), "check the disk and the folder"))
        raise StoreError(what, where=str(path), hint=hint) from error


def check_growth(path: Path) -> None:
    """Raise the system's error if a file cannot grow.

    For programs that say only that writing failed: a full disk is then found out by trying.
    """
    if path.exists():
        with path.open("ab") as file:
            file.write(bytes(_A_BLOCK))
            file.flush()
            os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: bytes, *, private: bool = False) -> None:
    """Replace `path` by `content`, or leave it as it was.

    Parameters
    ----------
    private : bool
        For its owner alone (mode 0600), from the first byte on.

    Raises
    ------
    StoreError
        If the disk is full, the folder read-only, and so on.
    """
    with store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not tempfile: its files are private, and results are for the group that shares the folder.
        unique = f"{os.getpid()}.{threading.get_ident()}"
        temporary = path.with_name(f".{path.name}.{unique}.partial")
        try:
            with open(temporary, "wb", opener=_open_private if private else None) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def _open_private(path: str, flags: int) -> int:
    """Open a file that only its owner may read."""
    return os.open(path, flags, 0o600)
