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

from babelbits.errors import TaskError
from babelbits.libraries import load

_TASK_LINE = re.compile(
    rb"""^["']?task["']?:[ \t]*["']?([^\s"'\[{#]+)["']?[ \t]*(?:#.*)?\r?$""", re.MULTILINE
)
_GROUP_LINE = re.compile(rb"""^["']?group["']?:""", re.MULTILINE)
_GROUP_NAME = re.compile(
    rb"""^["']?group["']?:[ \t]*["']?([^\s"'\[{#]+)["']?[ \t]*(?:#.*)?\r?$""", re.MULTILINE
)
_CLASS_LINE = re.compile(rb"""^["']?class["']?:""", re.MULTILINE)
_IGNORED = {"__pycache__", ".ipynb_checkpoints"}


def find_lm_eval_version() -> str | None:
    """Version of the installed lm-eval; None if there is none."""
    try:
        return version("lm_eval")
    except PackageNotFoundError:
        return None


def list_installed_tasks() -> Mapping[str, Path]:
    """Every task that the installed lm-eval has; empty if lm-eval is not installed."""
    spec = find_spec("lm_eval")
    if spec is None or spec.origin is None:
        return {}
    return list_tasks_in(Path(spec.origin).parent / "tasks")


@cache
def list_tasks_in(folder: Path) -> Mapping[str, Path]:
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
    if include_path is not None and name in (own := list_tasks_in(include_path.resolve())):
        return own[name]
    return list_installed_tasks().get(name)


def find_group(name: str, include_path: Path | None = None) -> Path | None:
    """YAML file of the user's own group `name`; lm-eval's own groups are suites of ours."""
    return None if include_path is None else _groups_in(include_path.resolve()).get(name)


@cache
def _groups_in(folder: Path) -> Mapping[str, Path]:
    """Group name to YAML file, for every group below `folder`; the first file of a name wins."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.yaml"), key=Path.as_posix):
        if _IGNORED.isdisjoint(path.parts):
            match = _GROUP_NAME.search(path.read_bytes())
            if match is not None:
                found.setdefault(match[1].decode("utf-8", errors="replace"), path)
    return MappingProxyType(found)


def list_group_tasks(file: Path) -> tuple[str, ...]:
    """Names of the tasks that a group lists; needs lm-eval's YAML reader.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    TaskError
        If a part is no name: a group inside the group, or a task with changes of its own.
    """
    yaml = load("yaml", of="lm-eval", what="a group of lm-eval's tasks")
    try:
        parsed = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise TaskError(f"this is no YAML: {error}", where=str(file)) from error
    named = parsed.get("task") if isinstance(parsed, dict) else None
    parts = [named] if isinstance(named, str) else named or []
    if not all(isinstance(one, str) for one in parts):
        raise TaskError(
            "a part of the group is no name of a task",
            where=str(file),
            hint="list the names of tasks; changes stand in their own files",
        )
    return tuple(parts)


def _task_name(text: bytes) -> str | None:
    match = _TASK_LINE.search(text)
    is_group = _GROUP_LINE.search(text) and not _CLASS_LINE.search(text)
    if match is None or is_group:
        return None
    return match[1].decode("utf-8", errors="replace")
