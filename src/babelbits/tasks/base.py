"""What a task is: items with prompts already built, and a way to score the replies.

A task never loads a model and never touches the store. No torch here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from babelbits.records import Item, Outcome, Reply, Request, TaskInfo, canonical_json, digest
from babelbits.tasks.identity import request_fields
from babelbits.tasks.prompting import ChatOptions, Sampling, TalkOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """Choices of a study that change what a task asks."""

    limit: int | None = None
    """First n items only: a smoke run."""
    shots: int | None = None
    """Few-shot examples; None is the task's own default."""
    data: Path | None = None
    """Local folder that stands in for the hub dataset."""
    include_path: Path | None = None
    """Folder of lm-eval YAML tasks."""
    seed: int = 0
    chat: ChatOptions = field(default_factory=ChatOptions)
    """Chat template, system prompt, thinking."""
    sampling: Sampling | None = None
    """None: greedy, or as the task itself says."""
    talk: TalkOptions = field(default_factory=TalkOptions)
    """Of the suite 'extended'."""
    model: Path | None = None
    """Folder of the base model, whose tokenizer and chat template serve all variants."""
    max_new_tokens: int | None = None
    """Longest answer to an open prompt; None is the task's own."""
    mode: str | None = None
    """How a suite asks that knows several ways; None is its default."""
    pivot: str = "en"
    """Translation: the language on the other side."""
    limits: Literal["scaled", "fixed"] | None = None
    """How long generations may be, see `tasks.token_limits`; None is the suite's default."""
    identifier: str | None = None
    """What identifies languages: 'lite', 'lingua' or a fastText model's path; None is 'lite'."""


class Task(Protocol):
    """One benchmark in one language."""

    @property
    def info(self) -> TaskInfo:
        """What this task is, apart from its items."""

    def items(self) -> tuple[Item, ...]:
        """All items in a fixed order.

        Raises
        ------
        TaskError
            If there are none, or one has no gold answer.
        """

    def score(self, item: Item, replies: Sequence[Reply]) -> Outcome:
        """Score the replies to `item.requests`, in the same order."""


@runtime_checkable
class Conversation(Protocol):
    """A task that asks on, depending on what the model answered."""

    def follow(self, item: Item, replies: Sequence[Reply]) -> Request | None:
        """What to ask after these replies; None: nothing more. `score` then gets them all."""


def fingerprint(info: TaskInfo, items: Sequence[Item]) -> str:
    """Hash of everything about a task that can change a cell's numbers."""
    return digest([info.name, info.language, info.scorer_version, [item.item_id for item in items]])


def prompt_of(item: Item) -> str:
    """The prompt as a person would read it: the first request's context, prompt or text."""
    first = item.requests[0]
    for attribute in ("context", "prompt", "text"):
        if hasattr(first, attribute):
            return str(getattr(first, attribute))
    raise TypeError(type(first).__name__)


def prompt_hash(item: Item) -> str:
    """Hash of all requests of an item."""
    return digest([canonical_json(request_fields(request)) for request in item.requests])
