"""Tokens of a line, and the list of English words.

Lines are counted in tokens: words between spaces, but jieba's words in Chinese and MeCab's (fugashi
with UniDic) in Japanese. The English words are a list that the benchmark's authors took from a Unix
word list of unstated licence; it is read from the user's copy of the benchmark and not shipped.
"""

import logging
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from babelbits.errors import MissingExtraError
from babelbits.records import digest
from babelbits.tasks.language_confusion.rules import Tokenize
from babelbits.tasks.reading import read_lines

WORD_FILES = ("words", "words.txt", "words.txt.xz")
"""Names of the word list in a folder of the benchmark; the first that is there is taken."""
SHORTEST_WORD = 4
_LIBRARIES = {"zh": ("jieba", "jieba"), "ja": ("fugashi", "unidic-lite")}


def make_tokenizer(language: str) -> Tokenize:
    """A function from a line to its tokens.

    Raises
    ------
    MissingExtraError
        If the language needs a library that is not installed.
    """
    return _tokenizer(language.partition("-")[0])


def describe_tokenizer(language: str) -> str:
    """What splits the lines of a language, with versions."""
    libraries = _LIBRARIES.get(language.partition("-")[0])
    if libraries is None:
        return "spaces"
    make_tokenizer(language)
    return " + ".join(f"{name} {version(name)}" for name in dict.fromkeys(libraries))


def read_english_words(folder: Path) -> frozenset[str] | None:
    """Lower-case words of more than three letters from the benchmark's folder; None without a list.

    Raises
    ------
    TaskError
        If the list is there and cannot be read.
    """
    path = next((path for name in WORD_FILES if (path := folder / name).is_file()), None)
    return None if path is None else _words(path)


@cache
def describe_words(words: frozenset[str]) -> str:
    """Number of words and their hash."""
    return f"{len(words)} English words {digest(sorted(words), length=8)}"


@cache
def _words(path: Path) -> frozenset[str]:
    words = (line.strip() for line in read_lines(path))
    return frozenset(word for word in words if word.islower() and len(word) >= SHORTEST_WORD)


@cache
def _tokenizer(language: str) -> Tokenize:
    if language == "zh":
        return _chinese()
    return _japanese() if language == "ja" else str.split


def _chinese() -> Tokenize:
    try:
        import jieba
    except ImportError as error:
        raise _missing("Chinese", "jieba") from error
    jieba.setLogLevel(logging.WARNING)

    def tokenize(line: str) -> Sequence[str]:
        return list(jieba.cut(line))

    return tokenize


def _japanese() -> Tokenize:
    try:
        import fugashi
        import unidic_lite  # noqa: F401  fugashi finds it by itself, and complains less clearly
    except ImportError as error:
        raise _missing("Japanese", "fugashi and unidic-lite") from error
    tagger: Any = fugashi.Tagger("-O wakati -b 50000")

    def tokenize(line: str) -> Sequence[str]:
        return str(tagger.parse(line)).split()

    return tokenize


def _missing(language: str, libraries: str) -> MissingExtraError:
    return MissingExtraError(
        f"words of {language} text need {libraries}", hint="pip install 'babelbits[words]'"
    )
