"""Which reader a path is for, by what the path holds and not by what it is called."""

import re
from pathlib import Path

from babelbits.errors import BabelbitsError, TaskError
from babelbits.interop.readers import files
from babelbits.interop.readers.record import ForeignRun, Reader
from babelbits.registry import READERS
from babelbits.words import plural

_LONGEST_NAME = 500
_TOTALS = re.compile(r"results(?:_.*)?\.json")


def read_run(path: Path) -> ForeignRun:
    """Read the results at a path, whatever tool wrote them.

    Raises
    ------
    TaskError
        If there is nothing, or nothing that any reader knows; the hint says what was looked for.
    """
    if not path.exists():
        raise TaskError("there is no such file or folder", where=str(path))
    try:
        found = next((name for name, one in READERS.items() if one.looks_like(path)), None)
    except OSError as error:
        raise TaskError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if found is None:
        looked = "\n".join(f"    {one.name}: {one.sign}" for _, one in READERS.items())
        held = _held(path)
        raise TaskError(
            f"no results that Babelbits can read ({held})",
            where=str(path),
            hint=f"looked for:\n    babelbits: a folder with study.toml and plan.json\n{looked}",
        )
    try:
        return _checked(_read(found, path))
    except (RecursionError, MemoryError) as error:
        raise TaskError(
            "nested or repeated beyond what any log is",
            where=str(path),
            hint="was the file damaged, or made to fill the memory?",
        ) from error
    except OSError as error:
        raise TaskError(f"cannot be read: {error.strerror or error}", where=str(path)) from error


def _read(name: str, path: Path) -> ForeignRun:
    reader: Reader = READERS.get(name)
    try:
        return reader.read(path)
    except (BabelbitsError, OSError, RecursionError, MemoryError):
        raise
    except Exception as error:
        owner = READERS.owner(name)
        if owner == "babelbits":
            raise
        raise TaskError(
            f"the reader '{name}' of {owner} failed: {type(error).__name__}: {error}",
            where=str(path),
            hint=f"is the file damaged? If not, tell those who make {owner}",
        ) from error


def _checked(run: ForeignRun) -> ForeignRun:
    """The run, if its tasks and metrics have names that somebody can have given.

    Raises
    ------
    TaskError
        Shows the beginning of one that is longer.
    """
    for task in run.tasks:
        for name in (task.name, task.suite or "", *task.metrics):
            if len(name) > _LONGEST_NAME:
                raise TaskError(f"no name of a task or metric: {name!r:.60}…", where=str(run.path))
    return run


def _held(path: Path) -> str:
    """What is there instead, in a few words."""
    if not path.is_dir() and not path.is_file():
        return "neither a file nor a folder"
    if path.is_file():
        return f"a file of {plural(path.stat().st_size, 'byte')}"
    names = sorted(file.name for file in path.iterdir())
    if not names:
        return "the folder is empty"
    if files.find_below(path, _TOTALS).files:
        return "only totals, no items: evaluate again with --log_samples (or --save-details)"
    return f"the folder holds {', '.join(names[:3])}{' …' if len(names) > 3 else ''}"
