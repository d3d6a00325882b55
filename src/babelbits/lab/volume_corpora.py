"""The text of `lab volume`: files of sentences, lines held out, and rows of tokens by language.

A folder holds one file a language, `nb.txt` or `nb.txt.xz`, UTF-8, a sentence a line. Which lines
are held out is drawn once for all models; the rest is training text. A language's rows come from
one strip of tokens in an order that depends on the seed alone: of two models of one seed, the one
with less of a language has seen the beginning of what the other has seen. Loads no torch.
"""

import lzma
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from babelbits.errors import StudyError
from babelbits.languages import resolve
from babelbits.records import digest
from babelbits.words import plural

SUFFIXES = (".txt", ".txt.xz")
SHORTEST_LINE = 9
"""Characters; shorter lines are headings and leftovers."""
_DRAW = 17
"""Of the lines held out: the same for everybody."""

Encode = Callable[[Sequence[str]], Sequence[Sequence[int]]]
"""Lines to their token ids, without special tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeCorpus:
    """One language's lines."""

    language: str
    train: tuple[str, ...]
    held_out: tuple[str, ...]

    @property
    def train_id(self) -> str:
        """Of the training lines, their order included."""
        return digest(list(self.train))

    @property
    def held_out_id(self) -> str:
        """Of the lines held out."""
        return digest(list(self.held_out))


def read_corpus(folder: Path, language: str, *, held_out: int, longest: int) -> VolumeCorpus:
    """Read a language's file and hold lines out.

    Parameters
    ----------
    held_out : int
        Lines to hold out.
    longest : int
        Most bytes of a line held out: it must fit the context whatever its tokens are.

    Raises
    ------
    StudyError
        If there is no such file, it is not UTF-8, or holds too few lines.
    """
    path = _file_of(folder, language)
    lines = _lines_of(path)
    fit = [n for n, line in enumerate(lines) if len(line.encode()) <= longest]
    if len(fit) < held_out or len(lines) < 2 * held_out:
        raise StudyError(
            f"{plural(held_out, 'line')} of {resolve(language).name} cannot be held out: there are "
            f"{plural(len(lines), 'line')}, {len(fit):,} of them of at most "
            f"{plural(longest, 'byte')}",
            where=str(path),
            hint="hold fewer lines out, or bring more text",
        )
    drawn = np.random.default_rng(_DRAW).permutation(len(fit))[:held_out]
    kept = {fit[n] for n in drawn}
    return VolumeCorpus(
        language=language,
        train=tuple(line for n, line in enumerate(lines) if n not in kept),
        held_out=tuple(lines[n] for n in sorted(kept)),
    )


def _file_of(folder: Path, language: str) -> Path:
    if not folder.is_dir():
        raise StudyError("there is no such folder of texts", where=str(folder))
    for path in sorted(folder.iterdir()):
        suffix = next((one for one in reversed(SUFFIXES) if path.name.endswith(one)), None)
        stem = path.name.removesuffix(suffix or "")
        if suffix and _code(stem) == language:
            return path
    raise StudyError(
        f"there is no text in {resolve(language).name}",
        where=str(folder),
        hint=f"put a sentence a line into {language}.txt or {language}.txt.xz",
    )


def _code(stem: str) -> str | None:
    try:
        return resolve(stem).code
    except StudyError:
        return None


def _lines_of(path: Path) -> list[str]:
    """Distinct lines that are long enough, in the file's order."""
    raw = path.read_bytes()
    try:
        text = (lzma.decompress(raw) if path.suffix == ".xz" else raw).decode()
    except (lzma.LZMAError, UnicodeDecodeError) as error:
        raise StudyError(f"the text cannot be read: {error}", where=str(path)) from error
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return list(dict.fromkeys(line for line in lines if len(line) >= SHORTEST_LINE))


# --- rows of tokens -------------------------------------------------------------------------------


def count_tokens(lines: Sequence[str], encode: Encode, *, enough: int) -> int:
    """Tokens of all lines, each with the one that begins it; stops counting at `enough`."""
    total = 0
    for start in range(0, len(lines), 512):
        total += sum(len(ids) + 1 for ids in encode(lines[start : start + 512]))
        if total >= enough:
            break
    return total


def cut_token_rows(
    lines: Sequence[str], encode: Encode, *, rows: int, width: int, seed: Sequence[int]
) -> NDArray[np.int64]:
    """The first rows of the endless strip of a language's lines, each after token 0.

    Every line comes once before any comes again.

    Parameters
    ----------
    seed : sequence of int
        Of the order.

    Returns
    -------
    array, shape (rows, width)
        Fewer rows of the same seed are the first of more.
    """
    need = rows * width
    rng = np.random.default_rng(list(seed))
    strip: list[int] = []
    while len(strip) < need:
        order = rng.permutation(len(lines))
        for start in range(0, len(order), 512):
            for ids in encode([lines[n] for n in order[start : start + 512]]):
                strip += [0, *ids]
            if len(strip) >= need:
                break
    return np.asarray(strip[:need], dtype=np.int64).reshape(rows, width)


def mix_rows(rows: Iterable[NDArray[np.int64]], *, seed: Sequence[int]) -> NDArray[np.int64]:
    """All languages' rows in one order that depends on the seed, shape (rows, width)."""
    stacked = np.concatenate(list(rows))
    found: NDArray[np.int64] = stacked[np.random.default_rng(list(seed)).permutation(len(stacked))]
    return found


def check_enough(
    corpora: Mapping[str, VolumeCorpus],
    needed: Mapping[str, tuple[int, str]],
    encode: Encode,
    *,
    most_repeats: float,
) -> None:
    """Raise if a language's text would be repeated more often than is allowed.

    Parameters
    ----------
    needed : mapping
        Language to the most tokens that a model sees of it, and that model's name.
    """
    for language, (tokens, arm) in needed.items():
        there = count_tokens(corpora[language].train, encode, enough=tokens)
        if tokens > most_repeats * there:
            raise StudyError(
                f"too little text in {resolve(language).name}: the model '{arm}' needs "
                f"{plural(tokens, 'token')} and there are {there:,}, which would be repeated "
                f"{tokens / there:.1f} times; at most {most_repeats:g}",
                hint="bring more text, train on fewer tokens (--tokens), or allow more repetition "
                "(--most-repeats)",
            )
