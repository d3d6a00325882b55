"""What a task is: items with prompts already built, and a way to score the replies.

A task never loads a model and never touches the store. No torch here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeVar, runtime_checkable

from babelbits.records import Item, Outcome, Reply, Request, TaskInfo, canonical_json, digest
from babelbits.tasks.hub_data import HubDataset
from babelbits.tasks.identity import list_request_fields
from babelbits.tasks.prompting import ChatOptions, Sampling
from babelbits.tasks.suites.info import SuiteInfo

T = TypeVar("T")


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
    model: Path | None = None
    """Folder of the base model, whose tokenizer and chat template serve all variants."""
    limits: Literal["scaled", "fixed"] | None = None
    """How long generations may be, see `tasks.token_limits`; None is the suite's default."""
    own: object | None = None
    """What only this suite can be told, of the class `SuiteInfo.own_options`; None: its defaults.
    `own_options` reads it."""


def own_options(options: TaskOptions, kind: type[T]) -> T:
    """The options that are a suite's own, or their defaults.

    Parameters
    ----------
    options : TaskOptions
        Choices of the study.
    kind : type
        The suite's `own_options`, a dataclass.

    Raises
    ------
    TypeError
        If the options are another suite's.
    """
    if options.own is None:
        return kind()
    if not isinstance(options.own, kind):
        raise TypeError(f"{type(options.own).__name__} are not {kind.__name__}")
    return options.own


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


@runtime_checkable
class ChatRenderer(Protocol):
    """A task that applies the model's chat template itself, so that nobody else must."""

    renders_chat: Literal[True]


@runtime_checkable
class Downloads(Protocol):
    """A task whose items may come from the hub."""

    def wanted(self) -> Sequence[HubDataset]:
        """The hub datasets that the items come from; () where they do not. Loads no data."""


class SuiteFamily(Protocol):
    """Suites that one piece of code knows how to ask: what a row of `registry.TASKS` names.

    `tasks.folder_suites.FolderSuites` is one for items in files; any object with these three will
    do. Every process of a run makes the tasks anew: the same options must give the same items.
    """

    @property
    def suites(self) -> Sequence[SuiteInfo]:
        """The suites. No other family may have one of the same name. Reads no data."""

    def languages(self, suite: SuiteInfo, folder: Path | None) -> tuple[str, ...]:
        """Canonical codes of the languages that a suite has, in its own order.

        Parameters
        ----------
        suite : SuiteInfo
            One of `suites`.
        folder : Path or None
            The folder that the study names under [data]; None: the suite's usual data.
        """

    def load(self, suite: SuiteInfo, language: str, options: TaskOptions) -> Task:
        """A suite in one language. Loads neither torch nor a model; items are read when asked for.

        Parameters
        ----------
        suite : SuiteInfo
            One of `suites`, its `languages` those of the study's folder.
        language : str
            Canonical code, one of the suite's.
        options : TaskOptions
            Choices of the study. Chat and sampling are applied around the task.

        Raises
        ------
        StudyError
            If the suite cannot do what the options ask for.
        TaskError
            If its data cannot be read.
        """


def compute_fingerprint(info: TaskInfo, items: Sequence[Item]) -> str:
    """Hash of everything about a task that can change a cell's numbers."""
    return digest([info.name, info.language, info.scorer_version, [item.item_id for item in items]])


def find_prompt(item: Item) -> str:
    """The prompt as a person would read it: the first request's context, prompt or text."""
    first = item.requests[0]
    for attribute in ("context", "prompt", "text"):
        if hasattr(first, attribute):
            return str(getattr(first, attribute))
    raise TypeError(type(first).__name__)


def hash_prompt(item: Item) -> str:
    """Hash of all requests of an item."""
    return digest([canonical_json(list_request_fields(request)) for request in item.requests])
