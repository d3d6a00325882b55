"""Tracebacks of what failed in a run, kept in its folder: a worker's screen is nobody's.

    FOLDER/failures/<variant> <suite> <language>.txt      the last one of that cell or variant

Never raises: what failed is told even where its trace cannot be kept.
"""

import re
import traceback
from contextlib import suppress
from pathlib import Path

from babelbits.errors import StoreError
from babelbits.store.atomic import write_atomically

FOLDER = "failures"
_LONGEST_NAME = 150


def keep_trace(error: BaseException, *, folder: Path, names: tuple[str, ...]) -> Path | None:
    """Write an exception's traceback; its path, or None where it could not be written.

    Parameters
    ----------
    error : BaseException
        What broke a variant or a cell.
    folder : Path
        Where results of this kind lie.
    names : tuple of str
        Labels that say what broke.
    """
    plain = " ".join(re.sub(r"[^\w.+@=-]+", "-", name) for name in names)
    path = folder / FOLDER / f"{plain[:_LONGEST_NAME]}.txt"
    text = "".join(traceback.format_exception(error))
    with suppress(StoreError):
        write_atomically(path, text.encode("utf-8", "backslashreplace"))
        return path
    return None
