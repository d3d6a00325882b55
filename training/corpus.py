"""The training text of the bundled model: which files, in which proportions.

Reads the CC0 text corpora folder (see the model card for what it holds) and makes documents; never
touches the benchmark's passages. Documents are plain strings.
"""

import json
import lzma
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from babelmini import sums

# Files under corpora/, and the share of text tokens relative to the others. Languages of the mini
# benchmark get more than the four that only widen the model's view.
SOURCES: dict[str, tuple[tuple[str, ...], float]] = {
    "en": (("common_voice/en",), 1.3),
    "nb": (("ud/nb", "common_voice/nb-NO"), 1.0),
    "de": (("common_voice/de",), 1.0),
    "fr": (("common_voice/fr",), 1.0),
    "es": (("common_voice/es",), 1.0),
    "ru": (("common_voice/ru",), 1.0),
    "ar": (("common_voice/ar",), 1.0),
    "hi": (("common_voice/hi",), 1.0),
    "ml": (("common_voice/ml",), 1.0),
    "ja": (("common_voice/ja",), 1.1),
    "zh": (("common_voice/zh-CN", "common_voice_wiki/zh-CN"), 1.1),
    "ko": (("common_voice/ko",), 0.9),
    "sw": (("bible_nt/sw",), 1.0),
    "id": (("common_voice/id",), 0.4),
    "th": (("common_voice/th",), 0.4),
    "tr": (("common_voice/tr",), 0.4),
    "it": (("common_voice/it",), 0.4),
}
DECLARATION = {"ko": "kor", "ml": "mal", "ja": "jpn", "sw": "swh"}
"""Languages with little text also get the Universal Declaration of Human Rights (its key there)."""
HELD_OUT_LINES = 60
"""Lines a language kept out of training, for bits per byte in the model card."""


@dataclass(frozen=True)
class Corpus:
    """Training and held-out lines of one language."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]
    weight: float


def _declaration(folder: Path, key: str) -> list[str]:
    with lzma.open(folder.parent / "udhr" / "udhr.jsonl.xz", "rt", encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            if record["key"] == key:
                articles = record["articles"].values()
                return [" ".join(a["paras"]) for a in articles if a["paras"]]
    raise KeyError(key)


def load(folder: Path, original: Path) -> dict[str, Corpus]:
    """Lines by language; `original` holds this project's own extra text, one file a language."""
    corpora = {}
    for language, (files, weight) in SOURCES.items():
        lines: list[str] = []
        for name in files:
            text = lzma.decompress((folder / f"{name}.txt.xz").read_bytes()).decode()
            lines += text.split("\n")[:40_000]
        lines = [line for line in lines if len(line) > 8]
        held_out = tuple(lines[:HELD_OUT_LINES])
        lines = lines[HELD_OUT_LINES:]
        if language in DECLARATION:
            lines += _declaration(folder, DECLARATION[language])
        own = original / f"{language}.txt"
        if own.exists():
            lines += [line for line in own.read_text("utf-8").split("\n") if line.strip()]
        corpora[language] = Corpus(train=tuple(lines), held_out=held_out, weight=weight)
    return corpora


def text_documents(
    lines: Sequence[str], *, language: str, rng: np.random.Generator
) -> Iterator[str]:
    """Endless documents of one to four lines each, every line once before any comes again."""
    joiner = "" if language in {"ja", "zh", "th"} else " "
    while True:
        order = rng.permutation(len(lines))
        start = 0
        while start < len(order):
            count = int(rng.integers(1, 5))
            yield joiner.join(lines[i] for i in order[start : start + count])
            start += count


def sum_documents(*, language: str, rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Endless (question, answer) pairs of the training split, small numbers more often.

    The short phrasing comes more often than the story: more sums for the same number of tokens.
    """
    while True:
        operation = sums.OPERATIONS[int(rng.integers(3))]
        largest = int(rng.choice([9, 14, 20]))
        drawn = sums.draw(rng, operation=operation, split="train", largest=largest)
        text = sums.question(drawn, language=language, phrasing=int(rng.random() < 0.35))
        yield text, f" {drawn.answer}"
