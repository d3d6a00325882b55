"""BabelMini's `math` files: right answers, the same sums everywhere, none of them trained on."""

import re
from collections import Counter
from decimal import Decimal

import numpy as np
import pytest

from babelmini import sums
from babelmini.make_math import MATH, make_items, to_jsonl

EVERY = sorted(sums.load_templates())
SIGNS = {"add": (1, 1), "subtract": (1, -1), "add_subtract": (1, 1, -1)}


@pytest.mark.parametrize("language", EVERY)
def test_the_file_is_what_the_generator_makes(language):
    assert (MATH / f"{language}.jsonl").read_text("utf-8") == to_jsonl(
        make_items(), language=language
    )


@pytest.mark.parametrize("language", EVERY)
def test_answers_by_decimal_arithmetic_on_the_numbers_in_the_question(language, rows):
    for row in rows("math", language):
        numbers = [Decimal(n) for n in re.findall(r"\d+", row["question"])]
        signs = SIGNS[row["operation"]]
        right = sum(sign * number for sign, number in zip(signs, numbers, strict=True))
        assert Decimal(row["answer"]) == right >= 0, row["source_id"]
        assert numbers == [Decimal(n) for n in row["operands"]]


@pytest.mark.parametrize("language", EVERY)
def test_150_questions_none_twice(language, rows):
    items = rows("math", language)
    assert len({row["question"] for row in items}) == len(items) == 150
    assert [row["source_id"] for row in items] == [f"m{n:03}" for n in range(1, 151)]


def test_the_same_sums_in_every_language(rows):
    first, *others = (
        [(row["operation"], row["operands"], row["answer"]) for row in rows("math", language)]
        for language in EVERY
    )
    assert all(other == first for other in others)


def _commuted(operation, operands):
    head = sorted(operands[:2]) if operation != "subtract" else operands[:2]
    return (operation, *head, *operands[2:])


@pytest.mark.parametrize("split", ["train", "dev"])
def test_no_sum_is_in_the_training_or_development_split(split, rows):
    asked = {_commuted(r["operation"], r["operands"]) for e in EVERY for r in rows("math", e)}
    rng = np.random.default_rng(1)
    for operation in sums.OPERATIONS:
        for _ in range(800):
            drawn = sums.draw(rng, operation=operation, split=split, largest=20)
            assert _commuted(operation, list(drawn.operands)) not in asked


def test_steps_and_phrasings():
    """Up to 20 the test split holds 14 subtractions; two-step sums fill up to 150."""
    counts = Counter((item.sum.operation, item.phrasing) for item in make_items())
    assert counts == {
        (operation, phrasing): wanted
        for operation, wanted in [("add", 25), ("subtract", 14), ("add_subtract", 36)]
        for phrasing in (0, 1)
    }


def test_larger_numbers_give_25_each_and_no_sum_twice():
    items = make_items(largest=40)
    assert set(Counter((item.sum.operation, item.phrasing) for item in items).values()) == {25}
    assert len({item.sum for item in items}) == 150


def test_numbers_too_small_are_an_error():
    with pytest.raises(ValueError, match="of 150 items with numbers up to 4"):
        make_items(largest=4)
