"""The hub's `.eval_results/*.yaml`: totals of benchmarks, which are never compared.

A comparison pairs items, and there are none here: two totals have no interval, and a verdict on
their difference would be made up. What they say is shown in the error, with what to do instead.
`decide.hub_totals` shows them as points without a standard error.
"""

import math
import re
from pathlib import Path

from babelbits.errors import TaskError
from babelbits.interop.readers import files
from babelbits.interop.readers.record import ForeignRun, Reader

FOLDER = ".eval_results"
_YAML = re.compile(r"[^.].*\.ya?ml")
_ENTRY = re.compile(r"task_id:\s*['\"]?([\w.\-]+)")
_VALUE = re.compile(r"^\s*-?\s*value:\s*([-+0-9.eE]+)\s*$", re.MULTILINE)
_SHOWN = 4
_LARGEST = 1 << 20


def looks_like(path: Path) -> bool:
    """A folder `.eval_results`, one that holds nothing but it that we read, or a file in it."""
    if path.is_file():
        return path.parent.name == FOLDER and _YAML.fullmatch(path.name) is not None
    return path.name == FOLDER or (path / FOLDER).is_dir()


def read_totals(path: Path) -> dict[str, float]:
    """Task to its total, as the files have it; the last of two of a name wins.

    Parameters
    ----------
    path : Path
        `.eval_results`, a folder with it, or a file in it.

    Raises
    ------
    TaskError
        If a file cannot be read.
    """
    return {name: float(value) for name, value in _written(path) if _is_number(value)}


def _written(path: Path) -> list[tuple[str, str]]:
    """Task and total, as written."""
    if path.is_file():
        found: tuple[Path, ...] = (path,)
    else:
        folder = path if path.name == FOLDER else path / FOLDER
        found = files.find_below(folder, _YAML, deep=False).files
    pairs: list[tuple[str, str]] = []
    for one in found:
        text = files.decode(files.read_bytes(one, largest=_LARGEST), str(one))
        pairs += zip(_ENTRY.findall(text), _VALUE.findall(text), strict=False)
    return pairs


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def read(path: Path) -> ForeignRun:
    """Nothing: totals cannot be paired.

    Raises
    ------
    TaskError
        Always; names the first totals.
    """
    found = [f"{name} {value}" for name, value in _written(path)]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    said = f" ({', '.join(found[:_SHOWN])}{more})" if found else ""
    raise TaskError(
        f"the hub's results are totals{said}: there are no items to pair",
        where=str(path),
        hint="compare the logs that they were made from, e.g. lm-eval's with --log_samples; "
        "`babelbits meta --logs MODEL BASELINE VARIANT` shows totals as points",
    )


READER = Reader(
    name="hub totals",
    sign=f"{FOLDER}/*.yaml (totals alone: they are named, and cannot be compared)",
    looks_like=looks_like,
    read=read,
)
