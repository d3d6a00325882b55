"""Writes BabelMini's `math`: `cd training && python -m babelmini.make_math [--largest N]`.

The same 150 sums in all languages, all of the test split of `sums`, in two phrasings. Each step
and phrasing gets 25; small numbers leave fewer subtractions than that in the test split, and the
two-step sums make up for them. Which sums is a shuffle with a fixed seed; no model has a say.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from babelbits.bundled import find_mini_folder
from babelmini.sums import OPERATIONS, Operation, Sum, load_templates, question

MATH = find_mini_folder() / "math"
PHRASINGS = 2
SUMS_EACH = 25
ITEMS = 150
LARGEST = 20
SEED = 20


@dataclass(frozen=True, slots=True)
class MathItem:
    """A sum and how it is put into words."""

    sum: Sum
    phrasing: int


def make_items(*, largest: int = LARGEST) -> list[MathItem]:
    """150 sums with their phrasings, none twice in one phrasing; operands in 2..`largest`.

    Raises
    ------
    ValueError
        If the test split has too few sums of such small numbers.
    """
    rng = np.random.default_rng(SEED)
    items: list[MathItem] = []
    for operation in OPERATIONS[:-1]:
        items += _ask(_test_sums(operation, largest=largest), SUMS_EACH, rng=rng)
    missing = (ITEMS - len(items)) // PHRASINGS
    items += _ask(_test_sums(OPERATIONS[-1], largest=largest), missing, rng=rng)
    if len(items) != ITEMS:
        raise ValueError(f"only {len(items)} of {ITEMS} items with numbers up to {largest}")
    return items


def _test_sums(operation: Operation, *, largest: int) -> list[Sum]:
    """Every sum of the test split, as `sums.draw` would make it."""
    steps = 3 if operation == "add_subtract" else 2
    found = (
        Sum(operation=operation, operands=operands)
        for operands in product(range(2, largest + 1), repeat=steps)
        if operation == "add" or sum(operands[:-1]) - operands[-1] >= steps - 2
    )
    return [one for one in found if one.split == "test"]


def _ask(pool: list[Sum], wanted: int, *, rng: np.random.Generator) -> list[MathItem]:
    """`wanted` sums in each phrasing, or all there are; from both ends: few are asked twice."""
    order = [pool[i] for i in rng.permutation(len(pool))]
    return [
        MathItem(one, phrasing)
        for phrasing, ends in enumerate((order, order[::-1]))
        for one in ends[:wanted]
    ]


def rows(items: Sequence[MathItem], *, language: str) -> Iterator[dict[str, object]]:
    """The items in a language, as they stand in its file."""
    for number, item in enumerate(items, start=1):
        yield {
            "source_id": f"m{number:03}",
            "question": question(item.sum, language=language, phrasing=item.phrasing),
            "answer": str(item.sum.answer),
            "operation": item.sum.operation,
            "operands": list(item.sum.operands),
        }


def to_jsonl(items: Sequence[MathItem], *, language: str) -> str:
    """One JSON object a line."""
    return "".join(
        json.dumps(row, ensure_ascii=False) + "\n" for row in rows(items, language=language)
    )


def main() -> None:
    """Write the files of all languages that have templates."""
    parser = argparse.ArgumentParser(description="Write BabelMini's sums.")
    parser.add_argument("--largest", type=int, default=LARGEST, help="largest operand")
    items = make_items(largest=parser.parse_args().largest)
    for language in load_templates():
        text = to_jsonl(items, language=language)
        (MATH / f"{language}.jsonl").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
