"""One judgment on one pair, by whomever it was made: an LLM, a reward model or a person.

What a vote means is the same for all three, so that they can be held against each other; whether
they can be pooled is another matter, and they are not. Sign: positive prefers the variant, so harm
is negative.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from babelbits.records import canonical_json
from babelbits.store.atomic import write_atomically
from babelbits.store.codec import from_json, to_json
from babelbits.tasks.reading import read_jsonl

JudgeKind = Literal["llm", "reward", "human", "metric"]
Verdict = Literal["variant", "baseline", "tie", "inconsistent", "refused", "unparsed", "error"]
"""inconsistent: the two orders disagree, which is no tie. The last three are no verdict: the pair
is dropped from both arms, and counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What one judge says of one pair."""

    pair_id: str
    source_id: str
    language: str
    variant: str
    judge: str
    """A rater's pseudonym, or the name of a model with its template."""
    kind: JudgeKind
    verdict: Verdict
    value: float | None
    """In [-1, 1]; +1 prefers the variant; 0 is a tie; the mean of two orders; None: no verdict."""
    strength: int | None = None
    """-2 to 2 on a five-step scale; secondary, never a weight. None where it was not asked."""
    both_unusable: bool = False
    reasons: tuple[str, ...] = ()
    seconds: float | None = None
    """Time on the pair; None where it was not measured."""


# --- in a file: JSON Lines, one vote a line -------------------------------------------------------


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
