"""Token limits of generations that are fair to every script.

A limit in tokens cuts a Telugu answer where an English one of the same length would have ended: the
tokenizer takes several times as many tokens for it. *Scaled* limits are

    limit x max(1, tokens(language) / tokens(English))

with tokens counted on parallel text: references of a translation task, else the task's own prompts
and their English counterparts. A language that takes fewer tokens than English keeps the task's own
limit. The ratio depends on the tokenizer alone, so all variants of a model share it; the limit is
part of an item's id. A limit never grows so far that the prompt would lose its beginning.

*Fixed* limits are the task's own, as in lm-eval.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, runtime_checkable

from babelbits.records import GenerateRequest, Item, Outcome, Reply, Request, TaskInfo
from babelbits.tasks.base import Task, find_prompt
from babelbits.tasks.identity import with_requests
from babelbits.words import plural

CountTokens = Callable[[str], int]


@runtime_checkable
class WritesTranslations(Protocol):
    """A task that knows its answers' text in English and in the language that is written."""

    def english_pairs(self) -> Sequence[tuple[str, str]]:
        """English and written text of every segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fertility:
    """How many tokens a language takes for what English says."""

    ratio: float
    """Tokens of the language over tokens of English on parallel text; > 0."""
    n_texts: int


def measure_fertility(task: Task, english: Task | None, count: CountTokens) -> Fertility | None:
    """Measure it on a task's own text; None where there is nothing parallel to measure it on.

    Parameters
    ----------
    task : Task
        In the language that is written.
    english : Task or None
        The same suite in English; not needed by tasks that translate.
    count : callable
        Tokens of a text, without special ones.
    """
    if isinstance(task, WritesTranslations):
        pairs = list(task.english_pairs())
    else:
        pairs = [] if english is None else _shared_prompts(english, task)
    ours, theirs = sum(count(b) for _, b in pairs), sum(count(a) for a, _ in pairs)
    return Fertility(ratio=ours / theirs, n_texts=len(pairs)) if ours and theirs else None


def _shared_prompts(english: Task, task: Task) -> list[tuple[str, str]]:
    """Prompts of the source items that both have."""
    if not (task.info.parallel and english.info.parallel):
        return []
    there = {item.source_id: find_prompt(item) for item in english.items()}
    return [
        (there[item.source_id], find_prompt(item))
        for item in task.items()
        if item.source_id in there
    ]


class ScaledTask:
    """A task whose generations may be longer by a factor; asks and scores as the task does.

    Parameters
    ----------
    task : Task
        With its own limits.
    found : Fertility or None
        Of its language; None leaves the limits as they are, and says so.
    count : callable
        Tokens of a text.
    context : int
        Tokens that the model can see: prompt and answer.
    """

    def __init__(
        self, task: Task, found: Fertility | None, *, count: CountTokens, context: int
    ) -> None:
        self.task = task
        self.factor = 1.0 if found is None else max(1.0, found.ratio)
        self._found = found
        self._count = count
        self._context = context

    @property
    def info(self) -> TaskInfo:
        """Of the task, with what the limits rest on."""
        info = self.task.info
        return replace(info, notes=(*info.notes, self._note()))

    def _note(self) -> str:
        if self._found is None:
            return "token limits are not scaled: there is no parallel English text"
        return (
            f"token limits x {self.factor:.2f}: {self._found.ratio:.2f} tokens for one of English "
            f"in {plural(self._found.n_texts, 'parallel text')}"
        )

    def items(self) -> tuple[Item, ...]:
        """All items, with scaled limits and ids of their own."""
        return tuple(scaled for scaled, _ in self._items)

    def score(self, item: Item, replies: Sequence[Reply]) -> Outcome:
        """As the task does."""
        return self.task.score(self._originals[item.item_id], replies)

    @cached_property
    def _items(self) -> tuple[tuple[Item, Item], ...]:
        return tuple((self._scaled(item), item) for item in self.task.items())

    @cached_property
    def _originals(self) -> dict[str, Item]:
        return {scaled.item_id: item for scaled, item in self._items}

    def _scaled(self, item: Item) -> Item:
        return with_requests(item, [self._longer(request) for request in item.requests])

    def _longer(self, request: Request) -> Request:
        if not isinstance(request, GenerateRequest):
            return request
        wanted = math.ceil(request.max_new_tokens * self.factor)
        # One token may be added in front of the prompt.
        room = self._context - self._count(request.prompt) - 1
        limit = max(request.max_new_tokens, min(wanted, room))
        return replace(request, max_new_tokens=limit)
