"""Votes in a file: JSON Lines, one `Vote` a line, whoever gave it."""

from collections.abc import Iterable
from pathlib import Path

from babelbits.preferences.votes import Vote
from babelbits.records import canonical_json
from babelbits.store.atomic import write_atomically
from babelbits.store.codec import from_json, to_json
from babelbits.tasks.reading import read_jsonl


def write_votes(path: Path, votes: Iterable[Vote], *, private: bool = False) -> None:
    """Write votes, whole or not at all; with `private`, for their owner alone.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    lines = [canonical_json(to_json(vote)) for vote in votes]
    write_atomically(path, "".join(f"{line}\n" for line in lines).encode(), private=private)


def read_votes(path: Path) -> tuple[Vote, ...]:
    """Read votes in the file's order.

    Raises
    ------
    TaskError, StoreError
        If the file cannot be read, or a line is no vote.
    """
    return tuple(
        from_json(Vote, row, where=f"{path}: row {number}")
        for number, row in enumerate(read_jsonl(path), start=1)
    )
