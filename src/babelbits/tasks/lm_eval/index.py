"""Where lm-eval keeps a task: name to YAML file, without importing lm-eval.

lm-eval's own index parses every YAML file of its 14,000 (12 s a process); reading the files for
their `task:` line alone takes well under a second. Nothing here runs a task's code.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

_TASK_LINE = re.compile(
    rb"""^["']?task["']?:[ \t]*["']?([^\s"'\[{#]+)["']?[ \t]*(?:#.*)?\r?$""", re.MULTILINE
)
_GROUP_LINE = re.compile(rb"""^["']?group["']?:""", re.MULTILINE)
_CLASS_LINE = re.compile(rb"""^["']?class["']?:""", re.MULTILINE)
_IGNORED = {"__pycache__", ".ipynb_checkpoints"}


def lm_eval_version() -> str | None:
    """Version of the installed lm-eval; None if there is none."""
    try:
        return version("lm_eval")
    except PackageNotFoundError:
        return None


def installed_tasks() -> Mapping[str, Path]:
    """Every task that the installed lm-eval has; empty if lm-eval is not installed."""
    spec = find_spec("lm_eval")
    if spec is None or spec.origin is None:
        return {}
    return tasks_in(Path(spec.origin).parent / "tasks")


@cache
def tasks_in(folder: Path) -> Mapping[str, Path]:
    """Task name to YAML file, for every task below `folder`; the first file of a name wins.

    The answer is remembered while the process lives.
    """
    index: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.yaml"), key=Path.as_posix):
        if _IGNORED.isdisjoint(path.parts):
            name = _task_name(path.read_bytes())
            if name is not None:
                index.setdefault(name, path)
    return MappingProxyType(index)


def find(name: str, include_path: Path | None = None) -> Path | None:
    """YAML file of the task `name`; one in `include_path` wins over the installed one."""
    if include_path is not None and name in (own := tasks_in(include_path.resolve())):
        return own[name]
    return installed_tasks().get(name)


def _task_name(text: bytes) -> str | None:
    match = _TASK_LINE.search(text)
    is_group = _GROUP_LINE.search(text) and not _CLASS_LINE.search(text)
    if match is None or is_group:
        return None
    return match[1].decode("utf-8", errors="replace")
