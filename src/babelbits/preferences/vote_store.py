"""The votes that are recorded beside a run: a folder for each judge, and for each panel of people.

    PARENT/                 RUN/judgments, or beside a file of pairs
      ID/judge.json         who judged; `name`, and `simulated` where nobody did
      ID/votes.jsonl        its votes

Reading changes nothing. A folder without votes is a judge who has not finished, and is left out.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from babelbits.errors import StoreError
from babelbits.preferences.votes import JudgeKind, Vote, read_votes, write_votes
from babelbits.records import canonical_json, digest
from babelbits.store.atomic import store_errors, write_atomically

JUDGE, VOTES = "judge.json", "votes.jsonl"
SIMULATED = "SIMULATED"
"""A judge whose name says so is believed."""
PEOPLE = "people"
"""Mode of a panel of people, where a judge has pairwise, direct or reward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedVotes:
    """All votes of one judge or one panel."""

    name: str
    """For people to read; unique among the books of a run."""
    kind: JudgeKind
    simulated: bool
    """Nobody gave these votes: a program made them up, to show or to test the way."""
    votes: tuple[Vote, ...]
    identity: Mapping[str, Any]


def read_books(parent: Path) -> tuple[RecordedVotes, ...]:
    """Every book in `parent`, models before people, each in the order of names.

    Raises
    ------
    StoreError, TaskError
        If a record is damaged.
    """
    if not parent.is_dir():
        return ()
    found = [_read(folder) for folder in sorted(parent.iterdir()) if (folder / VOTES).is_file()]
    books = sorted(
        (book for book in found if book.votes), key=lambda b: (b.kind == "human", b.name)
    )
    return _distinctly_named(books)


def write_people(
    parent: Path,
    votes: Iterable[Vote],
    *,
    name: str,
    origin: Mapping[str, Any],
    simulated: bool,
) -> Path:
    """Put people's votes beside a run; the same panel again replaces what it said before.

    Returns
    -------
    Path
        The panel's folder.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    folder = parent / f"people-{digest([PEOPLE, name])}"
    record = {"mode": PEOPLE, "name": name, "simulated": simulated, "origin": dict(origin)}
    with store_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / JUDGE, canonical_json(record).encode() + b"\n")
    write_votes(folder / VOTES, votes)
    return folder


def _read(folder: Path) -> RecordedVotes:
    path = folder / JUDGE
    try:
        identity = json.loads(path.read_text("utf-8"))
        name = str(identity["name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"the record of a judge cannot be read: {error}",
            where=str(path),
            hint="judge again, or move the folder away",
        ) from error
    votes = read_votes(folder / VOTES)
    kinds = sorted({vote.kind for vote in votes})
    if len(kinds) > 1:
        raise StoreError(f"votes of {' and '.join(kinds)} in one file", where=str(folder / VOTES))
    return RecordedVotes(
        name=name,
        kind=kinds[0] if kinds else "llm",
        simulated=bool(identity.get("simulated", False)) or SIMULATED in name,
        votes=votes,
        identity=identity,
    )


def _distinctly_named(books: list[RecordedVotes]) -> tuple[RecordedVotes, ...]:
    """The same model with two templates is two judges: the second is '<name> (2)'."""
    seen: dict[str, int] = {}
    found = []
    for book in books:
        seen[book.name] = seen.get(book.name, 0) + 1
        number = seen[book.name]
        found.append(book if number == 1 else replace(book, name=f"{book.name} ({number})"))
    return tuple(found)
