"""Two systems' translations to score: real sentences, damaged by a seed and a share of words."""

import json

import numpy as np

from babelbits.tasks.catalogue import find_babelmini_folder


def references(language: str) -> list[str]:
    """All sentences of the bundled passages in a language."""
    file = find_babelmini_folder() / "passages" / f"{language}.jsonl"
    rows = map(json.loads, file.read_text("utf-8").splitlines())
    return [sentence for row in rows for sentence in row["sentences"]]


def damaged(texts: list[str], *, share: float, seed: int) -> list[str]:
    """Each text with a share of its pieces dropped or swapped; some texts stay as they are."""
    rng = np.random.default_rng(seed)
    return [_damaged(text, share=share, rng=rng) for text in texts]


def _damaged(text: str, *, share: float, rng: np.random.Generator) -> str:
    gap = " " if " " in text else ""
    pieces = text.split(" ") if gap else list(text)
    kept = [piece for piece in pieces if rng.random() > share]
    if len(kept) > 2 and rng.random() < share:
        kept[0], kept[-1] = kept[-1], kept[0]
    return gap.join(kept)
