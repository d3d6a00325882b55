"""What a reader is, and what it makes of one run: tasks, items, and how they were asked.

Scores are in the metric's own unit and direction. None of the texts is trusted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from babelbits.records import Metric

OutputType = Literal["choice", "text", "generation", "loglikelihood"]


ENGINE = "engine"
"""The circumstance that names the program that ran the model, as `EngineIdentity.name` does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignItem:
    """One question, how it was asked, and what came back."""

    content: str
    """Names the question, apart from its gold answer and its prompt; what items are joined on."""
    order: int
    """Position in the tool's own numbering; orders repeated questions."""
    where: str
    """`file:line`, or whatever finds the item again."""
    scores: Mapping[str, float | None]
    """Metric name to value; None where the tool gave no number."""
    target: str = ""
    """The gold answer, as the tool wrote it."""
    prompt: str = ""
    prompt_hash: str | None = None
    """Hash of everything the model saw; None where the format does not tell."""
    output: str = ""
    source_id: str | None = None
    """The same for all translations of a question; None where the format does not tell."""
    cluster_id: str | None = None
    """Passage, document, dialogue or template that it shares with others; None: none is known."""
    choice_logprobs: tuple[float, ...] | None = None
    n_choices: int | None = None
    finish_reason: str | None = None
    prompt_tokens: int = 0
    output_tokens: int = 0
    truncated_tokens: int = 0
    statistics: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Corpus metrics: name to sufficient statistics, from formats that keep them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignTask:
    """One task of a run, under the name its tool gives it."""

    name: str
    items: Sequence[ForeignItem]
    metrics: tuple[str, ...]
    """Names, the one that verdicts are about first."""
    output_type: OutputType
    origin: str
    """Tool and data, for people."""
    setup: Mapping[str, str] = field(default_factory=dict)
    """What must agree between two runs: number of shots, seeds, chat template, task version ..."""
    circumstances: Mapping[str, str] = field(default_factory=dict)
    """What may change answers and is neither the question nor the weights: BOS, precision ..."""
    higher_is_better: Mapping[str, bool] = field(default_factory=dict)
    """By metric, where the tool says so."""
    chances: Mapping[str, float] = field(default_factory=dict)
    """By metric, the score of guessing, where the format tells."""
    known: tuple[Metric, ...] = ()
    """The metrics in full, from formats that tell; empty: they are inferred from the scores."""
    suite: str | None = None
    suite_is_file: bool = False
    """The suite is only what the file is called: the format has no place for its name."""
    language: str | None = None
    """From formats that tell; None: they follow from the name, see `naming`."""
    language_hint: str | None = None
    """What the tool's own configuration calls the language, e.g. a dataset's config name."""
    parallel: bool | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A number with its standard error, where the tool gives one."""

    value: float
    error: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DivergenceLog:
    """A llama-perplexity log: a table of its own, for it has no items to pair."""

    name: str
    """The log's file name without its ending."""
    where: str
    circumstances: Mapping[str, str] = field(default_factory=dict)
    """What two logs should share: length and number of the windows of text."""
    quantities: Mapping[str, Quantity]
    """Name as in `llama_perplexity.QUANTITIES`, in that order."""
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignRun:
    """Everything that one source says."""

    path: Path
    tool: str
    """With its version where the log has it."""
    tasks: tuple[ForeignTask, ...] = ()
    divergences: tuple[DivergenceLog, ...] = ()
    notes: tuple[str, ...] = ()
    """Said aloud: older files left out, a cache that was used ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads the results of one tool: what a row of `registry.READERS` names.

    A reader says what a file says and judges nothing. It trusts no file: a damaged one is a
    `TaskError` that says where.
    """

    name: str
    """The tool, as people write it, and the row's name."""
    sign: str
    """What a path must hold to be this tool's, in words, for people whose path holds nothing."""
    looks_like: Callable[[Path], bool]
    """Whether a file or folder, which exists, is this tool's: by what it holds, quickly, and
    without raising anything but OSError. The first reader that says so reads it."""
    read: Callable[[Path], ForeignRun]
    """The run. Raises TaskError if it cannot be read, or if it is not one run."""
