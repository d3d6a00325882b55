"""The parts of BabelMini share no text with each other, nor with the training corpus."""

import importlib.util
import re
import sys
from itertools import combinations
from pathlib import Path

import pytest

from babelmini.damage import LANGUAGES

EVERY = sorted(LANGUAGES)
PARTS = ("passages", "calibration", "confusion")
RECIPE = Path(__file__).resolve().parents[2] / "training" / "corpus.py"


def _sentences(rows, part, language):
    texts = []
    for row in rows(part, language):
        texts += row.get("sentences") or [row["prompt"]]
    return texts


def _plain(text):
    return re.sub(r"[\W_]+", " ", text).casefold().strip()


def _grams(texts, n=8):
    for text in texts:
        words = _plain(text).split()
        yield from (tuple(words[i : i + n]) for i in range(len(words) - n + 1))


@pytest.mark.parametrize("language", EVERY)
def test_no_sentence_is_in_two_parts_or_twice(language, rows):
    by_part = {part: [_plain(t) for t in _sentences(rows, part, language)] for part in PARTS}
    for one, other in combinations(PARTS, 2):
        assert set(by_part[one]).isdisjoint(by_part[other])
    assert all(len(texts) == len(set(texts)) for texts in by_part.values())


def test_no_eight_words_of_english_are_in_two_parts(rows):
    grams = {part: set(_grams(_sentences(rows, part, "en"))) for part in PARTS}
    assert all(grams.values())
    for one, other in combinations(PARTS, 2):
        assert grams[one].isdisjoint(grams[other])


@pytest.fixture(scope="module")
def corpora(shared_data):
    """Lines the bundled model was trained on, by language."""
    if not RECIPE.exists():
        pytest.skip("the training recipe is not part of an installed package")
    spec = importlib.util.spec_from_file_location("training_corpus", RECIPE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["training_corpus"] = module
    spec.loader.exec_module(module)
    return module.load(shared_data / "corpora", RECIPE.parent / "original")


@pytest.mark.shared_data
@pytest.mark.slow
@pytest.mark.parametrize("language", EVERY)
def test_no_sentence_was_trained_on(language, rows, corpora):
    trained = {
        _plain(sentence)
        for line in corpora[language].train
        for sentence in (line, *re.split(r"(?<=[.!?。！？।؟])\s*", line))
    }
    assert len(trained) > 100
    for part in PARTS:
        assert trained.isdisjoint(_plain(text) for text in _sentences(rows, part, language))


@pytest.mark.shared_data
@pytest.mark.slow
def test_no_eight_words_of_english_were_trained_on(rows, corpora):
    trained = set(_grams(corpora["en"].train))
    for part in PARTS:
        assert trained.isdisjoint(_grams(_sentences(rows, part, "en")))
