"""lingua as an identifier: 75 languages, n-grams and rules, independent of fastText.

Slower than fastText (about a millisecond a line, some 1 GB of memory). Its scores are shared out
among 75 languages, so that a right guess may have a low one: any positive score counts.
"""

from importlib.metadata import version
from typing import Any

from babelbits.errors import MissingExtraError
from babelbits.tasks.language_id.base import Guess, code_of

NAME = "lingua"


class Lingua:
    """lingua over all its languages, in its high-accuracy mode.

    Raises
    ------
    MissingExtraError
        If lingua is not installed.
    """

    name = NAME

    def __init__(self) -> None:
        try:
            from lingua import Language, LanguageDetectorBuilder
        except ImportError as error:
            raise MissingExtraError(
                "the identifier 'lingua' needs lingua", hint="pip install 'babelbits[lingua]'"
            ) from error
        self._detector: Any = LanguageDetectorBuilder.from_all_languages().build()
        labels = [_label(language) for language in Language.all()]
        self._codes = {label: code_of(label) for label in labels}
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
