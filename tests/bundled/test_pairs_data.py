"""BabelMini's `pairs` files: what the generator makes, and what a benchmark must be."""

import json
import unicodedata
from collections import Counter

import pytest

from babelmini.damage import LANGUAGES
from babelmini.make_pairs import BABELMINI, make_pairs, to_jsonl

EVERY = sorted(LANGUAGES)


@pytest.mark.parametrize("language", EVERY)
def test_the_file_is_what_the_generator_makes(language):
    file = BABELMINI / "pairs" / f"{language}.jsonl"
    assert file.read_text("utf-8") == to_jsonl(make_pairs(language))


@pytest.mark.parametrize("language", EVERY)
def test_pairs_differ_and_are_nfc(language, rows):
    for row in rows("pairs", language):
        assert row["intact"] != row["damaged"], row["source_id"]
        assert unicodedata.is_normalized("NFC", row["damaged"] + row["intact"])
        assert row["damaged"].strip() == row["damaged"]
        assert "  " not in row["damaged"]


@pytest.mark.parametrize("language", EVERY)
def test_lengths_are_close(language, rows):
    """No more is missing or added than a short function word and its space."""
    for row in rows("pairs", language):
        assert abs(len(row["damaged"]) - len(row["intact"])) <= 9, row["source_id"]


def test_the_same_items_in_every_language(rows):
    ids = {tuple(row["source_id"] for row in rows("pairs", language)) for language in EVERY}
    assert len(ids) == 1
    (only,) = ids
    assert len(only) == len(set(only)) == 240


def test_13_languages():
    assert ",".join(EVERY) == "ar,de,en,es,fr,hi,ja,ko,ml,nb,ru,sw,zh"


@pytest.mark.parametrize("language", EVERY)
def test_intact_is_the_passage_s_sentence(language, rows):
    sentences = {
        f"{passage['source_id']}-{number}": sentence
        for passage in rows("passages", language)
        for number, sentence in enumerate(passage["sentences"], start=1)
    }
    for row in rows("pairs", language):
        assert row["intact"] == sentences[row["source_id"].rpartition("-")[0]]


@pytest.mark.parametrize("language", EVERY)
def test_two_items_of_a_sentence_have_two_rules(language, rows):
    seen = {(row["intact"], row["rule"]) for row in rows("pairs", language)}
    assert len(seen) == 240


@pytest.mark.parametrize("language", EVERY)
def test_every_rule_has_a_share(language, rows):
    shares = Counter(row["rule"] for row in rows("pairs", language))
    assert set(shares) == {"swap", "drop", "agreement", "characters"}
    assert min(shares.values()) >= 0.1 * 240
    assert max(shares.values()) <= 0.45 * 240


def test_a_change_in_one_passage_leaves_the_others_items_alone(tmp_path, rows):
    passages = rows("passages", "en")
    passages[7]["sentences"] = ["The small boat lay in the harbour.", "We wait for the captain."]
    folder = tmp_path / "passages"
    folder.mkdir()
    (folder / "en.jsonl").write_text("".join(json.dumps(p) + "\n" for p in passages), "utf-8")
    changed = make_pairs("en", folder=tmp_path)
    same = [a == b for a, b in zip(changed, make_pairs("en"), strict=True)]
    assert same.count(False) == 3
