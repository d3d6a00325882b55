"""Words that follow a number: one item, two items; one is missing, two are missing.

English only. Numbers themselves are formatted by whoever says them, or as '1,234' here.
"""

_SIBILANTS = ("s", "x", "z", "ch", "sh")
_VOWELS = "aeiou"


def plural(count: int, word: str, many: str | None = None) -> str:
    """A count and what is counted: '1 language', '3 languages', '2 families', '0 matches'.

    Parameters
    ----------
    count : int
        How many; thousands are parted by commas.
    word : str
        The singular, with its adjectives before it.
    many : str, optional
        The plural where the rules (-s, -ies, -es) do not give it, e.g. 'matrices'.
    """
    return f"{count:,} {agreeing(count, word, many or _plural(word))}"


def agreeing(count: float, one: str, many: str) -> str:
    """The form of a word that goes with a count: `agreeing(len(lost), "is", "are")`."""
    return one if count == 1 else many


def every(count: int, word: str) -> str:
    """All of so many: 'the only cell', 'all 3 cells'."""
    return f"the only {word}" if count == 1 else f"all {plural(count, word)}"


def _plural(word: str) -> str:
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(_SIBILANTS) else f"{word}s"
