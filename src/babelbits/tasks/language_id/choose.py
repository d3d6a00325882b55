"""An identifier by its name, or by the path of a fastText model; each is opened once a process."""

from functools import cache
from pathlib import Path

from babelbits.errors import UnknownNameError
from babelbits.suggest import did_you_mean
from babelbits.tasks.language_id import fasttext, lingua
from babelbits.tasks.language_id.base import Identifier

LITE = "lite"
NAMES = (LITE, lingua.NAME)
_MODEL_FILES = (".bin", ".ftz")


def check_name(name: str, *, home: Path | None = None) -> str:
    """`name` itself if it is an identifier's; an absolute path if it is that of a model.

    Parameters
    ----------
    name : str
        'lite', 'lingua', or the path of a fastText model (lid.176.bin, GlotLID's model.bin).
    home : Path, optional
        Where relative paths start; the working directory if left out.

    Raises
    ------
    UnknownNameError
        If it is neither, or there is no such file.
    """
    if name in NAMES:
        return name
    if not name.endswith(_MODEL_FILES):
        near = did_you_mean(name, NAMES)
        kinds = f"{', '.join(NAMES)}, or the path of a fastText model (.bin, .ftz)"
        raise UnknownNameError(f"unknown identifier {name!r}", hint=near or f"there is {kinds}")
    path = ((home or Path()) / Path(name).expanduser()).resolve()
    if not path.is_file():
        raise UnknownNameError(f"there is no fastText model {str(path)!r}")
    return str(path)


def open_identifier(name: str | None = None) -> Identifier:
    """The identifier called `name`; None is 'lite'.

    Raises
    ------
    UnknownNameError
        If there is none.
    MissingExtraError
        If its library is not installed.
    TaskError
        If the file is not a fastText model of languages.
    """
    return _opened(check_name(LITE if name is None else name))


@cache
def _opened(name: str) -> Identifier:
    if name == LITE:
        return fasttext.lite()
    return lingua.Lingua() if name == lingua.NAME else _model(Path(name))


def _model(path: Path) -> Identifier:
    return fasttext.FastText(path, name=path.name)
