"""What a token is made of: digits, a sign or word of a sum, a number word, a function word, rest.

A token has the class of the word that it is a part of. Digits are those to which Unicode gives a
decimal value, in any script. Words are found by list (`word_lists`), in the text's own language.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Literal, get_args

from babelbits.probes.word_lists import UNSPACED, WORDS

TokenClass = Literal["digit", "operator", "number word", "function word", "rest"]
CLASSES: tuple[TokenClass, ...] = get_args(TokenClass)
"""Where a token holds parts of two, the earlier one is its class."""

_OPERATORS = frozenset("%^")
_BETWEEN = frozenset("-*/")
"""Signs of a sum only where no letter touches them."""
_BROKEN = "\ufffd"
"""What decoders write for the first bytes of a letter."""


def classify(tokens: Sequence[int], *, tokenizer: Any, language: str) -> tuple[TokenClass, ...]:
    """The class of each token of a text.

    Parameters
    ----------
    tokens : sequence of int
        Ids of a whole sequence.
    tokenizer : transformers tokenizer
        Its special tokens are of the rest.
    language : str
        Canonical code; without a list only digits and signs are found.
    """
    text, ends = _decoded(tokens, tokenizer)
    of_characters = classify_characters(text, language=language)
    special = set(tokenizer.all_special_ids)
    found: list[TokenClass] = []
    start = 0
    for token, end in zip(tokens, ends, strict=True):
        # The bytes of one letter may be several tokens: all are the letter's.
        letters = of_characters[start : max(end, start + 1)]
        found.append(
            "rest" if token in special else min(letters, key=CLASSES.index, default="rest")
        )
        start = end
    return tuple(found)


def _decoded(tokens: Sequence[int], tokenizer: Any) -> tuple[str, list[int]]:
    """The text, and where in it each token ends."""
    beginnings = [list(tokens[: n + 1]) for n in range(len(tokens))]
    texts = tokenizer.batch_decode(beginnings, clean_up_tokenization_spaces=False)
    return (texts[-1] if texts else ""), [len(text.rstrip(_BROKEN)) for text in texts]


def classify_characters(text: str, *, language: str) -> list[TokenClass]:
    """The class of each character of a text."""
    found: list[TokenClass] = ["rest"] * len(text)
    for kind, start, end in _words(text.lower(), language):
        if len(text.lower()) == len(text):
            found[start:end] = [kind] * (end - start)
    for at, char in enumerate(text):
        if unicodedata.decimal(char, None) is not None:
            found[at] = "digit"
        elif _is_operator(text, at):
            found[at] = "operator"
    return found


def _is_operator(text: str, at: int) -> bool:
    char = text[at]
    if char in _BETWEEN:
        return not any(
            side.isalpha() for side in (text[max(0, at - 1) : at], text[at + 1 : at + 2])
        )
    return char in _OPERATORS or unicodedata.category(char) == "Sm"


def _words(text: str, language: str) -> Iterator[tuple[TokenClass, int, int]]:
    """Listed words with their places, those of sums last: what comes last is kept."""
    for kind, pattern in _patterns(language):
        for match in pattern.finditer(text):
            yield kind, match.start(), match.end()


@cache
def _patterns(language: str) -> tuple[tuple[TokenClass, re.Pattern[str]], ...]:
    lists = WORDS.get(language)
    if lists is None:
        return ()
    kinds: tuple[tuple[TokenClass, str], ...] = (
        ("function word", lists.functions),
        ("number word", lists.numbers),
        ("operator", lists.operators),
    )
    return tuple((kind, _pattern(words, spaced=language not in UNSPACED)) for kind, words in kinds)


def _pattern(words: str, *, spaced: bool) -> re.Pattern[str]:
    """Any of the words; whole ones where spaces part them. Marks of Indic scripts are letters."""
    longest_first = sorted(words.split(), key=len, reverse=True)
    one = "|".join(map(re.escape, longest_first))
    letter = r"[\w\u0300-\u036f\u064b-\u065f\u0900-\u0963\u0d00-\u0d65\u200c\u200d]"
    return re.compile(rf"(?<!{letter})(?:{one})(?!{letter})" if spaced else one)
