"""The hub's `.eval_results/*.yaml`: totals of benchmarks, which are recognised and refused.

A comparison pairs items, and there are none here: two totals have no interval, and a verdict on
their difference would be made up. What they say is shown in the error, with what to do instead.
"""

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


def read(path: Path) -> ForeignRun:
    """Nothing: totals cannot be paired.

    Raises
    ------
    TaskError
        Always; names the first totals.
    """
    if path.is_file():
        found: tuple[Path, ...] = (path,)
    else:
        folder = path if path.name == FOLDER else path / FOLDER
        found = files.below(folder, _YAML, deep=False).files
    totals: list[str] = []
    for one in found:
        text = files.decode(files.read_bytes(one, largest=_LARGEST), str(one))
        totals += [
            f"{name} {value}"
            for name, value in zip(_ENTRY.findall(text), _VALUE.findall(text), strict=False)
        ]
    more = f" and {len(totals) - _SHOWN} more" if len(totals) > _SHOWN else ""
    said = f" ({', '.join(totals[:_SHOWN])}{more})" if totals else ""
    raise TaskError(
        f"the hub's results are totals{said}: there are no items to pair",
        where=str(path),
        hint="compare the logs that they were made from, e.g. lm-eval's with --log_samples",
    )


READER = Reader(
    name="hub totals",
    sign=f"{FOLDER}/*.yaml (totals alone: they are named, and cannot be compared)",
    looks_like=looks_like,
    read=read,
)
