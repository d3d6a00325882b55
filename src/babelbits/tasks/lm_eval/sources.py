"""The files that a user's own lm-eval task is made of: its YAML, what it includes, and its code.

Any of them may change how replies are scored, so all are in the identity of a cell; other files of
the same folder are not. Nothing here runs a task's code.
"""

import ast
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babelbits.errors import TaskError
from babelbits.records import digest

_FUNCTION = "!function"


def hash_sources(yaml_file: Path) -> str:
    """Hash of the names and bytes of every file that a task is made of.

    Raises
    ------
    TaskError
        If one cannot be read.
    """
    home = yaml_file.resolve().parent
    try:
        hashes = [
            (os.path.relpath(path, home), path.read_bytes().hex())
            for path in list_sources(yaml_file)
        ]
    except OSError as error:
        raise TaskError(f"cannot be read: {error.strerror}", where=str(error.filename)) from error
    return digest(hashes)


def list_sources(yaml_file: Path) -> tuple[Path, ...]:
    """The task's YAML file, YAML files it includes, and modules that `!function` names, in order.

    Raises
    ------
    TaskError
        If a YAML file cannot be parsed.
    OSError
        If one cannot be read.
    """
    files: dict[Path, None] = {}
    waiting = [yaml_file.resolve()]
    while waiting:
        path = waiting.pop()
        if path in files:
            continue
        files[path] = None
        next_to = _imported_beside(path) if path.suffix == ".py" else _named_in(path)
        waiting.extend(sorted((one.resolve() for one in next_to), reverse=True))
    return tuple(files)


def _named_in(yaml_file: Path) -> Iterator[Path]:
    """Files that a YAML file includes, and modules whose functions it names."""
    try:
        parsed = _parse(yaml_file.read_text("utf-8"))
    except ValueError as error:
        raise TaskError(f"this is no YAML: {error}", where=str(yaml_file)) from error
    for value in _values(parsed):
        if isinstance(value, _Function):
            module = str(value).rpartition(".")[0]
            yield yaml_file.parent.joinpath(*module.split(".")).with_suffix(".py")
    included = parsed.get("include") if isinstance(parsed, dict) else None
    for name in [included] if isinstance(included, str) else included or ():
        yield yaml_file.parent / str(name)


class _Function(str):
    """What stands behind `!function`: 'module.function'."""

    __slots__ = ()


def _parse(text: str) -> Any:
    import yaml  # comes with lm-eval

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # ships no types
        """Reads `!function` as a name, where lm-eval imports it."""

    Loader.add_constructor(_FUNCTION, lambda loader, node: _Function(loader.construct_scalar(node)))
    try:
        return yaml.load(text, Loader=Loader)  # noqa: S506  a safe loader's child
    except yaml.YAMLError as error:
        raise ValueError(str(error).splitlines()[0]) from error


def _values(value: Any) -> Iterator[Any]:
    """Every leaf of parsed YAML."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from _values(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner)
    else:
        yield value


def _imported_beside(module: Path) -> Iterator[Path]:
    """Modules in the same folder that a module imports."""
    try:
        tree = ast.parse(module.read_bytes())
    except (SyntaxError, ValueError):
        return  # lm-eval will say so
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.update([node.module] if node.module else [alias.name for alias in node.names])
    for name in sorted(names):
        path = module.parent.joinpath(*name.split(".")).with_suffix(".py")
        if path.is_file():
            yield path
