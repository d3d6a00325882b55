"""What changed between two outputs: by word where words have spaces, else by grapheme.

One diff for the terminal and for the page. Positions count code points. Pure: text in, spans out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import regex

TOKEN = regex.compile(
    r"(?:(?![\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])"
    r"[\p{L}\p{M}\p{N}\u200c\u200d'’])+|\X"
)
"""A word in scripts that put spaces between words; otherwise one grapheme cluster (UAX #29)."""

LARGEST_TABLE = 1_000_000
"""Beyond this many token pairs, everything between common prefix and suffix counts as changed."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Half-open spans, in code points, that only one side has."""

    before: tuple[Span, ...]
    after: tuple[Span, ...]


def split_tokens(text: str) -> list[str]:
    """Words and single graphemes of `text`, in order; joined they are `text` again."""
    return [match.group() for match in TOKEN.finditer(text)]


def find_changes(before: str, after: str) -> Changes:
    """Spans of `before` that are gone and of `after` that are new."""
    if before == after:
        return Changes(before=(), after=())
    left, right = split_tokens(before), split_tokens(after)
    start, stop = _common_ends(left, right)
    middle_left, middle_right = left[start : len(left) - stop], right[start : len(right) - stop]
    gone, new = _middle_spans(middle_left, middle_right)
    return Changes(before=_to_text(left, gone, start), after=_to_text(right, new, start))


def _common_ends(left: Sequence[str], right: Sequence[str]) -> tuple[int, int]:
    shorter = min(len(left), len(right))
    start = 0
    while start < shorter and left[start] == right[start]:
        start += 1
    stop = 0
    while stop < shorter - start and left[-1 - stop] == right[-1 - stop]:
        stop += 1
    return start, stop


def _middle_spans(left: list[str], right: list[str]) -> tuple[list[Span], list[Span]]:
    if len(left) * len(right) > LARGEST_TABLE:
        return [(0, len(left))], [(0, len(right))]
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    codes = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    return [(a, b) for _, a, b, _, _ in codes], [(a, b) for _, _, _, a, b in codes]


def _to_text(parts: Sequence[str], spans: Sequence[Span], offset: int) -> tuple[Span, ...]:
    ends = [0]
    for part in parts:
        ends.append(ends[-1] + len(part))
    return tuple((ends[a + offset], ends[b + offset]) for a, b in spans if a < b)


def cut_segments(text: str, spans: Sequence[Span]) -> list[tuple[str, bool]]:
    """Cut `text` at `spans`: pieces with True where the piece changed; empty pieces left out."""
    pieces: list[tuple[str, bool]] = []
    position = 0
    for start, stop in spans:
        pieces += [(text[position:start], False), (text[start:stop], True)]
        position = stop
    pieces.append((text[position:], False))
    return [piece for piece in pieces if piece[0]]
