"""Reading one TOML table with checks that never stop at the first mistake.

A *check* is a function that returns the value it was given, converted, or raises `Wrong`. A `Table`
applies checks to keys, notes every problem with its path, and at the end names the keys that nobody
asked for.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from babelbits.errors import BabelbitsError
from babelbits.study.config.problems import StudyProblem
from babelbits.study.config.toml_positions import Path
from babelbits.suggest import did_you_mean, one_of

T = TypeVar("T")
Check = Callable[[Any], T]


class Wrong(Exception):  # noqa: N818  not an error of the program: a finding about a value
    """A value does not pass a check."""

    def __init__(self, message: str, *, hint: str | None = None, at: Path = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.at = at
        """Path below the checked key, for mistakes inside an array."""


class Table:
    """One table of the file, and the problems found in it so far.

    Parameters
    ----------
    data : mapping
        What `tomllib` made of the table.
    path : tuple
        Where the table is, from the root.
    problems : list of Problem
        Shared by all tables of a file; appended to.
    """

    def __init__(
        self, data: Mapping[str, Any], *, path: Path, problems: list[StudyProblem]
    ) -> None:
        self.data = data
        self.path = path
        self.problems = problems
        self._known: list[str] = []

    def get(self, key: str, check: Check[T], default: T) -> T:
        """The checked value of `key`; `default` where it is absent or wrong."""
        self._known.append(key)
        if key not in self.data:
            return default
        found = self._checked(key, check)
        return default if found is None else found

    def need(self, key: str, check: Check[T], *, example: str) -> T | None:
        """The checked value of a key that must be there; None (and a problem) otherwise."""
        self._known.append(key)
        if key not in self.data:
            self.complain(f"'{key}' is missing", key, hint=f"for example: {example}")
            return None
        return self._checked(key, check)

    def table(self, key: str) -> "Table":
        """The table under `key`; an empty one where it is absent or no table."""
        self._known.append(key)
        data = self.data.get(key, {})
        if not isinstance(data, dict):
            self.complain(f"'{key}' must be a table", key, hint=f"write it as [{key}]")
            data = {}
        return Table(data, path=(*self.path, key), problems=self.problems)

    def tables(self, key: str) -> list["Table"]:
        """The tables of an array of tables."""
        self._known.append(key)
        found = self.data.get(key, [])
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            self.complain(
                f"'{key}' must be an array of tables", key, hint=f"write each as [[{key}]]"
            )
            return []
        path = (*self.path, key)
        return [
            Table(item, path=(*path, number), problems=self.problems)
            for number, item in enumerate(found)
        ]

    def complain(
        self,
        message: str,
        *below: str | int,
        hint: str | None = None,
        part: Literal["key", "value"] = "value",
    ) -> None:
        """Note a problem with the key at `below`, or with the table itself."""
        path = (*self.path, *below)
        self.problems.append(StudyProblem(path=path, message=message, hint=hint, part=part))

    def close(self, *, what: str) -> None:
        """Name the keys that were never asked for; `what` is the table's name for people."""
        for key in self.data:
            if key in self._known:
                continue
            hint = did_you_mean(key, self._known) or (
                f"it may have: {', '.join(self._known)}" if self._known else "it takes none"
            )
            self.complain(f"unknown key {key!r} in {what}", key, hint=hint, part="key")

    def _checked(self, key: str, check: Check[T]) -> T | None:
        try:
            return check(self.data[key])
        except (Wrong, BabelbitsError) as error:
            self._note(key, error)
        except ExceptionGroup as several:
            for one in several.exceptions:
                self._note(key, one)
        return None

    def _note(self, key: str, error: Exception) -> None:
        if isinstance(error, Wrong):
            self.complain(f"'{key}' {error.message}", key, *error.at, hint=error.hint)
        elif isinstance(error, BabelbitsError):
            self.complain(error.what, key, hint=error.hint)
        else:
            raise error


# --- checks ------------------------------------------------------------------------------------

_WORDS = {
    str: "a text",
    bool: "a boolean",
    int: "a whole number",
    float: "a number",
    list: "an array",
}


def kind_of(value: object) -> str:
    """The type of a TOML value in words."""
    return next((word for kind, word in _WORDS.items() if type(value) is kind), "a table or date")


def text(value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str):
        raise Wrong(f"must be a text in quotes, not {kind_of(value)}")
    if not value.strip():
        raise Wrong("must not be empty")
    if "\0" in value:
        raise Wrong("must not hold a NUL character")
    return value


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Wrong(f"must be true or false, not {kind_of(value)}")
    return value


def integer(*, minimum: int, maximum: int | None = None) -> Check[int]:
    """A whole number between two bounds, both included."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Wrong(f"must be a whole number, not {kind_of(value)}")
        if value < minimum:
            raise Wrong(f"must be at least {minimum}, not {value}")
        if maximum is not None and value > maximum:
            raise Wrong(f"must be at most {maximum}, not {value}")
        return value

    return check


def number(*, above: float, below: float, closed: bool = False) -> Check[float]:
    """A finite number between two bounds; `closed` allows the lower bound itself."""

    def check(value: Any) -> float:
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise Wrong(f"must be a number, not {kind_of(value)}")
        if not (above < value < below or (closed and value == above)):
            least = "at least" if closed else "above"
            raise Wrong(f"must be {least} {above:g} and below {below:g}, not {value:g}")
        return float(value)

    return check


def choice(*options: str) -> Check[str]:
    """One of a few words."""

    def check(value: Any) -> str:
        if value in options and isinstance(value, str):
            return value
        near = did_you_mean(value, options) if isinstance(value, str) else None
        raise Wrong(f"must be {one_of(options)}, not {value!r}", hint=near)

    return check


def array(each: Check[T], *, what: str) -> Check[tuple[T, ...]]:
    """An array that is not empty, every element checked; `what` are its elements for people."""

    def check(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise Wrong(f"must be an array of {what}, not {kind_of(value)}")
        if not value:
            raise Wrong(f"must name at least one of the {what}")
        found, wrong = [], []
        for index, item in enumerate(value):
            try:
                found.append(_element(each, item, index))
            except Wrong as one:
                wrong.append(one)
        if wrong:
            raise ExceptionGroup("elements", wrong)
        return tuple(found)

    return check


def _element(each: Check[T], item: Any, index: int) -> T:
    try:
        return each(item)
    except Wrong as wrong:
        raise Wrong(f"[{index}] {wrong.message}", hint=wrong.hint, at=(index, *wrong.at)) from None
    except BabelbitsError as error:
        raise Wrong(f"[{index}]: {error.what}", hint=error.hint, at=(index,)) from None


def unique(values: Sequence[T]) -> tuple[T, ...]:
    """The values without repetitions, in order."""
    return tuple(dict.fromkeys(values))
