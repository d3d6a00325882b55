"""The mistakes in a study file: collected, then shown all at once with line and caret.

Nothing here knows what a study is. What is quoted from the file is made harmless for terminals.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from babelbits.errors import BabelbitsError, StudyError
from babelbits.study.config.toml_positions import Path, Span, TomlPlace, find_line_and_column, scan
from babelbits.suggest import did_you_mean
from babelbits.words import plural

_JOINERS = "\u200c\u200d"  # needed to write Persian or Malayalam, harmless elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyProblem:
    """One mistake, still without its place in the file."""

    path: Path
    """The key it is about; the nearest enclosing table is pointed at if the key is missing."""
    message: str
    hint: str | None = None
    part: Literal["key", "value"] = "value"


@dataclass(frozen=True, slots=True)
class Findings:
    """Where checks note what is wrong with one table of a file; those of all tables share a list.

    Parameters
    ----------
    problems : list of Problem
        Appended to.
    path : tuple
        Where the table is, from the root.
    """

    problems: list[StudyProblem]
    path: Path = ()

    def at(self, *below: str | int) -> "Findings":
        """Of a table inside this one."""
        return Findings(self.problems, (*self.path, *below))

    def note(
        self,
        message: str,
        *below: str | int,
        hint: str | None = None,
        part: Literal["key", "value"] = "value",
    ) -> None:
        """Note a problem with the key at `below`, or with the table itself."""
        path = (*self.path, *below)
        self.problems.append(StudyProblem(path=path, message=message, hint=hint, part=part))

    @contextmanager
    def noting(self, *below: str | int) -> Iterator[None]:
        """Note an error of the code inside as a problem with the key at `below`."""
        try:
            yield
        except BabelbitsError as error:
            self.note(error.what, *below, hint=error.hint)


def note_unknown_key(path: Path, known: Iterable[str], *, hint: str | None = None) -> StudyProblem:
    """A key that its table does not have; the hint names the nearest of those that it has."""
    *tables, key = (part for part in path if isinstance(part, str))
    table = f"'{tables[-1]}'" if tables else "the file"
    if len(tables) == 1:
        table = f"[[{tables[0]}]]" if isinstance(path[-2], int) else f"[{tables[0]}]"
    advice = hint or did_you_mean(key, known) or f"it may have: {', '.join(known)}"
    message = f"unknown key {key!r} in {table}"
    return StudyProblem(path=path, message=message, hint=advice, part="key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One mistake with its place, for machines."""

    line: int
    column: int
    message: str
    hint: str | None


class StudyFileError(StudyError):
    """A study file has mistakes; the message shows every one at file:line:column."""

    def __init__(self, what: str, *, mistakes: Sequence[Mistake]) -> None:
        super().__init__(what)
        self.mistakes = tuple(mistakes)


def locate_problems(problems: Sequence[StudyProblem], *, text: str, file: str) -> StudyFileError:
    """The error that shows `problems` in the order of the file.

    Parameters
    ----------
    problems : sequence of Problem
        At least one.
    text : str
        The file's text, valid TOML with line feeds.
    file : str
        Its name as the user typed it.
    """
    places = scan(text)
    spans = [(_span(problem, places), problem) for problem in problems]
    spans.sort(key=lambda pair: pair[0].start)
    return make_error_at([(span, p.message, p.hint) for span, p in spans], text=text, file=file)


def make_error_at(
    found: Sequence[tuple[Span, str, str | None]], *, text: str, file: str
) -> StudyFileError:
    """The error that shows messages with hints at spans of `text`."""
    mistakes, blocks = [], []
    for span, what, to_do in found:
        message, hint = make_harmless(what), None if to_do is None else make_harmless(to_do)
        line, column = find_line_and_column(text, span.start)
        mistakes.append(Mistake(line=line, column=column, message=message, hint=hint))
        excerpt = _excerpt(text, span, line=line, column=column)
        advice = f"\n      {hint}" if hint else ""
        blocks.append(f"{make_harmless(file)}:{line}:{column}: {message}\n{excerpt}{advice}")
    count = plural(len(found), "mistake")
    return StudyFileError(f"{count} in the study\n\n" + "\n\n".join(blocks), mistakes=mistakes)


def _span(problem: StudyProblem, places: Mapping[Path, TomlPlace]) -> Span:
    """Where to point: the key or value itself, or the header of the table it is missing from."""
    for length in range(len(problem.path), 0, -1):
        place = places.get(problem.path[:length])
        if place is not None:
            exact = length == len(problem.path)
            return place.value if exact and problem.part == "value" else place.key
    return Span(0, 0)


def _excerpt(text: str, span: Span, *, line: int, column: int) -> str:
    """The source line with a caret line under the span."""
    source = text.split("\n")[line - 1]
    stop = min(column - 1 + max(1, span.stop - span.start), max(column, len(source)))
    indent = " " * _width(source[: column - 1])
    carets = "^" * max(1, _width(source[column - 1 : stop]))
    return f"{line:>5} | {make_harmless(source)}\n      | {indent}{carets}"


def make_harmless(text: str) -> str:
    """`text` on one line, with every character that could steer a terminal shown as a box."""
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character == "\t":
        return " "
    return (
        character
        if character.isprintable() or character in _JOINERS
        else "\N{REPLACEMENT CHARACTER}"
    )


def _width(text: str) -> int:
    """Columns that `text` takes in a terminal."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character) or character in _JOINERS:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def make_syntax_error(error: ValueError, *, text: str, file: str) -> StudyFileError:
    """A `tomllib.TOMLDecodeError` shown like every other mistake."""
    message = str(error)
    found = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    if found is None:
        start = max(0, len(text.rstrip("\n")) - 1)
        message = message.removesuffix(" (at end of document)") + ", and the file ends here"
    else:
        line, column = int(found[1]), int(found[2])
        start = sum(len(row) + 1 for row in text.split("\n")[: line - 1]) + column - 1
        message = message[: found.start()]
    hint = 'texts stand in quotes: recipe = "w4-g"' if "Invalid value" in message else None
    span = Span(start, start + 1)
    return make_error_at(
        [(span, f"not valid TOML: {make_harmless(message)}", hint)], text=text, file=file
    )
