"""The bundled parallel sentences: prompts of a wanted length, and how many tokens a language takes.

Fertility is tokens a sentence of the same meaning. It is a property of the tokenizer alone; with a
speed in tokens it says how many sentences a second a model reads or writes in a language.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from math import gcd

from babelbits.bundled import find_mini_folder

_STRIDE = 37
"""Words between the beginnings of two prompts: no two of a batch share more than a word or two."""


@cache
def read_sentences() -> Mapping[str, tuple[str, ...]]:
    """Language code to its sentences; sentence n says the same in every language."""
    found = {}
    for path in sorted((find_mini_folder() / "passages").glob("*.jsonl")):
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        found[path.stem] = tuple(one for row in rows for one in row["sentences"])
    return found


def count_tokens(count: Callable[[str], int]) -> dict[str, int]:
    """Tokens of all sentences of each language, without what is added to every text.

    Parameters
    ----------
    count : callable
        Tokens of a text, e.g. `Engine.count_tokens`.
    """
    added = count("")
    return {
        code: sum(count(text) - added for text in texts) for code, texts in read_sentences().items()
    }


def make_prompts(count: Callable[[str], int], *, tokens: int, skip: int = 0) -> Iterator[str]:
    """English texts of at most so many tokens, as near as whole words come; each begins elsewhere.

    Without end: they begin to repeat after some thousands.

    Parameters
    ----------
    count : callable
        Tokens of a text, special tokens included.
    tokens : int
        Length of each prompt; at least one word is in it.
    skip : int
        Prompts that were used before.
    """
    words = " ".join(read_sentences()["en"]).split()
    stride = _STRIDE
    while gcd(stride, len(words)) > 1:
        stride += 1
    number = skip
    while True:
        start = number * stride % len(words)
        turned = words[start:] + words[:start]
        turned *= -(-2 * tokens // len(turned))  # a long prompt repeats them
        low, high = 1, min(len(turned), tokens)
        while low < high:
            middle = (low + high + 1) // 2
            if count(" ".join(turned[:middle])) <= tokens:
                low = middle
            else:
                high = middle - 1
        yield " ".join(turned[:low])
        number += 1
