"""What is translated, from what, into what, and what passes. Nothing here reads a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelbits.errors import StudyError
from babelbits.languages import resolve

CHECKS_VERSION = 1
"""Changes whenever the same translation could pass or fail differently."""
BACK_TRANSLATION = 40.0
"""chrF of the back-translation against the source, of 100. See docs/translate.md for its error."""
SHORTEST_BACK = 30
"""Characters of source below which a chrF says little: measured, not held against a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationJob:
    """One file into one language.

    Raises
    ------
    StudyError
        If the languages are the same, or a number is impossible.
    """

    source: Path
    output: Path
    """Folder."""
    target_language: str
    """Canonical code."""
    source_language: str = "en"
    columns: tuple[str, ...] = ()
    """Of rows; empty: those of a known layout."""
    back_translation: float | None = BACK_TRANSLATION
    """Least chrF, 0 to 100; None: not translated back."""
    max_new_tokens: int = 4096
    """Of one request, at most; fewer are asked where the text is short."""
    limit: int | None = None
    """First n units only."""

    def __post_init__(self) -> None:
        if self.source_language == self.target_language:
            raise StudyError(
                f"from and to are the same language: {self.target_language}", where="to"
            )
        if self.back_translation is not None and not 0 <= self.back_translation <= 100:
            raise StudyError(
                f"must be between 0 and 100 (chrF), not {self.back_translation:g}",
                where="back_translation",
            )
        for name, value in (("max_new_tokens", self.max_new_tokens), ("limit", self.limit)):
            if value is not None and value < 1:
                raise StudyError(f"must be at least 1, not {value}", where=name)

    @property
    def work(self) -> Path:
        """Where failures, answers and the journal are: apart from data, which folders name."""
        return self.output / f"{self.target_language}.translation"

    @property
    def reports(self) -> Path:
        """Where summary and failures are; a trial of the first n units has its own place."""
        return self.work if self.limit is None else self.work / f"first-{self.limit}"

    def identity(self, model: Mapping[str, Any]) -> dict[str, Any]:
        """What decides whether a finished unit is still good; never paths or speed."""
        return {
            "checks": CHECKS_VERSION,
            "from": self.source_language,
            "to": self.target_language,
            "back_translation": self.back_translation,
            "max_new_tokens": self.max_new_tokens,
            "model": dict(model),
        }


def name_language(code: str) -> str:
    """A language for a model to read, e.g. 'Norwegian Bokmål (nb)'."""
    return f"{resolve(code).name} ({code})"
