"""How often an identifier is wrong, language by language, on text whose language is known.

Measured on NTREX-128 (professional translations of news, a segment a line) under the very rules of
the line-level pass rate: punctuation dropped, lines of five or more tokens, the identifier's
threshold. `errors.json` holds what was measured of the identifiers that need no download; a model
from a path is measured by `babelbits tasks identifier`. An error rate of e lowers the pass rate of
one-line answers by about e, and of answers of n lines by up to 1 - (1 - e)^n: for every variant
alike, so that differences are hurt less than levels.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from babelbits.errors import TaskError
from babelbits.tasks.language_id.base import Identifier, is_same_language
from babelbits.words import plural

FILE = "errors.json"
_WORTH_TELLING = 5
"""Lines that must be taken for one language before a note names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRate:
    """An identifier on the lines of one language."""

    language: str
    n_lines: int
    wrong: int
    """Lines that it took for another language, or was not sure of."""
    unsure: int
    """Of these, those it was not sure of."""
    mistaken_for: tuple[tuple[str, int], ...]
    """Labels and counts of the others, most frequent first."""

    @property
    def rate(self) -> float:
        """Share of wrong lines."""
        return self.wrong / self.n_lines


def measure_error_rate(lines: Iterable[str], language: str, identifier: Identifier) -> ErrorRate:
    """Identify lines that are all in `language`.

    Raises
    ------
    TaskError
        If there are no lines.
    """
    guesses = [identifier.guess(line) for line in lines]
    if not guesses:
        raise TaskError(f"no lines of five or more words in language '{language}'")
    wrong = [guess for guess in guesses if not is_same_language(guess.code, language)]
    labels = Counter(guess.label for guess in wrong if guess.code is not None)
    return ErrorRate(
        language=language,
        n_lines=len(guesses),
        wrong=len(wrong),
        unsure=len(wrong) - labels.total(),
        mistaken_for=tuple(labels.most_common()),
    )


def read_measured(identifier: Identifier) -> Mapping[str, ErrorRate]:
    """What is on record about an identifier, by language; empty for one that is not on record."""
    table: dict[str, Any] = _table().get(identifier.recipe, {})
    return {code: _from_row(code, row) for code, row in table.items()}


def note_errors(identifier: Identifier, language: str) -> str:
    """One sentence for people who read a pass rate."""
    found = read_measured(identifier).get(language)
    head = f"languages identified by {identifier.name}"
    if found is None:
        return f"{head}; its error rate in {language} is not on record"
    said = (
        f"{head}: wrong on {found.rate:.1%} of {plural(found.n_lines, 'NTREX line')} in {language}"
    )
    label, count = found.mistaken_for[0] if found.mistaken_for else ("", 0)
    return said if count < _WORTH_TELLING else f"{said}, most often taken for {label} ({count})"


def to_row(found: ErrorRate) -> list[Any]:
    """An error rate as `errors.json` holds it, the three most frequent mistakes only."""
    mistakes = [list(pair) for pair in found.mistaken_for[:3]]
    return [found.n_lines, found.wrong, found.unsure, mistakes]


def _from_row(code: str, row: list[Any]) -> ErrorRate:
    n_lines, wrong, unsure, mistakes = row
    pairs = tuple((str(label), int(count)) for label, count in mistakes)
    return ErrorRate(language=code, n_lines=n_lines, wrong=wrong, unsure=unsure, mistaken_for=pairs)


@cache
def _table() -> dict[str, Any]:
    text = files("babelbits.tasks.language_id").joinpath(FILE).read_text("utf-8")
    table: dict[str, Any] = json.loads(text)
    return table
