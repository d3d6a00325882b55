"""Kinds of tokens on sentences marked by hand."""

from pathlib import Path

import pytest

from babelbits.probes.token_classes import CLASSES, classify, classify_characters
from babelbits.probes.word_lists import WORDS
from tiny_models import save_tokenizer

MARKS = {"digit": "d", "operator": "o", "number word": "n", "function word": "f", "rest": "."}


def marked(text: str, language: str) -> str:
    return "".join(MARKS[one] for one in classify_characters(text, language=language))


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "What is 13 plus 5?", "ffff.ff.dd.oooo.d."),
        ("en", "3+4 = 7", "dod.o.d"),
        ("de", "Zwei plus drei", "nnnn.oooo.nnnn"),
        ("ar", "كم ١٢ زائد", "ff.dd.oooo"),
        ("zh", "三加4等于", "nodoo"),
        ("xx", "two 2", "....d"),
    ],
)
def test_characters_have_the_class_of_their_word(language: str, text: str, expected: str) -> None:
    assert marked(text, language).startswith(expected)


def test_a_hyphen_is_a_sign_only_where_no_letter_touches_it() -> None:
    assert marked("well-known 7 - 2", "en") == "...........d.o.d"


def test_vowel_signs_are_part_of_hindi_words() -> None:
    """'की' (of) must not be found in 'कीमत' (price), nor 'का' in 'काम' (work)."""
    assert "f" not in marked("कीमत काम", "hi")
    assert marked("दो और", "hi") == "nn.ff"


def test_tokens_of_one_word_share_its_class(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    tokenizer = save_tokenizer(tmp_path)
    text = "twelve plus ١٢"
    tokens = tokenizer(text)["input_ids"]
    found = classify([0, *tokens], tokenizer=tokenizer, language="en")
    assert found[0] == "rest"  # the beginning of text
    pieces = dict.fromkeys(kind for kind in found if kind != "rest")  # spaces are tokens here
    assert list(pieces) == ["number word", "operator", "digit"]
    assert len(tokens) > 5  # words and digits of several tokens


def test_no_word_is_in_two_lists_of_a_language_but_by_intent() -> None:
    """'más' and 'plus' are 'more' too; in a sum they are signs."""
    for language, lists in WORDS.items():
        numbers, operators = set(lists.numbers.split()), set(lists.operators.split())
        assert not numbers & operators, language
        assert not numbers & set(lists.functions.split()), language
    assert len(CLASSES) == 5
