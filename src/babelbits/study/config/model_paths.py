"""A model as a study file writes it, to where it lies: bundled, a folder, a file, or on the hub.

Looks at names on this disk only; nothing is opened. What is on the hub stays a name here
(`hub_names`).
"""

from pathlib import Path
from typing import TYPE_CHECKING

from babelbits.llamacpp.gguf_parts import find_first_part, is_beside, select_models
from babelbits.study.config import hub_names
from babelbits.study.config.problems import Findings
from babelbits.study.config.spec import BUNDLED, ModelSpec

if TYPE_CHECKING:
    from babelbits.study.config.file_model import ModelTable

_HUB = "hub:"


def make_absolute(written: str, home: Path) -> Path:
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
    if path.startswith(_HUB):
        _check_hub(path, found)
        return None
    local = make_absolute(path, home)
    if local.is_dir():
        return _in_folder(local)
    if path.endswith(".gguf"):
        return _file(local, found)
    if path.startswith((".", "/", "~")) or "\\" in path:
        found.note(f"there is no model folder {str(local)!r}", "path")
        return local
    _check_hub(path, found)
    return None


def _check_hub(path: str, found: Findings) -> None:
    if hub_names.parse(path) is None:
        found.note(
            f"{path!r} is neither a folder nor a hub id",
            "path",
            hint=f"on the hub a model is {hub_names.WAYS}",
        )


def _in_folder(folder: Path) -> Path:
    """The folder of a checkpoint; of a folder with one GGUF model and no checkpoint, that model.

    A projector for images or an importance matrix beside the model is passed over.
    """
    if (folder / "config.json").is_file():
        return folder
    models = select_models(path.name for path in folder.glob("*.gguf"))
    return folder / models[0] if len(models) == 1 else folder


def _file(file: Path, found: Findings) -> Path:
    """A GGUF file; the first of its parts, whichever is named."""
    if not file.is_file():
        found.note(f"there is no GGUF file {str(file)!r}", "path")
        return file
    if is_beside(file.name):
        found.note(
            f"{file.name!r} is a part for images, or an importance matrix, and no language model",
            "path",
            hint="name the GGUF file beside it",
        )
    return find_first_part(file)
