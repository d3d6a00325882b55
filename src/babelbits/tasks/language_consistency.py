"""Where in a long answer its language changes and its words come again. Pure functions.

Positions are in tokens of the base model's tokenizer, counted from 1. A share is a fraction; None
where there is nothing to take a share of.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

NGRAM = 4
"""Length in tokens of what counts as said before (seq-rep-4; Welleck et al. 2020, ICLR,
arXiv 1908.04319)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPiece:
    """Some tokens of an answer that follow each other."""

    number: int
    """From 0: the piece of tokens `number * size + 1` to `(number + 1) * size`."""
    text: str
    repeated: float | None
    """Share of its n-grams that stand earlier in the same answer; an n-gram belongs to the piece
    of its last token."""


def name_pieces(tokens: int, size: int) -> list[str]:
    """What the pieces of an answer of at most `tokens` tokens are called: '1-64', '65-128', ..."""
    return [f"{start + 1}-{min(start + size, tokens)}" for start in range(0, tokens, size)]


def cut(
    text: str, ids: Sequence[int], spans: Sequence[tuple[int, int]], *, size: int
) -> list[AnswerPiece]:
    """The pieces of an answer; a last one of less than half the size is too short to judge.

    The first piece is always there, so that every answer has one.

    Parameters
    ----------
    text : str
        The answer.
    ids : sequence of int
        Its tokens.
    spans : sequence of (int, int)
        Where each token stands in the text, in characters.
    size : int
        Tokens of a piece.
    """
    seen = mark_repeated(ids)
    pieces = []
    for number, start in enumerate(range(0, max(len(ids), 1), size)):
        end = min(start + size, len(ids))
        if number and end - start < size / 2:
            break
        first = spans[start][0] if ids else 0
        pieces.append(
            AnswerPiece(
                number=number,
                text=text[first : spans[end - 1][1]] if ids else text,
                repeated=measure_share(seen[max(start - NGRAM + 1, 0) : max(end - NGRAM + 1, 0)]),
            )
        )
    return pieces


def mark_repeated(ids: Sequence[Hashable], *, size: int = NGRAM) -> list[bool]:
    """Of every n-gram of tokens, in order: whether it stands earlier in the sequence."""
    seen: set[tuple[Hashable, ...]] = set()
    found = []
    for start in range(len(ids) - size + 1):
        gram = tuple(ids[start : start + size])
        found.append(gram in seen)
        seen.add(gram)
    return found


def measure_share(flags: Sequence[bool]) -> float | None:
    """Share of what is true; None of nothing."""
    return sum(flags) / len(flags) if flags else None


def average_known(values: Sequence[float | None]) -> float | None:
    """Mean of what is known; None if nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
