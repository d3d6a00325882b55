"""Numbers in any script. Digits come from the Unicode character database, formats from CLDR."""

import sys
import unicodedata
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelbits.tasks.numbers import find_first_number

ZEROS = [
    char
    for char in map(chr, range(sys.maxunicode + 1))
    if unicodedata.category(char) == "Nd" and unicodedata.decimal(char) == 0
]
"""The digit zero of every script that Unicode knows."""

whole = st.integers(min_value=0, max_value=10**12)
zeros = st.sampled_from(ZEROS)


def in_digits(text: str, zero: str) -> str:
    return "".join(chr(ord(zero) + int(char)) if char.isdigit() else char for char in text)


def indian(number: int) -> str:
    """Grouping of CLDR's pattern #,##,##0."""
    digits = str(number)
    head, tail = digits[:-3], digits[-3:]
    pairs = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)][::-1]
    return ",".join([*pairs, tail])


def test_unicode_has_the_digits_that_babelmini_needs() -> None:
    assert set("0٠۰०൦０").issubset(ZEROS)


@given(whole, zeros)
def test_a_bare_number_reads_back_in_any_script(number: int, zero: str) -> None:
    assert find_first_number(in_digits(str(number), zero)) == number


@given(whole, zeros, st.sampled_from([",", ".", "’", "٬", "\u00a0", "\u202f"]))
def test_groups_of_three_read_back(number: int, zero: str, mark: str) -> None:
    text = f"{number:,}".replace(",", mark)
    assert find_first_number(in_digits(text, zero)) == number


@given(whole, zeros)
def test_indian_groups_read_back(number: int, zero: str) -> None:
    assert find_first_number(in_digits(indian(number), zero)) == number


@given(whole, st.sampled_from("-−－"))
def test_a_minus_of_any_kind_counts(number: int, minus: str) -> None:
    assert find_first_number(f"= {minus}{number}") == -number


@given(whole, whole, st.text(alphabet="абв かな ", min_size=1))
def test_only_the_first_number_counts(first: int, second: int, between: str) -> None:
    assert find_first_number(f"{first}{between}{second}") == first


@given(st.text())
def test_no_text_makes_it_fail(text: str) -> None:
    found = find_first_number(text)
    assert found is None or found.is_finite()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" 12.", 12),
        ("答えは12です", 12),
        ("x12", 12),
        ("7-5", 7),
        ("well-5", 5),
        ("12.0", 12),
        ("1,5 Liter", Decimal("1.5")),
        ("0.125", Decimal("0.125")),
        ("1.234.567,89", Decimal("1234567.89")),
        ("\u200f-\u200e١٢", -12),  # direction marks as in Arabic typesetting
        ("٣٫٥", Decimal("3.5")),
        ("2, 125", 2),
        ("007", 7),
        ("1,2345", Decimal("1.2345")),
        ("twelve", None),
        ("十二", None),
        ("²", None),
        ("", None),
    ],
)
def test_by_hand(text: str, expected: object) -> None:
    assert find_first_number(text) == expected
