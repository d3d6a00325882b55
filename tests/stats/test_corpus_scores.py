"""BLEU and chrF of sums against sacrebleu's own `make_corpus_score`, text by text."""

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from babelbits.stats.corpus_scores import bleu, chrf
from translations import damaged, references

TOKENIZERS = {"en": "13a", "hi": "13a", "ar": "13a", "ja": "char", "zh": "zh"}


def sums(tool: BLEU | CHRF, hypotheses: list[str], gold: list[str]) -> np.ndarray:
    return np.array(tool._extract_corpus_statistics(hypotheses, [gold]), float).sum(0)[None]


@pytest.mark.parametrize("language", TOKENIZERS)
@pytest.mark.parametrize("share", [0.0, 0.15, 0.6, 0.97])
def test_bleu_equals_sacrebleu(language: str, share: float) -> None:
    """Shares up to 0.97 leave orders without a match, where smoothing begins."""
    gold = references(language)[:60]
    hypotheses = damaged(gold, share=share, seed=1)
    tool = BLEU(tokenize=TOKENIZERS[language])
    expected = tool.corpus_score(hypotheses, [gold]).score / 100
    assert bleu(sums(tool, hypotheses, gold))[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("word_order", [0, 2])
@pytest.mark.parametrize("language", TOKENIZERS)
@pytest.mark.parametrize("share", [0.0, 0.15, 0.97, 1.0])
def test_chrf_equals_sacrebleu(language: str, share: float, word_order: int) -> None:
    gold = references(language)[:60]
    hypotheses = damaged(gold, share=share, seed=2)
    tool = CHRF(word_order=word_order)
    expected = tool.corpus_score(hypotheses, [gold]).score / 100
    assert chrf(sums(tool, hypotheses, gold))[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("hypothesis", "gold"),
    [
        ("", "ein Satz"),
        ("ja", "ja"),
        ("ja", "nein"),
        ("a b c", "a b c"),
        ("a b x d e f", "a b c d e f"),
        ("a c b d", "a b c d"),
    ],
)
def test_short_segments_equal_sacrebleu(hypothesis: str, gold: str) -> None:
    """Fewer words than orders, and empty answers, which are where conventions differ."""
    for tool, score in ((BLEU(), bleu), (CHRF(word_order=2), chrf), (CHRF(), chrf)):
        expected = tool.corpus_score([hypothesis], [[gold]]).score / 100
        found = score(sums(tool, [hypothesis], [gold]))[0]
        assert found == pytest.approx(expected, abs=1e-12), tool


def test_many_corpora_at_once_are_each_alone() -> None:
    rng = np.random.default_rng(0)
    table = rng.integers(0, 9, (50, 10)).astype(float)
    assert bleu(table) == pytest.approx([bleu(row[None])[0] for row in table])
    table = rng.integers(0, 9, (50, 24)).astype(float)
    assert chrf(table) == pytest.approx([chrf(row[None])[0] for row in table])
