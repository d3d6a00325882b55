"""What a task is made of: items with their prompts, metrics, and what comes of the replies.

Scores are fractions in [0, 1] unless a metric says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from babelbits.records.replies import Failure
from babelbits.records.requests import Request

MetricKind = Literal["binary", "bounded", "real"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number per item, and how to read it."""

    name: str
    kind: MetricKind
    """binary: 0 or 1 (McNemar); bounded: in [0, 1]; real: any (permutation)."""
    higher_is_better: bool = True
    unit: str = "fraction"
    chance: float | None = None
    """Expected score of guessing; None where there is none (open generation)."""
    corpus: Literal["bleu", "chrf", "ratio"] | None = None
    """How sums of the items' statistics are scored, where the score of a corpus is not the mean of
    its items' scores; None: it is. 'ratio': the first statistic's total over the second's."""
    signature: str | None = None
    """Recipe of the number as its own tool writes it, e.g. sacrebleu's signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInfo:
    """What a task is, apart from its items."""

    name: str
    """One benchmark in one language, e.g. 'mgsm_direct_ja'."""
    suite: str
    """The benchmark across languages, e.g. 'mgsm'."""
    language: str
    metrics: tuple[Metric, ...]
    primary: str
    """Name of the metric that verdicts are about."""
    output_type: Literal["choice", "text", "generation", "loglikelihood"]
    parallel: bool
    """Whether items of different languages share source ids (translations)."""
    scorer_version: str
    """Changes whenever the same replies could score differently."""
    origin: str
    """Where the items come from: 'bundled', 'lm-eval 0.4.13 + <dataset or folder>', ..."""
    licence: str = "unknown"
    notes: tuple[str, ...] = ()

    def metric(self, name: str) -> Metric:
        """The metric called `name`; KeyError if the task has none."""
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a task makes of the replies to one item."""

    output: str
    scores: Mapping[str, float | None]
    choice_logprobs: tuple[float, ...] | None = None
    finish_reason: str | None = None
    failure: Failure | None = None
    statistics: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Corpus metrics: name to the item's sufficient statistics (counts of n-grams, lengths)."""
    samples: tuple["Outcome", ...] = ()
    """Of a sampled task: what it makes of each sample; the scores above are their means."""
    remark: str = ""
    """Why the scores are what they are, for people; '' where there is nothing to say."""
    golds: tuple[str, ...] = ()
    """Every gold answer, where the task knows of several; else the item's target is the one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One benchmark question in one language, with its prompts already built."""

    item_id: str
    """Hash of the canonical item: requests, target, language, task."""
    source_id: str
    """The same for all translations of one question."""
    task: str
    language: str
    """Canonical code, e.g. 'nb', 'zh' (see `languages.resolve`)."""
    requests: tuple[Request, ...]
    target: str
    """The gold answer as shown to people."""
    doc: Mapping[str, Any] = field(default_factory=dict)
    """JSON-able source document, whatever scoring needs; a plain dict."""
    cluster_id: str | None = None
    """What the item shares with others that are not its translations: a passage, a document, a
    dialogue, a template. None: nothing. No part of `item_id`: it changes no answer."""

    @property
    def unit(self) -> str:
        """Items of one unit depend on each other: the cluster, else the source."""
        return self.source_id if self.cluster_id is None else self.cluster_id
