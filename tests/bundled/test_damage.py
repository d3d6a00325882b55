"""The rules that damage a sentence: what each building block does, and what none may do.

Expected values are worked out by hand.
"""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelmini.damage import LANGUAGES, RULES, pick
from babelmini.damage.edits import (
    drop,
    edit,
    endings,
    literal,
    mirrored,
    replace,
    swap_next,
    swap_previous,
)
from babelmini.damage.letters import LetterSwap, letters
from babelmini.damage.rules import LanguageRules


def test_swap_next_leaves_the_first_word_and_the_full_stop_alone():
    assert swap_next("the")("The dog sees the cat.") == ["The dog sees cat the."]


def test_swap_previous_by_hand():
    assert swap_previous("में से")("हम घर में हैं।") == ["हम में घर हैं।"]


def test_drop_needs_a_word_on_both_sides_without_a_mark():
    assert drop("to in")("We go to town, in fact, and come in.") == [
        "We go town, in fact, and come in."
    ]


def test_drop_takes_only_before_the_follower():
    assert drop("zu", follower=r"\w+en")("Es ist zu kalt, um zu gehen.") == [
        "Es ist zu kalt, um gehen."
    ]


def test_replace_keeps_the_capital_and_whole_words():
    assert replace("a→an is→are")("A man is at an island.") == [
        "An man is at an island.",
        "A man are at an island.",
    ]


def test_endings_need_a_stem():
    assert endings("에서→")("공장에서 에서 일한다.") == ["공장 에서 일한다."]


def test_literal_finds_every_place():
    assert literal("ab→ba")("ab cab") == ["ba cab", "ab cba"]


def test_mirrored_turns_the_last_two_characters():
    assert mirrored("月曜日")("月曜日に") == ["月日曜に"]


def test_an_edit_that_changes_nothing_is_no_damage():
    assert edit("a", "a")("banana") == []


@pytest.mark.parametrize(
    ("word", "cut"),
    [
        ("क्षत्रिय", ["क्ष", "त्रि", "य"]),
        ("മുത്തശ്ശി", ["മു", "ത്ത", "ശ്ശി"]),
        ("naïve", ["n", "a", "ï", "v", "e"]),
        ("하다", ["하", "다"]),
    ],
)
def test_letters_are_what_a_reader_sees(word, cut):
    """Conjuncts as orthographic syllables: The Unicode Standard 17, sections 12.1 and 12.9."""
    assert letters(word) == cut


@given(st.text())
def test_letters_joined_are_the_word(word):
    assert "".join(letters(word)) == word


def test_letter_swap_by_hand():
    assert LetterSwap(shortest=5)("Take bread.") == ["Take berad.", "Take braed."]


def test_letter_swap_leaves_equal_neighbours_and_numbers_alone():
    assert LetterSwap(shortest=4)("noon 12345") == []


@given(st.text(alphabet="abc ", max_size=40))
def test_letter_swap_keeps_the_letters(sentence):
    for damaged in LetterSwap(shortest=3)(sentence):
        assert damaged != sentence
        assert sorted(damaged) == sorted(sentence)


def test_acceptable_phrases_are_no_damage_unless_they_were_there():
    rules = LanguageRules(
        swap=(), drop=(drop("of a"),), agreement=(), characters=(), acceptable=("all them",)
    )
    assert rules.candidates("Take all of them, a lot.", rule="drop") == ()
    assert rules.candidates("Then all them see a cat.", rule="drop") == ("Then all them see cat.",)


def test_pick_depends_on_the_id_and_not_on_the_order():
    candidates = tuple("abcdefgh")
    picked = {pick(candidates, source_id=f"p{n}") for n in range(60)}
    assert len(picked) > 4
    assert pick(candidates, source_id="p1") == pick(candidates[::-1], source_id="p1")


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_rule_of_every_language_has_a_table(language):
    assert all(LANGUAGES[language].finders(rule) for rule in RULES)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@given(sentence=st.text(max_size=60))
def test_no_rule_gives_the_sentence_back(language, sentence):
    for rule in RULES:
        assert sentence not in LANGUAGES[language].candidates(sentence, rule=rule)


def test_tables_are_in_nfc():
    for rules in LANGUAGES.values():
        assert all(unicodedata.is_normalized("NFC", phrase) for phrase in rules.acceptable)
