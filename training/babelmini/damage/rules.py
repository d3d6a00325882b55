"""The rules of one language, and how a sentence's damage is picked from all that they can do.

The pick is a hash of the item's id and the damaged text: the same for the same sentence, whatever
happened to its neighbours, and blind to any model.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from babelmini.damage.edits import Finder

Rule = Literal["swap", "drop", "agreement", "characters"]
RULES: tuple[Rule, ...] = ("swap", "drop", "agreement", "characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageRules:
    """What each rule may do in a language.

    Parameters
    ----------
    swap, drop, agreement, characters : tuple of Finder
        Neighbouring words swapped; a function word or its suffix dropped; agreement, government
        or number broken; neighbouring letters of a word swapped.
    acceptable : tuple of str
        Phrases that a reader may let pass: damage that brings one about is not used.
    """

    swap: tuple[Finder, ...]
    drop: tuple[Finder, ...]
    agreement: tuple[Finder, ...]
    characters: tuple[Finder, ...]
    acceptable: tuple[str, ...] = ()

    def finders(self, rule: Rule) -> tuple[Finder, ...]:
        """The building blocks of a rule."""
        table: Mapping[Rule, tuple[Finder, ...]] = {
            "swap": self.swap,
            "drop": self.drop,
            "agreement": self.agreement,
            "characters": self.characters,
        }
        return table[rule]

    def candidates(self, sentence: str, *, rule: Rule) -> tuple[str, ...]:
        """Every damaged version that the rule can make, each once, in a fixed order."""
        found = {damaged for find in self.finders(rule) for damaged in find(sentence)}
        return tuple(sorted(text for text in found if self._certain(text, sentence)))

    def _certain(self, damaged: str, sentence: str) -> bool:
        """True where the damage brings about no acceptable phrase."""
        return damaged != sentence and not any(
            phrase in damaged and phrase not in sentence for phrase in self.acceptable
        )


def pick(candidates: tuple[str, ...], *, source_id: str) -> str:
    """One of the candidates, by hash.

    Raises
    ------
    ValueError
        If there are none.
    """

    def rank(damaged: str) -> bytes:
        return hashlib.blake2b(f"{source_id}\n{damaged}".encode(), digest_size=8).digest()

    return min(candidates, key=rank)
