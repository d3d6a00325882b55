"""Engines by name: which there are, which run a format, and loading one.

Nothing heavy is imported before an engine is loaded.
"""

from pathlib import Path

from babelbits.engines.base import Engine, EngineKind, EngineSettings
from babelbits.registry import ENGINES, get_named


def find_kind(name: str) -> EngineKind:
    """The engine of a name, before it is loaded.

    Raises
    ------
    UnknownNameError
        If there is none; the hint names all.
    StudyError
        If another package's cannot be imported, or has another name than its row.
    """
    found: EngineKind = get_named(ENGINES, name)
    return found


def list_engines_for(format: str) -> tuple[str, ...]:  # noqa: A002  the word of manifests
    """Names of the engines that run checkpoints of a format, ours first."""
    return tuple(name for name in ENGINES if find_kind(name).runs(format))


def load(folder: Path, *, engine: str, settings: EngineSettings) -> Engine:
    """Load the model in `folder` in the engine of a name.

    Raises
    ------
    UnknownNameError
        If there is no such engine.
    ModelError, MissingExtraError, EngineError
        If the engine cannot be had here or cannot load the files.
    """
    return find_kind(engine).load(folder, settings=settings)
