"""An identifier by its name, or by the path of a fastText model; each is opened once a process."""

from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from babelbits.errors import MissingExtraError, UnknownNameError
from babelbits.suggest import did_you_mean
from babelbits.tasks.language_id import fasttext
from babelbits.tasks.language_id.base import Guess, Identifier, find_code

LINGUA = "lingua"


class Lingua:
    """lingua over all its 75 languages, in its high-accuracy mode, independent of fastText.

    Slower than fastText (about a millisecond a line, some 1 GB of memory). Its scores are shared
    out among the languages, so that a right guess may have a low one: any positive score counts.

    Raises
    ------
    MissingExtraError
        If lingua is not installed.
    """

    name = LINGUA

    def __init__(self) -> None:
        try:
            from lingua import Language, LanguageDetectorBuilder
        except ImportError as error:
            raise MissingExtraError(
                "the identifier 'lingua' needs lingua", hint="pip install 'babelbits[lingua]'"
            ) from error
        self._detector: Any = LanguageDetectorBuilder.from_all_languages().build()
        labels = [_label(language) for language in Language.all()]
        self._codes = {label: find_code(label) for label in labels}
        self._known = {code.partition("-")[0] for code in self._codes.values() if code}

    @property
    def recipe(self) -> str:
        """Version and threshold; the models are part of the package."""
        return f"lingua {version('lingua-language-detector')}, all languages, score > 0"

    def knows(self, code: str) -> bool:
        """Whether it is one of lingua's languages."""
        return code.partition("-")[0] in self._known

    def guess(self, text: str) -> Guess:
        """The language of highest confidence."""
        first = self._detector.compute_language_confidence_values(text)[0]
        label, score = _label(first.language), float(first.value)
        if score <= 0:  # nothing to go by: all languages are alike, in no fixed order
            return Guess(code=None, label="none", score=0.0)
        return Guess(code=self._codes[label], label=label, score=score)


def _label(language: Any) -> str:
    return str(language.iso_code_639_1.name).lower()


LITE = "lite"
NAMES = (LITE, LINGUA)
_MODEL_FILES = (".bin", ".ftz")


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifierOptions:
    """`[[tasks]]` of suites that identify languages."""

    identifier: str | None = None
    """'lite', 'lingua', or a fastText model's path; None is 'lite'."""


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
        return fasttext.open_lite()
    return Lingua() if name == LINGUA else _model(Path(name))


def _model(path: Path) -> Identifier:
    return fasttext.FastText(path, name=path.name)
