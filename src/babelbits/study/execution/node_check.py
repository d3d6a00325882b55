"""Whether a node of a cluster can do what a run asks, told before anything is computed there.

A worker says what it finds where it runs (`look`); the driver compares that with itself (`refuse`).
"""

import os
import platform
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from babelbits.engines import open_engine
from babelbits.errors import EngineError
from babelbits.libraries import find_version
from babelbits.study.execution.worker import RunContext


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFound:
    """What a worker found on its node."""

    node: str
    version: str | None
    """Of Babelbits."""
    python: str
    token: str | None
    """What it read in the run folder; None where it sees none."""
    model: bool
    """Whether the model is there."""
    lacks: tuple[str, ...]
    """What its engines need and do not have."""


def look(site: RunContext, *, file: Path, engines: Sequence[str]) -> NodeFound:
    """What there is on this node.

    Parameters
    ----------
    file : Path
        Of the token in the run folder.
    engines : sequence of str
        Names of those that will be needed.
    """
    seen = None
    with suppress(OSError):
        seen = file.read_text("utf-8")
    kinds = [open_engine.find_kind(name).configured(site.study.engine) for name in engines]
    return NodeFound(
        node=os.uname().nodename,
        version=find_version("babelbits"),
        python=platform.python_version(),
        token=seen,
        model=site.study.model.is_elsewhere or site.base.folder.exists(),
        lacks=tuple(told for kind in kinds for told in kind.lacks()),
    )


def refuse(found: NodeFound, *, token: str, model: Path) -> None:
    """Raise where a node cannot do the run's work.

    Raises
    ------
    EngineError
        Names the node, and what to do there.
    """
    node = f"the node {found.node}"
    here = find_version("babelbits")
    if found.version != here:
        raise EngineError(
            f"{node} has babelbits {found.version}, this one {here}",
            hint="install the same version on all nodes",
        )
    if found.python.split(".")[:2] != platform.python_version().split(".")[:2]:
        raise EngineError(
            f"{node} has Python {found.python}, this one {platform.python_version()}",
            hint="use the same Python on all nodes",
        )
    if found.token != token:
        raise EngineError(
            f"{node} does not see the run folder",
            hint="put the run folder on storage that all nodes share, under the same path",
        )
    if not found.model:
        raise EngineError(
            f"{node} does not see the model in {model}",
            hint="put it on storage that all nodes share, or copy it there under the same path",
        )
    if found.lacks:
        raise EngineError(f"{node} cannot run the engine: {found.lacks[0]}")
