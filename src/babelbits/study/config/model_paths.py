"""A model as a study file writes it, to where it lies: bundled, a folder, a file, or on the hub.

Looks at names on this disk only; nothing is opened.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from babelbits.study.config.problems import Findings
from babelbits.study.config.spec import BUNDLED, ModelSpec

if TYPE_CHECKING:
    from babelbits.study.config.file_model import ModelTable

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def absolute(written: str, home: Path) -> Path:
    """A path of the study, absolute.

    Parameters
    ----------
    home : Path
        Folder where relative paths start.
    """
    return (home / Path(written).expanduser()).resolve()


def resolve_model(table: "ModelTable", found: Findings, *, home: Path) -> ModelSpec:
    """The model of a table with `path` and `revision`; what is wrong is noted and kept."""
    served = table.endpoint
    if served is not None and "path" not in table.model_fields_set:
        return ModelSpec(path=f"{served.url} {served.model}", is_elsewhere=True)
    folder = resolve_path(table.path, found, home=home)
    if "revision" in table.model_fields_set and (table.path == BUNDLED or folder is not None):
        found.note("only a hub model has a revision", "revision", hint="leave it out", part="key")
    given = {name: value for name, value in table.given().items() if name != "endpoint"}
    return ModelSpec(**{**given, "path": table.path, "folder": folder})


def resolve_path(path: str, found: Findings, *, home: Path) -> Path | None:
    """The folder or GGUF file of a model; None for the bundled one and what is on the hub.

    Parameters
    ----------
    path : str
        As in `ModelSpec.path`.
    found : Findings
        About the table where `path` stands.
    home : Path
        Folder where relative paths start.
    """
    if path == BUNDLED:
        return None
    local = absolute(path, home)
    looks_local = path.startswith((".", "/", "~")) or "\\" in path or local.is_dir()
    if path.endswith(".gguf") and not local.is_dir():
        looks_local = True
        if not local.is_file():
            found.note(f"there is no GGUF file {str(local)!r}", "path")
    elif looks_local and not local.is_dir():
        found.note(f"there is no model folder {str(local)!r}", "path")
    elif not looks_local and not _HUB_ID.fullmatch(path):
        found.note(
            f"{path!r} is neither a folder nor a hub id",
            "path",
            hint="a hub id looks like 'owner/model'",
        )
    return local if looks_local else None
