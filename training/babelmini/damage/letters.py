"""Two neighbouring letters inside a longer word change places.

A letter is what a reader sees as one: a base with its marks, and in Indic scripts a whole conjunct
(consonants joined by a virama). The first letter mostly stays where it is, as in most slips
of the fingers.
"""

import re
import unicodedata
from dataclasses import dataclass

from babelmini.damage.edits import WORD

_VIRAMAS = frozenset("\u094d\u0d4d")
_JOINERS = frozenset("\u200c\u200d")


def letters(word: str) -> list[str]:
    """The word cut into what a reader sees as letters; joined, they are the word again."""
    found: list[str] = []
    joined = False
    for character in word:
        mark = unicodedata.category(character).startswith("M") or character in _JOINERS
        if found and (mark or joined):
            found[-1] += character
        else:
            found.append(character)
        joined = character in _VIRAMAS or (joined and character in _JOINERS)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterSwap:
    """Finds words of at least `shortest` letters and swaps two inside, at every place.

    Parameters
    ----------
    shortest : int
        Letters of the shortest word that is touched.
    first, last : int, optional
        Letters at the start and at the end of a word that stay.
    """

    shortest: int
    first: int = 1
    last: int = 1

    def __call__(self, sentence: str) -> list[str]:
        """Every such damage; a swap of equal letters is none."""
        damaged: list[str] = []
        for match in re.finditer(WORD, sentence):
            before, after = sentence[: match.start()], sentence[match.end() :]
            damaged += [before + word + after for word in self._swapped(match.group())]
        return damaged

    def _swapped(self, word: str) -> list[str]:
        parts = letters(word)
        if len(parts) < self.shortest or not all(part[0].isalpha() for part in parts):
            return []
        places = range(self.first, len(parts) - self.last - 1)
        swapped = (
            [*parts[:i], parts[i + 1], parts[i], *parts[i + 2 :]]
            for i in places
            if parts[i] != parts[i + 1]
        )
        return ["".join(new) for new in swapped]
