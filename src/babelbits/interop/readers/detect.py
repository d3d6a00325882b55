"""Which reader a path is for, by what the path holds and not by what it is called."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from babelbits.errors import TaskError
from babelbits.interop.readers import (
    evalscope,
    files,
    inspect_log,
    lighteval,
    llama_perplexity,
    lm_eval,
    table,
)
from babelbits.interop.readers.record import ForeignRun
from babelbits.words import plural

_LONGEST_NAME = 500
_TOTALS = re.compile(r"results(?:_.*)?\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One tool's results."""

    name: str
    sign: str
    """What was looked for, in words."""
    looks_like: Callable[[Path], bool]
    read: Callable[[Path], ForeignRun]


FORMATS: tuple[Format, ...] = (
    Format(
        name="lm-eval",
        sign="samples_<task>_<time>.jsonl (--log_samples), or a JSON file with `samples`",
        looks_like=lm_eval.looks_like,
        read=lm_eval.read,
    ),
    Format(
        name="lighteval",
        sign="details_<task>_<time>.parquet (--save-details)",
        looks_like=lighteval.looks_like,
        read=lighteval.read,
    ),
    Format(
        name="Inspect",
        sign="*.eval, or a JSON log with version, status and eval",
        looks_like=inspect_log.looks_like,
        read=inspect_log.read,
    ),
    Format(
        name="EvalScope",
        sign="reviews/<model>/<benchmark>.jsonl",
        looks_like=evalscope.looks_like,
        read=evalscope.read,
    ),
    Format(
        name="table",
        sign="a .csv, .tsv, .txt or .jsonl with the columns item_id, language and score",
        looks_like=table.looks_like,
        read=table.read,
    ),
    Format(
        name="llama-perplexity",
        sign="a text with 'KL divergence statistics' or 'Final estimate: PPL'",
        looks_like=llama_perplexity.looks_like,
        read=llama_perplexity.read,
    ),
)
"""In this order: llama-perplexity's text last, for any file may be text."""


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
        found = next((one for one in FORMATS if one.looks_like(path)), None)
    except OSError as error:
        raise TaskError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if found is None:
        looked = "\n".join(f"    {one.name}: {one.sign}" for one in FORMATS)
        held = _held(path)
        raise TaskError(
            f"no results that Babelbits can read ({held})",
            where=str(path),
            hint=f"looked for:\n    babelbits: a folder with study.toml and plan.json\n{looked}",
        )
    try:
        return _checked(found.read(path))
    except (RecursionError, MemoryError) as error:
        raise TaskError(
            "nested or repeated beyond what any log is",
            where=str(path),
            hint="was the file damaged, or made to fill the memory?",
        ) from error
    except OSError as error:
        raise TaskError(f"cannot be read: {error.strerror or error}", where=str(path)) from error


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
    if files.below(path, _TOTALS).files:
        return "only totals, no items: evaluate again with --log_samples (or --save-details)"
    return f"the folder holds {', '.join(names[:3])}{' …' if len(names) > 3 else ''}"
