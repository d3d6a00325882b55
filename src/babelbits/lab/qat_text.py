"""The text of a QAT lab: lines by language, some held out, the rest as batches that all arms share.

A corpus is a folder of `<language>.txt` or `<language>.txt.xz`, a document a line. The first lines
of a language are held out: asked, and never trained on; a line equal to one of them is left out of
the rest. A batch depends on text, seed and step alone, so that control and QAT see the same tokens
in the same order. In a mix the language with the fewest tokens so far is next. Never downloads.
"""

import lzma
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from babelbits.errors import StudyError
from babelbits.languages import resolve
from babelbits.records import digest
from babelbits.words import plural

SHORTEST_LINE = 9
"""Characters; shorter lines are left out."""
FEWEST_LINES = 20
"""Lines that a language must have beside the held-out ones."""

Encode = Callable[[str], Sequence[int]]
"""A line to its tokens, without special ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageText:
    """One language's lines."""

    language: str
    train: tuple[str, ...]
    held_out: tuple[str, ...]

    @property
    def hash(self) -> str:
        """Of all lines in their order."""
        return digest([list(self.held_out), list(self.train)], length=32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenStream:
    """All tokens of a training, in their order."""

    tokens: NDArray[np.int32]
    by_language: Mapping[str, int]
    """Tokens of each language."""
    passes: Mapping[str, float]
    """How often each language's lines were read; above 1 some came again."""

    @property
    def id(self) -> str:
        """The same for the same tokens."""
        return digest(self.tokens.astype("<i4").tobytes().hex(), length=32)

    def batch(self, step: int, *, rows: int, length: int) -> NDArray[np.int64]:
        """Tokens of a step, from 0: shape (rows, length + 1)."""
        size = rows * (length + 1)
        found = self.tokens[step * size : (step + 1) * size]
        return found.reshape(rows, length + 1).astype(np.int64)


def read_texts(folder: Path, languages: Sequence[str], *, held_out: int) -> dict[str, LanguageText]:
    """The lines of every language.

    Raises
    ------
    StudyError
        If a language has no file, or too few lines; names all that are missing.
    """
    missing = [code for code in languages if _file(folder, code) is None]
    if missing:
        names = ", ".join(f"{resolve(code).name} ({code})" for code in missing)
        raise StudyError(
            f"there is no text in {names}",
            where=str(folder),
            hint=f"put {missing[0]}.txt or {missing[0]}.txt.xz there, a document a line, or leave "
            "the language out with --languages",
        )
    return {code: _read(folder, code, held_out=held_out) for code in languages}


def read_token_stream(
    texts: Sequence[LanguageText], encode: Encode, *, start: int, n_tokens: int, seed: int
) -> TokenStream:
    """So many tokens of documents, each behind the token that begins a text.

    Parameters
    ----------
    start : int
        Id of the token before each document.
    seed : int
        Of the order of each language's lines; every line comes once before any comes again.
    """
    readers = {text.language: _Reader(text, seed=seed) for text in texts}
    counts = dict.fromkeys(readers, 0)
    found: list[int] = []
    while len(found) < n_tokens:
        language = min(counts, key=lambda code: counts[code])
        document = [start, *encode(readers[language].next())]
        counts[language] += len(document)
        found += document
    passes = {code: one.read / len(one.text.train) for code, one in readers.items()}
    return TokenStream(
        tokens=np.array(found[:n_tokens], np.int32), by_language=counts, passes=passes
    )


class _Reader:
    """One language's lines in the order of a seed, without end."""

    def __init__(self, text: LanguageText, *, seed: int) -> None:
        self.text = text
        self.read = 0
        self._rng = np.random.default_rng([seed, int(digest(text.language, length=8), 16)])
        self._order: list[int] = []

    def next(self) -> str:
        """The next line."""
        if not self._order:
            self._order = self._rng.permutation(len(self.text.train)).tolist()
        self.read += 1
        return self.text.train[self._order.pop()]


def make_encoder(tokenizer: Any) -> Encode:
    """A line to its tokens by a tokenizer of transformers."""

    def encode(line: str) -> Sequence[int]:
        ids: list[int] = tokenizer(line, add_special_tokens=False)["input_ids"]
        return ids

    return encode


def start_token(tokenizer: Any) -> int:
    """Id of the token that begins a text, or that ends one where none does.

    Raises
    ------
    StudyError
        If the tokenizer has neither.
    """
    for found in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if found is not None:
            return int(found)
    raise StudyError("the tokenizer has no token that begins or ends a text")


def _file(folder: Path, language: str) -> Path | None:
    names = (f"{language}.txt", f"{language}.txt.xz")
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _read(folder: Path, language: str, *, held_out: int) -> LanguageText:
    file = _file(folder, language)
    assert file is not None  # noqa: S101  read_texts has looked
    try:
        raw = file.read_bytes()
        text = (lzma.decompress(raw) if file.suffix == ".xz" else raw).decode("utf-8-sig")
    except (OSError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise StudyError(f"the text cannot be read: {error}", where=str(file)) from error
    lines = [line for line in map(str.strip, text.split("\n")) if len(line) >= SHORTEST_LINE]
    kept = tuple(lines[:held_out])
    asked = set(kept)
    train = tuple(line for line in lines[held_out:] if line not in asked)
    if len(train) < FEWEST_LINES:
        raise StudyError(
            f"{plural(len(lines), 'line')} of {SHORTEST_LINE} characters or more: too few to hold "
            f"out {held_out:,} and to train on {FEWEST_LINES:,} others",
            where=str(file),
            hint="give more text, or hold out fewer lines with --held-out",
        )
    return LanguageText(language=language, train=train, held_out=kept)
