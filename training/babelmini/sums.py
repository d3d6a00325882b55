"""One- and two-step sums in words, from checked templates in every BabelMini language.

Writes questions and knows their answers; never scores a model. The split of the operands into
training, development and test is a hash of the operation and its numbers, the same in all
languages, so that no sum of the test was ever seen in training in any language or phrasing.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from babelbits.bundled import find_mini_folder

Operation = Literal["add", "subtract", "add_subtract"]
Split = Literal["train", "dev", "test"]
OPERATIONS: tuple[Operation, ...] = ("add", "subtract", "add_subtract")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """An operation with its numbers; the answer is at least 0."""

    operation: Operation
    operands: tuple[int, ...]

    @property
    def answer(self) -> int:
        """The result as a whole number."""
        first, second, *rest = self.operands
        if self.operation == "subtract":
            return first - second
        return first + second - sum(rest)

    @property
    def split(self) -> Split:
        """Which part of the data the sum belongs to; a + b and b + a belong together."""
        key = list(self.operands)
        if self.operation != "subtract":
            key[:2] = sorted(key[:2])
        text = json.dumps([self.operation, key])
        bucket = hashlib.blake2b(text.encode(), digest_size=8).digest()[0] % 10
        return "test" if bucket == 0 else "dev" if bucket == 1 else "train"


def load_templates() -> Mapping[str, Mapping[str, list[str] | str]]:
    """Phrasings by language and operation, and the word that asks for the answer."""
    file = find_mini_folder() / "math" / "templates.json"
    templates: Mapping[str, Mapping[str, list[str] | str]] = json.loads(file.read_text("utf-8"))
    return templates


def draw(rng: np.random.Generator, *, operation: Operation, split: Split, largest: int) -> Sum:
    """A random sum of the wanted split; operands in 2..largest, answer in 0..2*largest."""
    while True:
        first, second, third = (int(n) for n in rng.integers(2, largest + 1, size=3))
        operands: tuple[int, ...] = (first, second)
        if operation == "subtract" and second > first:
            operands = (second, first)
        if operation == "add_subtract":
            operands = (first, second, min(third, first + second - 1))
        drawn = Sum(operation=operation, operands=operands)
        if drawn.split == split:
            return drawn


def question(sum_: Sum, *, language: str, phrasing: int) -> str:
    """The prompt, ending in the word that asks for the answer, without a trailing space.

    Raises
    ------
    KeyError, IndexError
        If there are no templates for the language, or fewer phrasings.
    """
    templates = load_templates()[language]
    names = dict(zip("abc", sum_.operands, strict=False))
    return f"{templates[sum_.operation][phrasing].format(**names)} {templates['answer']}"
