"""A preference as another tool exported it, before it is known which side was the variant.

And what reads such an export: a `VoteImporter`, one a tool, each a row of `registry.VOTES`.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from babelbits.errors import TaskError
from babelbits.suggest import did_you_mean
from babelbits.tasks.reading import read_jsonl, read_text

Choice = Literal["left", "right", "variant", "baseline", "tie", "unusable"]
"""unusable: neither answer is of use; a tie with a flag."""

_WORDS: Mapping[str, Choice] = MappingProxyType(
    {
        **dict.fromkeys(("left", "a", "1", "first", "answer1", "response1", "text1"), "left"),
        **dict.fromkeys(("right", "b", "2", "second", "answer2", "response2", "text2"), "right"),
        **dict.fromkeys(("variant", "quantized"), "variant"),
        **dict.fromkeys(("baseline", "reference"), "baseline"),
        **dict.fromkeys(("tie", "same", "equal", "0", "both good", "draw"), "tie"),
        **dict.fromkeys(("unusable", "both unusable", "both bad", "neither"), "unusable"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawVote:
    """One judgment, oriented by side."""

    where: str
    """Place in the file, for error messages."""
    rater: str | None
    """None where the export does not say who judged."""
    choice: Choice
    pair_id: str | None = None
    prompt: str | None = None
    left: str | None = None
    right: str | None = None
    """Texts that were shown; None where the export names the pair instead."""
    variant_side: Literal["left", "right"] | None = None
    """Which side was the variant, where the export says so."""
    strength: int | None = None
    """1 or 2: how much better; None where it was not asked."""
    reasons: tuple[str, ...] = ()
    seconds: float | None = None
    given_at: datetime | None = None
    """When it was given or last changed; None where the export does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A row that is no judgment that can be used, and why."""

    where: str
    what: str


Row = RawVote | Unreadable | None
"""None: skipped, a draft, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What the user says about an export."""

    means: Mapping[str, Choice] = field(default_factory=dict)
    """Answers in the raters' own words; `parse_choice` takes it."""
    rater_column: str | None = None
    """Which column or field names the rater; None: the format's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteImporter:
    """Reads what people preferred in one annotation tool: what a row of `registry.VOTES` names.

    It says what stands in the file. Which pair a row is about, and which side was the variant, is
    found out afterwards, for all tools alike.
    """

    name: str
    """The row's name; kept beside the votes."""
    sign: str
    """What a file of this tool is, as the end of 'neither ..., nor ...'."""
    looks_like: Callable[[Path], bool]
    """Whether a file is this tool's, by what it holds. Raises nothing but OSError."""
    read: Callable[[Path, ImportOptions], Iterable[Row]]
    """Every judgment in the file's order. A row that cannot be used is an `Unreadable`; a file that
    cannot be read is a TaskError."""


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Objects of a JSON array, or of JSON lines; what is no object is left out.

    Raises
    ------
    TaskError
        If it is neither.
    """
    text = read_text(path)
    if not text.lstrip().startswith("["):
        return read_jsonl(path)
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise TaskError(f"not JSON: {error}", where=str(path)) from error
    return [row for row in rows if isinstance(row, dict)]


def have_all_rows(path: Path, names: Iterable[str]) -> bool:
    """Whether a file is JSON, and has rows, all of them with these fields."""
    try:
        rows = read_rows(path)
    except TaskError:
        return False
    return bool(rows) and all(name in row for row in rows for name in names)


def describe_error(error: Exception) -> str:
    """Why a row could not be read, in words."""
    if isinstance(error, TaskError):
        return error.what
    return f"its parts are not where they belong ({type(error).__name__}: {error})"


def parse_time(value: object) -> datetime | None:
    """A moment from ISO 8601 or from seconds since 1970; None for anything else."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        found = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def strip_text(value: object) -> str | None:
    """Text without white space around it; None where nothing is left."""
    return None if value is None else str(value).strip() or None


def parse_choice(
    word: str, *, where: str, means: Mapping[str, Choice] = MappingProxyType({})
) -> Choice:
    """What an answer means.

    Parameters
    ----------
    word : str
        As exported; case, underscores and hyphens do not matter.
    means : mapping
        The user's own words, before the usual ones.

    Raises
    ------
    TaskError
        If its meaning is not declared.
    """
    plain = word.strip().lower().replace("_", " ").replace("-", " ")
    plain = plain if plain in _WORDS or plain in means else plain.replace(" ", "")
    own = {key.lower(): value for key, value in means.items()}
    choice = own.get(word.strip().lower()) or own.get(plain) or _WORDS.get(plain)
    if choice is None:
        raise TaskError(
            f"the meaning of the answer {word!r:.60} is not declared",
            where=where,
            hint=did_you_mean(plain, _WORDS) or f'say it: --means "{word:.40}=left"',
        )
    return choice
