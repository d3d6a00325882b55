"""The signs that an answer collapsed: fixed rules on one text, the same for every arm.

None of them asks whether an answer is right. Each is about a failure of generation that a mean
score hides:

empty     no letter and no digit.
loop      a piece is written at least four times in a row, over 40 characters or more, or half of
          the answer's n-grams stand earlier in it (seq-rep-n, Welleck et al. 2020, arXiv
          1908.04319).
script    fewer than a quarter of the letters are of the language's script.
language  identified, with a score of at least one half, as another language.
copied    four fifths of the answer's n-grams stand in the prompt.
cut       the token limit ended it.

An n-gram is of four words, or of eight characters where words are not set apart by spaces.
Positions, counts and shares only: no model, no tokenizer, no randomness. Texts are hostile.
"""

import re
from collections.abc import Sequence

import numpy as np

from babelbits.languages import scripts
from babelbits.tasks import language_consistency
from babelbits.tasks.confusion import identify_text
from babelbits.tasks.language_id import Identifier, is_same_language

EMPTY, LOOP, SCRIPT, LANGUAGE = "empty", "loop", "script", "language"
COPIED, CUT = "copied", "cut"
SIGNS = (EMPTY, LOOP, SCRIPT, LANGUAGE, COPIED, CUT)
VERSION = 1
"""Changes whenever the same answer could be judged differently."""

TIMES = 4
"""How often a piece stands in a row in a loop."""
LOOP_LENGTH = 40
"""Characters that a loop takes at least: people write "no, no, no, no" and rows of dots."""
LONGEST_PIECE = 200
"""Characters; what returns later than that shows in the share of repeated n-grams."""
REPEATED = 0.5
FEWEST_GRAMS = 24
"""Fewer are too few for a share of repeated ones."""
COPIED_SHARE = 0.8
FEWEST_COPIED = 8
FEWEST_LETTERS = 20
"""Letters that a text must have before its script or language is looked at."""
OWN_SCRIPT = 0.25
"""Share of letters below which a text is in another script: names are quoted in theirs."""
SURE = 0.5
"""Score of an identifier from which on its guess of another language counts."""
LONGEST = 20_000
"""Characters of an answer that are looked at, from its beginning."""

_WORD_GRAM, _CHARACTER_GRAM = 4, 8
_PIECE, _PRIME = 16, 1_099_511_628_211
_FEWEST_RETURNS = LOOP_LENGTH - LOOP_LENGTH // TIMES - _PIECE + 1
"""Pieces of 16 characters that return in the shortest loop of its longest period: 15."""
_NO_SPACES = (
    r"\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"
    r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai and Lao, Tibetan, Burmese, Khmer; kana and Han: words are not set apart by spaces."""
_ALONE = re.compile(f"[{_NO_SPACES}]")
_UNIT = re.compile(rf"[{_NO_SPACES}]|[^\s{_NO_SPACES}]+")


def is_empty(text: str) -> bool:
    """Whether there is neither a letter nor a digit."""
    return not any(character.isalnum() for character in text)


def is_loop(text: str) -> bool:
    """Whether a piece is written over and over."""
    flat = " ".join(text[:LONGEST].split())
    if has_cycle(flat):
        return True
    units, size = _grams(flat)
    seen = language_consistency.mark_repeated(units, size=size)
    return len(seen) >= FEWEST_GRAMS and sum(seen) / len(seen) >= REPEATED


def has_cycle(text: str) -> bool:
    """Whether a piece of up to 200 characters stands four times in a row.

    The row must be 40 characters long, and half of the text where it holds no letter and no digit:
    people draw lines.
    """
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)
    for period in _periods(codes):
        needed = max(TIMES * period, LOOP_LENGTH) - period
        for start, length in _runs(codes[period:] == codes[:-period]):
            if length < needed:
                continue
            row = text[start : start + length + period]
            if not is_empty(row) or 2 * len(row) >= len(text):
                return True
    return False


def _periods(codes: np.ndarray) -> list[int]:
    """The periods that a row of repetitions can have: no other has enough pieces that return so.

    Pieces of 16 characters are compared by their hash, which can only propose too many.
    """
    count = codes.size - _PIECE + 1
    if count < _FEWEST_RETURNS:
        return []
    hashes = np.zeros(count, np.uint64)
    for place in range(_PIECE):
        hashes = hashes * np.uint64(_PRIME) + codes[place : place + count]
    order = np.argsort(hashes, kind="stable")
    again = np.diff(order)[np.diff(hashes[order]) == 0]
    longest = min(LONGEST_PIECE, codes.size // TIMES)
    counts = np.bincount(again[again <= longest], minlength=1)
    return [int(period) for period in np.flatnonzero(counts >= _FEWEST_RETURNS)]


def _runs(equal: np.ndarray) -> list[tuple[int, int]]:
    """Start and length of each stretch of true values."""
    if not equal.any():
        return []
    edges = np.flatnonzero(np.diff(np.concatenate(([0], equal.view(np.int8), [0]))))
    return [(int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def is_copy(text: str, prompt: str) -> bool:
    """Whether the answer is made of the prompt's own n-grams."""
    units, size = _grams(text[:LONGEST])
    there, _ = _grams(prompt)
    given = {tuple(there[k : k + size]) for k in range(len(there) - size + 1)}
    ours = [tuple(units[k : k + size]) in given for k in range(len(units) - size + 1)]
    return len(ours) >= FEWEST_COPIED and sum(ours) / len(ours) >= COPIED_SHARE


def _grams(text: str) -> tuple[Sequence[str], int]:
    """The units of a text, and how many of them make an n-gram."""
    units = _UNIT.findall(text)
    single = len(_ALONE.findall(text))
    return units, _CHARACTER_GRAM if 2 * single > len(units) else _WORD_GRAM


def count_letters(text: str) -> int:
    """Letters of a text, marks that belong to them left out."""
    return sum(map(str.isalpha, text))


def is_other_script(text: str, script: str) -> bool:
    """Whether few letters are of a script; False for a text of fewer than 20 letters."""
    text = text[:LONGEST]
    if count_letters(text) < FEWEST_LETTERS:
        return False
    share = scripts.measure_share(text, script)
    return share is not None and share < OWN_SCRIPT


def find_other_language(text: str, language: str, identifier: Identifier) -> str | None:
    """The other language that a text is surely identified as; None: it is not.

    Parameters
    ----------
    language : str
        Canonical code of the language that is wanted, in whatever script.
    """
    text = text[:LONGEST]
    if count_letters(text) < FEWEST_LETTERS:
        return None
    guess = identify_text(text, identifier)
    if guess is None or guess.code is None or guess.score < SURE:
        return None
    return None if is_same_language(guess.code, language) else guess.code
