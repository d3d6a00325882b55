"""The records that pass between the rooms: requests and replies, items, manifests, effects.

Frozen dataclasses without behaviour beyond hashing. Nothing here reads a file or loads a model.

Sign: ``delta = variant - baseline`` of the *oriented* score (higher is better): harm is negative.
Units: scores are fractions in [0, 1] unless a metric says otherwise; log-probabilities are in nats;
text metrics are in bits.
Undefined is ``None`` with a reason, never 0 and never NaN.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

JSON = dict[str, Any]


def canonical_json(value: object) -> str:
    """JSON with sorted keys, no spaces and no NaN: equal values give equal text.

    Raises
    ------
    ValueError
        If the value holds NaN or infinity.
    """
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )


def digest(value: object, *, length: int = 16) -> str:
    """Hex BLAKE2b of the canonical JSON of `value`, `length` hex digits."""
    return hashlib.blake2b(canonical_json(value).encode(), digest_size=length // 2).hexdigest()


# --- what is asked of an engine --------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequest:
    """Log-likelihood of `continuation` after `context` (lm-eval's `loglikelihood`)."""

    context: str
    continuation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRequest:
    """Log-likelihood of every token of a whole text (lm-eval's `loglikelihood_rolling`)."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRequest:
    """Continue `prompt`. Greedy when `temperature` is 0."""

    prompt: str
    max_new_tokens: int
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    samples: int = 1
    """Independent continuations; more than one needs temperature > 0."""
    seed: int = 0
    """With `samples`, fixes the draw of each continuation whatever the batch."""
    thinking: tuple[tuple[str, str], ...] = ()
    """Opening and closing tags of what the model thinks first: taken out of the texts, counted."""


Request = ScoreRequest | TextRequest | GenerateRequest


# --- what an engine answers ------------------------------------------------------------------

FailureKind = Literal[
    "prompt_too_long",
    "nan_logits",
    "empty_text",
    "generation_failed",
    "scoring_failed",
    "nothing_to_score",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A request that has no answer, and why. Counted and shown, never dropped."""

    kind: FailureKind
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Answer to a `ScoreRequest`."""

    logprob: float
    """Sum over the continuation's tokens, nats, <= 0."""
    is_greedy: bool
    """Whether greedy decoding would have produced the continuation."""
    prompt_tokens: int
    continuation_tokens: int
    truncated_tokens: int = 0
    """Tokens cut from the left of the context so that it fits; 0 is the usual case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextScore:
    """Answer to a `TextRequest`: one log-probability a token, nats."""

    logprobs: tuple[float, ...]
    n_bytes: int
    """UTF-8 bytes of the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """What a model wrote between its tags before it answered."""

    text: str
    tokens: int
    """Tags included; part of the output tokens."""
    finished: bool
    """False where no closing tag came: the answer is then empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """Answer to a `GenerateRequest`: one text per sample."""

    texts: tuple[str, ...]
    """Without thinking."""
    finish_reasons: tuple[Literal["stop", "eos", "length"], ...]
    output_tokens: tuple[int, ...]
    prompt_tokens: int
    truncated_tokens: int = 0
    thinking: tuple[Thinking | None, ...] = ()
    """A sample's, or None where it did not think; empty where nobody looked for it."""


Reply = Score | TextScore | Generation | Failure


# --- what a task is made of ------------------------------------------------------------------

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
    corpus: Literal["bleu", "chrf"] | None = None
    """How sums of the items' statistics are scored, where the score of a corpus is not the mean of
    its items' scores; None: it is."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One of the texts that a model wrote for an item: a sample, or a turn. Hostile text."""

    text: str
    """Without thinking."""
    finish_reason: str
    output_tokens: int
    """Thinking included."""
    thinking: str | None = None
    """None where the model did not think, or nobody looked for it."""
    thinking_tokens: int = 0
    thinking_finished: bool = True
    scores: Mapping[str, float | None] = field(default_factory=dict)
    """Of a sample; empty for a turn, which is not scored alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRow:
    """One item's outcome under one variant: a row of the store."""

    item_id: str
    source_id: str
    task: str
    language: str
    variant: str
    """Variant label as in the plan, e.g. 'w4-g@en'."""
    target: str
    output: str
    """What the model wrote, or the text of the choice it preferred. Hostile text: never trusted."""
    scores: Mapping[str, float | None]
    """Metric name to value; None where `failure` says why."""
    choice_logprobs: tuple[float, ...] | None
    prompt_hash: str
    prompt: str
    prompt_tokens: int
    output_tokens: int
    finish_reason: str | None
    truncated_tokens: int = 0
    failure: Failure | None = None
    statistics: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Corpus metrics: name to the item's sufficient statistics."""
    answers: tuple[Answer, ...] = ()
    """Every text of an item that is sampled, has turns, or may hold thinking; else empty."""
    remark: str = ""
    """Why the scores are what they are, for people. May quote the output: never trusted."""
    golds: tuple[str, ...] = ()
    """Every gold answer, where the task knows of several; else `target` is the one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPlan:
    """Fixed before the first item: a cell may stop as soon as its verdict is known."""

    alpha: float
    """The cell's part of its family's error rate: the chance of ever showing what is not so."""
    family: int
    """Cells that share the error rate."""
    margin: float | None
    """Of the primary metric; None: equivalence cannot be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellMeta:
    """What a cell is: everything that can change its numbers, and labels for people."""

    cell_id: str
    """Hash of `identity`; labels are not part of it."""
    identity: Mapping[str, Any]
    variant: str
    """Label, e.g. 'baseline', 'w4-g@en'."""
    variant_id: str
    replicate: int
    """0, or 1 for the A/A cell of the baseline."""
    task: TaskInfo
    n_items: int
    chunk: int
    """Items per batch: a batch is recorded whole or repeated whole."""
    smoke: bool
    """True for runs with a limit on the number of items."""
    stop: StopPlan | None = None
    """None: all items are run."""


# --- what a recipe leaves behind -------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRecord:
    """Which text a recipe saw."""

    language: str
    source: str
    """'bundled', a file path as given, or 'hub:<dataset>@<revision>'."""
    text_hash: str
    n_samples: int
    tokens_per_sample: int
    n_tokens: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRecord:
    """One tensor of the checkpoint as stored."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    """Stored type in the field's words, e.g. 'int4 g128', 'int8', 'nf4', 'bf16'."""
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a variant folder holds and how it was made; `manifest.json` in the folder."""

    variant_id: str
    recipe: str
    parameters: Mapping[str, Any]
    calibration: CalibrationRecord | None
    base_model: str
    base_hash: str
    weights_hash: str
    """Hash over (name, sha256) of every file but the manifest."""
    bits_per_weight: float
    """Stored bits of all weight tensors (scales and zero points too) / number of weights."""
    quantized_bits_per_weight: float | None
    """The same over the quantized tensors alone; None for the baseline."""
    n_weights: int
    bytes_on_disk: int
    tensors: tuple[TensorRecord, ...]
    seconds: float
    library_versions: Mapping[str, str]
    files: Mapping[str, str]
    """File name to sha256."""
    format: str
    """'hf', 'compressed-tensors', 'bitsandbytes', 'gguf'."""
    notes: tuple[str, ...] = ()
    """What a reader of its results should know of how it was made; shown by run and report."""


# --- what an analysis says -------------------------------------------------------------------

Verdict = Literal["worse", "equivalent", "better", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A two-sided confidence interval; both ends kept because it need not be symmetric."""

    low: float
    high: float
    level: float
    """E.g. 0.95."""
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Paired difference of a variant and the baseline over a cell or a group of languages."""

    variant: str
    task: str
    """Suite name, e.g. 'mgsm'; effects of a cell and of a group share it."""
    metric: str
    kind: MetricKind
    unit: str
    higher_is_better: bool
    scope: Literal["language", "group", "all"]
    language: str | None
    group: str | None
    languages: tuple[str, ...]
    n_items: int
    n_source_items: int
    n_failed: int
    """Items without a score in either arm: left out of the pairs, counted here."""
    n_truncated: int
    n_over_long: int
    baseline_score: float
    variant_score: float
    """Both in the metric's own unit and direction."""
    baseline_interval: Interval | None
    delta: float
    """Oriented: negative is harm, whatever the metric's direction."""
    interval: Interval | None
    p_value: float | None
    """Two-sided."""
    p_adjusted: float | None
    family: str | None
    """Name of the Holm family, or None for an exploratory effect."""
    test: str
    margin: float | None
    verdict: Verdict
    reason: str
    """Why the verdict is what it is, e.g. 'at floor', 'interval inside the margin'."""
    broke: int | None
    fixed: int | None
    """Binary metrics: right then wrong, wrong then right."""
    churn: float | None
    """Share of items whose score changed."""
    aa_churn: float | None
    """The same for the A/A cell: the noise floor; None where it was not run."""
    minimal_detectable_effect: float | None
    relative_change: float | None
    """(variant - baseline) / baseline of the means, a fraction, oriented; None near the floor."""
    mean_relative_change: float | None
    """Groups: mean over languages of relative_change (Paper A's way)."""
    above_chance_lost: float | None
    """(baseline - variant) / (baseline - chance); positive is harm; None at the floor."""
    at_floor: bool
    recipe: str
    """How the numbers were computed, like sacrebleu's signature."""
    equivalence_interval: Interval | None = None
    """Level 1 - 2 alpha: 'equivalent' says that it lies inside the margin (TOST)."""
    n_planned: int | None = None
    """Items that there were, where the cell could stop before the last: the intervals are then
    confidence sequences, which hold however often one looks. None: all items, fixed beforehand."""
    relative_interval: Interval | None = None
    """Of `relative_change`; excludes zero where `interval` does, and shares `p_value`."""
    mean_relative_interval: Interval | None = None
    mean_relative_p: float | None = None
    """Two-sided, of "`mean_relative_change` is 0": another hypothesis than that of `p_value`."""
    p_map: float | None = None
    """Exploratory effects: Benjamini-Hochberg over the study's exploratory effects of this scope;
    None in a family."""
    aa_delta: float | None = None
    """`delta` of the A/A cell; None where it was not run."""
    best_by_chance: float | None = None
    """Gain expected of the best of all comparisons of this suite, metric and scope if none of them
    differed: a "better" should exceed it."""
    n_lost: int = 0
    """Of the failed items, those that failed under the variant alone: possible harm, unseen."""
    notes: tuple[str, ...] = ()
    n_cut_baseline: int = 0
    n_cut_variant: int = 0
    """Generations that reached their token limit before they ended, in each arm."""
