"""Small edits of a sentence, each the building block of a rule: what may change, and into what.

A `Finder` lists every way in which it can damage a sentence; it never picks one and never sees a
model. The first word of a sentence is never moved or dropped, because its capital letter would
give the damage away. Tables are written as text: `"is→are was→were"`.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Finder = Callable[[str], list[str]]

_MARK = r"\s,.;:?!…、。，。？！；：،؟؛।\"“”«»()"
WORD = rf"[^{_MARK}]+"
END = rf"(?![^{_MARK}])"
"""What follows the last letter of a word: a space, a mark, or nothing."""
START = r"(?<![^\s¿¡])"
ARROW = "→"


@dataclass(frozen=True, slots=True)
class Edit:
    """A regular expression and what it turns into, applied at one place at a time."""

    pattern: re.Pattern[str]
    replacement: str

    def __call__(self, sentence: str) -> list[str]:
        """The sentence with each match replaced in turn; what stays equal is left out."""
        damaged = []
        for match in self.pattern.finditer(sentence):
            new = match.expand(self.replacement)
            damaged.append(sentence[: match.start()] + new + sentence[match.end() :])
        return [text for text in damaged if text != sentence]


def edit(pattern: str, replacement: str) -> Edit:
    r"""An edit by regular expression; in the replacement `\1` is the first group."""
    return Edit(re.compile(pattern), replacement)


def swap_next(words: str, *, follower: str = WORD) -> Edit:
    """Each of `words` (separated by spaces) changes places with the word after it."""
    return edit(rf"(?<=\s)({_any(words.split())}) ({follower}){END}", r"\2 \1")


def swap_previous(words: str) -> Edit:
    """Each of `words` changes places with the word before it."""
    return edit(rf"(?<=\s)({WORD}) ({_any(words.split())}){END}", r"\2 \1")


def drop(words: str, *, follower: str = WORD) -> Edit:
    """Each of `words` is left out, where it stands between two words without a mark."""
    return edit(rf"(?<=[^{_MARK}]) (?:{_any(words.split())}) (?={follower}{END})", " ")


def replace(table: str) -> Finder:
    """Whole words by the table; a capital first letter stays a capital."""
    pairs = _parse(table)
    pairs |= {old.capitalize(): new.capitalize() for old, new in pairs.items()}
    return _by_table(pairs, before=START, after=END)


def endings(table: str) -> Finder:
    """Ends of words by the table; at least one letter stays before them. May be emptied."""
    return _by_table(_parse(table), before=rf"(?<=[^{_MARK}])", after=END)


def literal(table: str) -> Finder:
    """Stretches of text by the table, wherever they stand: for scripts without spaces."""
    return _by_table(_parse(table), before="", after="")


def mirrored(words: str) -> Finder:
    """The last two characters of each stretch change places: for scripts without spaces."""
    return literal(
        " ".join(f"{word}{ARROW}{word[:-2]}{word[-1]}{word[-2]}" for word in words.split())
    )


def _by_table(pairs: dict[str, str], *, before: str, after: str) -> Finder:
    pattern = re.compile(f"{before}(?:{_any(pairs)}){after}")

    def find(sentence: str) -> list[str]:
        return [
            sentence[: match.start()] + pairs[match.group()] + sentence[match.end() :]
            for match in pattern.finditer(sentence)
        ]

    return find


def _parse(table: str) -> dict[str, str]:
    entries = [entry.partition(ARROW) for entry in table.split()]
    return {old.replace("_", " "): new.replace("_", " ") for old, _, new in entries}


def _any(words: Iterable[str]) -> str:
    """Alternatives, longest first, so that a word is not hidden by its own beginning."""
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))
