"""Checks that need no native speaker: an answer beside the same answer visibly damaged by rule.

Two rules: the words are shuffled (characters, where words are not spaced), or the other side is an
answer in another language. Both sides come from the campaign's own answers, so a check looks like a
pair. Which side is right is the rule's to know. `rng` is an argument.
"""

from collections.abc import Sequence

import numpy as np
import regex

from babelbits.languages import resolve

_MIN_PIECES = 8
"""With fewer words a shuffle may be a sentence again."""
_MAX_SAME_PLACE = 0.34
_UNSPACED = frozenset({"Hans", "Hant", "Jpan", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"})


def can_shuffle(text: str, language: str) -> bool:
    """Whether shuffling would damage the text beyond doubt."""
    pieces = _pieces(text, language)
    return len(pieces) >= _MIN_PIECES and len(set(pieces)) >= 0.6 * len(pieces)


def shuffled(text: str, language: str, *, rng: np.random.Generator) -> str:
    """The text with its words, or its characters where words are not spaced, in another order.

    Raises
    ------
    ValueError
        If the text is too short or too uniform (see `can_shuffle`).
    """
    if not can_shuffle(text, language):
        raise ValueError("too few different words to shuffle")
    pieces = _pieces(text, language)
    while True:  # soon over: a random order leaves one piece in its place on average
        order = rng.permutation(len(pieces))
        same = np.mean([pieces[i] == pieces[j] for i, j in enumerate(order)])
        if same <= _MAX_SAME_PLACE:
            return _glue(language).join(pieces[i] for i in order)


def find_in_other_language(
    language: str, answers: Sequence[tuple[str, str]], *, like: str
) -> str | None:
    """An answer in another language, of another script if there is one, about as long as `like`.

    Parameters
    ----------
    language : str
        The language that is wanted.

    Returns
    -------
    str or None
        None if all answers are in the wanted language.
    """
    script = resolve(language).script
    others = [(code, text) for code, text in answers if code != language and text]
    foreign = [one for one in others if resolve(one[0]).script != script] or others
    if not foreign:
        return None
    return min(foreign, key=lambda one: (abs(len(one[1]) - len(like)), one))[1]


def _pieces(text: str, language: str) -> list[str]:
    if resolve(language).script in _UNSPACED:
        return [piece for piece in regex.findall(r"\X", text) if not piece.isspace()]
    return text.split()


def _glue(language: str) -> str:
    return "" if resolve(language).script in _UNSPACED else " "
