"""Expected spans are counted by hand; laws are hypothesis'."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelbits.report.diff import cut_segments, find_changes, split_tokens

TEXTS = st.text(max_size=60)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the cat's 12", ["the", " ", "cat's", " ", "12"]),
        ("नमस्ते दुनिया", ["नमस्ते", " ", "दुनिया"]),  # a word keeps its signs
        ("മലയാളം\u200d", ["മലയാളം\u200d"]),  # and its joiner
        ("七つ", ["七", "つ"]),  # no spaces between words: character by character
        ("กำ", ["กำ"]),  # a Thai cluster is not cut: UAX 29 keeps SARA AM with its base
        ("👩‍👩‍👧!", ["👩‍👩‍👧", "!"]),  # one grapheme, five code points
    ],
)
def test_tokens_are_words_or_graphemes(text: str, expected: list[str]) -> None:
    assert split_tokens(text) == expected


def test_spans_of_one_changed_word_by_hand() -> None:
    found = find_changes("the cat sat", "the dog sat")
    assert (found.before, found.after) == (((4, 7),), ((4, 7),))


def test_spans_of_an_insertion_by_hand() -> None:
    found = find_changes("a c", "a b c")
    assert found.before == ()
    assert "".join(piece for piece, new in cut_segments("a b c", found.after) if new).strip() == "b"


def test_one_changed_digit_in_japanese_marks_that_digit_alone() -> None:
    assert find_changes("答えは四十二", "答えは四十三").after == ((5, 6),)


@settings(deadline=None)
@given(TEXTS)
def test_tokens_joined_are_the_text(text: str) -> None:
    assert "".join(split_tokens(text)) == text


@settings(deadline=None)
@given(TEXTS)
def test_nothing_changed_between_equal_texts(text: str) -> None:
    found = find_changes(text, text)
    assert found.before == found.after == ()


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_what_is_not_marked_is_the_same_on_both_sides(before: str, after: str) -> None:
    found = find_changes(before, after)
    left, right = cut_segments(before, found.before), cut_segments(after, found.after)
    assert "".join(piece for piece, _ in left) == before
    assert "".join(piece for piece, _ in right) == after
    kept = ["".join(piece for piece, new in side if not new) for side in (left, right)]
    assert kept[0] == kept[1]


def test_very_long_texts_stay_cheap_and_mark_the_middle() -> None:
    found = find_changes("a " + "x y " * 3000 + "z", "a " + "p q " * 3000 + "z")
    assert found.before == found.after == ((2, 2 + 4 * 3000 - 1),)
