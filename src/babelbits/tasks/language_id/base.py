"""What an identifier of languages is: a line of text in, the likeliest language out.

Identifiers tell languages apart, not scripts: `is_same_language` ignores the script. Scores are
between 0 and 1 and belong to their identifier: those of two identifiers cannot be compared.
"""

from dataclasses import dataclass
from typing import Protocol

from babelbits.errors import MissingExtraError, UnknownNameError
from babelbits.languages import resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What an identifier says about a line."""

    code: str | None
    """Canonical code; None where it is not sure enough, or its label is no language of ours."""
    label: str
    """The identifier's own name of its likeliest language."""
    score: float
    """How sure it is, 0 to 1."""

    @property
    def said(self) -> str:
        """For people, e.g. 'en (0.98)'."""
        unsure = "" if self.code is not None else "unsure, perhaps "
        return f"{unsure}{self.code or self.label} ({self.score:.2f})"


class Identifier(Protocol):
    """Names the language of a line; a guess depends on nothing but the line."""

    @property
    def name(self) -> str:
        """How a study names it: 'lite', 'lingua', or a model's file name."""

    @property
    def recipe(self) -> str:
        """Everything its guesses depend on: model, hash, library and version, threshold."""

    def knows(self, code: str) -> bool:
        """Whether it has a name for the language `code`, in whatever script."""

    def guess(self, text: str) -> Guess:
        """The likeliest language of `text`; line feeds count as spaces."""


class Absent:
    """Stands for an identifier whose library is not here: plans can be made, nothing be scored.

    Parameters
    ----------
    name : str
        The identifier's.
    error : MissingExtraError
        Raised when a language is asked for.
    """

    def __init__(self, name: str, error: MissingExtraError) -> None:
        self.name = name
        self.recipe = f"{name}, not installed"
        self._error = error

    def knows(self, code: str) -> bool:  # noqa: ARG002  nobody can tell
        """True: the real one will say."""
        return True

    def guess(self, text: str) -> Guess:  # noqa: ARG002  the protocol's signature
        """Never.

        Raises
        ------
        MissingExtraError
            Always.
        """
        raise self._error


def is_same_language(one: str | None, other: str) -> bool:
    """Whether two canonical codes are of one language, in whatever script; None is none."""
    return one is not None and one.partition("-")[0] == other.partition("-")[0]


def find_code(label: str) -> str | None:
    """Canonical code of an identifier's label; None where it names no registered language."""
    try:
        return resolve(label).code
    except UnknownNameError:
        return None
