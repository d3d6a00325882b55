"""What the store keeps: a row an item, and what the cell is that the rows are of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from babelbits.records.replies import Failure
from babelbits.records.tasks import TaskInfo


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
    cluster_id: str | None = None
    """Passage, document, dialogue or template that the item shares with others; None: nothing but
    its `source_id`, or a row from before this was written down."""

    @property
    def unit(self) -> str:
        """Rows of one unit depend on each other: the cluster, else the source."""
        return self.source_id if self.cluster_id is None else self.cluster_id


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
    baseline: str = "baseline"
    """Label of what the cell is compared with: the baseline as the cell's engine runs it. A
    baseline has its own label."""

    @property
    def is_baseline(self) -> bool:
        """Whether others are compared with it, or it is that of the study run again (A/A)."""
        return self.variant == self.baseline

    @property
    def engine(self) -> str | None:
        """Name of the engine that ran it; None where nobody wrote it down."""
        name: str | None = self.identity.get("engine", {}).get("name")
        return name
