"""The number of an answer: cases written by hand, read by hand, in `number_cases.tsv`.

Columns: language, the number that a person reads as the answer ('-': none), what a model wrote (as
a JSON string without its quotes).
"""

import json
import unicodedata
from decimal import Decimal
from pathlib import Path

import pytest

from babelbits.languages import resolve
from babelbits.tasks.answer_number import answer_number, match_native_number

CASES = [
    tuple(line.split("\t"))
    for line in (Path(__file__).parent / "number_cases.tsv").read_text("utf-8").splitlines()[1:]
]


def test_there_are_two_hundred_cases_in_a_dozen_scripts() -> None:
    assert len(CASES) >= 200
    assert len({resolve(language).script for language, _, _ in CASES}) >= 12


@pytest.mark.parametrize(("language", "expected", "text"), CASES)
def test_by_hand(language: str, expected: str, text: str) -> None:
    found = answer_number(json.loads(f'"{text}"'), language)
    assert found == (None if expected == "-" else Decimal(expected))


@pytest.mark.parametrize(("language", "expected", "text"), CASES)
def test_decomposed_text_reads_the_same(language: str, expected: str, text: str) -> None:
    """MGSM's Bengali is not NFC."""
    plain = json.loads(f'"{text}"')
    assert answer_number(unicodedata.normalize("NFD", plain), language) == answer_number(
        plain, language
    )


def test_a_match_needs_the_number_and_nothing_else() -> None:
    assert match_native_number("উত্তর হল ১৮।", "18", "bn") == 1.0
    assert match_native_number("উত্তর হল ১৯।", "18", "bn") == 0.0
    assert match_native_number("", "18", "bn") == 0.0
    assert match_native_number("సమాధానం 11.", "దశలవారీగా సమాధానం: సమాధానం 11.", "te") == 1.0
