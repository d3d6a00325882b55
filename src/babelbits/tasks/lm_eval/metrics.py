"""lm-eval's metrics as numbers of single items.

lm-eval scores an item with a number, or with a tuple that only its corpus-wide aggregation can
read. Tuples become the item's own number where there is one (bits per byte, sentence BLEU and
chrF, Brier score); metrics without one (F1 and Matthews correlation over a corpus) are left out and
named.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from babelbits.records import Metric, MetricKind

_BINARY = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match")
_GUESSABLE = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info")
_CORPUS_ONLY = ("f1", "mcc", "likelihood")
_PREFERRED_FILTERS = ("flexible-extract",)

Convert = Callable[[Any], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemMetric:
    """One of our metrics, and where to find it in what lm-eval returns."""

    metric: Metric
    source: str
    """lm-eval's name of it."""
    filter_name: str
    """The filter whose outputs it scores."""
    convert: Convert

    def totals(self, results: Mapping[str, Any]) -> tuple[float, float] | None:
        """Numerator and size of an item of a ratio of totals; None where lm-eval gives none."""
        return count_totals(self.source, results.get(self.source))

    def value(self, results: Mapping[str, Any]) -> float | None:
        """The metric of one item, from the results of its filter; None if it has none."""
        raw = results.get(self.source)
        return None if raw is None else self.convert(raw)


def list_item_metrics(
    task: Any, filters: list[str], *, chance: float | None
) -> tuple[list[ItemMetric], list[str]]:
    """Metrics of a task that single items have, and the names of those that they do not.

    Parameters
    ----------
    task : lm_eval.api.task.Task
        The loaded task.
    filters : list of str
        Names of its filters; with more than one, the filter is part of the metric's name.
    chance : float or None
        Expected accuracy of guessing.
    """
    has_own_scorer = callable(getattr(task.config, "process_results", None))
    names = list(task.aggregation())
    left_out = [name for name in names if name in _CORPUS_ONLY and not has_own_scorer]
    better = task.higher_is_better()
    metrics = [
        _item_metric(
            name,
            filter_name=filter_name,
            suffix=f"[{filter_name}]" if len(filters) > 1 else "",
            higher=better.get(name, True) is not False,
            has_own_scorer=has_own_scorer,
            chance=chance,
            output_type=task.OUTPUT_TYPE,
        )
        for filter_name in filters
        for name in names
        if name not in left_out
    ]
    return metrics, left_out


def choose_primary(metrics: list[ItemMetric]) -> ItemMetric:
    """The metric that verdicts are about: the first, of a lenient filter if there is one."""
    lenient = [metric for metric in metrics if metric.filter_name in _PREFERRED_FILTERS]
    return (lenient or metrics)[0]


def _item_metric(
    name: str,
    *,
    filter_name: str,
    suffix: str,
    higher: bool,
    has_own_scorer: bool,
    chance: float | None,
    output_type: str | None,
) -> ItemMetric:
    shown, kind, unit, convert = describe_metric(name, output_type, has_own_scorer=has_own_scorer)
    guessable = output_type == "multiple_choice" and name in _GUESSABLE and not has_own_scorer
    metric = Metric(
        name=shown + suffix,
        kind=kind,
        higher_is_better=True if shown == "log_likelihood" else higher,
        unit=unit,
        chance=chance if guessable else None,
        corpus="ratio" if name == "bits_per_byte" else None,
    )
    return ItemMetric(metric=metric, source=name, filter_name=filter_name, convert=convert)


def describe_metric(
    name: str, output_type: str | None, *, has_own_scorer: bool
) -> tuple[str, MetricKind, str, Convert]:
    """Shown name, kind, unit and conversion of one of lm-eval's metrics."""
    if name == "perplexity" and output_type == "loglikelihood":
        return "log_likelihood", "real", "nats", parse_number
    if name in _BINARY:
        return name, "bounded" if has_own_scorer else "binary", "fraction", parse_number
    if name in _TUPLES:
        kind, unit, convert = _TUPLES[name]
        return name, kind, unit, convert
    return name, "real", "score", parse_number


def count_totals(name: str, value: Any) -> tuple[float, float] | None:
    """Bits and bytes of an item, from lm-eval's (log-likelihood in nats, bytes)."""
    match value:
        case (logprob, length) if name == "bits_per_byte" and length > 0:
            bits = parse_number(-float(logprob) / math.log(2))
            return None if bits is None else (bits, float(length))
        case _:
            return None


def parse_number(value: Any) -> float | None:
    """A finite number as it is; None for anything else."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def _over_length(to_value: Callable[[float], float]) -> Convert:
    """From (log-likelihood in nats, length) to a function of nats lost per unit of length."""

    def convert(value: Any) -> float | None:
        match value:
            case (logprob, length) if length > 0:
                return parse_number(to_value(-float(logprob) / float(length)))
            case _:
                return parse_number(value)

    return convert


def _exp(nats: float) -> float:
    return math.exp(min(nats, 700.0))


def _sentence(metric: Literal["bleu", "chrf", "chrf++", "ter"]) -> Convert:
    """From (reference or references, hypothesis) to sacrebleu's sentence score over 100."""

    def convert(value: Any) -> float | None:
        match value:
            case (references, str(hypothesis)):
                listed = [references] if isinstance(references, str) else list(references)
                return _sacrebleu(metric, hypothesis, listed) / 100
            case _:
                return parse_number(value)

    return convert


def _sacrebleu(metric: str, hypothesis: str, references: list[str]) -> float:
    import sacrebleu

    match metric:
        case "bleu":
            return float(sacrebleu.sentence_bleu(hypothesis, references).score)
        case "ter":
            return float(sacrebleu.sentence_ter(hypothesis, references).score)
        case _:
            words = 2 if metric == "chrf++" else 0
            return float(sacrebleu.sentence_chrf(hypothesis, references, word_order=words).score)


def _brier(value: Any) -> float | None:
    """From (gold index, probabilities) to the sum of squared errors."""
    match value:
        case (int(gold), probabilities):
            return float(sum((p - (i == gold)) ** 2 for i, p in enumerate(probabilities)))
        case _:
            return parse_number(value)


_TUPLES: Mapping[str, tuple[MetricKind, str, Convert]] = {
    "bits_per_byte": ("real", "bits/byte", _over_length(lambda nats: nats / math.log(2))),
    "byte_perplexity": ("real", "perplexity/byte", _over_length(_exp)),
    "word_perplexity": ("real", "perplexity/word", _over_length(_exp)),
    "bleu": ("bounded", "fraction", _sentence("bleu")),
    "chrf": ("bounded", "fraction", _sentence("chrf")),
    "chrf++": ("bounded", "fraction", _sentence("chrf++")),
    "ter": ("real", "score", _sentence("ter")),
    "brier_score": ("real", "score", _brier),
}
