"""Several lm-eval tasks as one of ours: MMLU's subjects, each asked with examples of its own.

The score is over all questions alike, as lm-eval's `weight_by_size` has it. A smoke run takes its
few items from as many subjects as it can: the first of each, then the second of each.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice, zip_longest
from typing import Literal

from babelbits.records import Item, Outcome, Reply, TaskInfo, digest
from babelbits.tasks.base import TaskOptions
from babelbits.tasks.clusters import FEWEST_SUBJECTS
from babelbits.tasks.hub_data import HubDataset
from babelbits.tasks.identity import make_distinct, make_item
from babelbits.tasks.lm_eval.adapter import LmEvalTask, note_asked_twice
from babelbits.tasks.lm_eval.suite import LmEvalSuite
from babelbits.tasks.script_note import MARK, note_script
from babelbits.words import plural


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """An item of ours, and the one it is in the part that scores it."""

    item: Item
    task: LmEvalTask
    original: Item


class LmEvalGroup:
    """Several tasks of lm-eval in one language.

    Parameters
    ----------
    suite : LmEvalSuite
        Which suite; its `parts` name the tasks.
    language : str
        Canonical code.
    options : TaskOptions
        Choices of the study; `data` replaces the hub's rows.
    """

    renders_chat: Literal[True] = True

    def __init__(self, suite: LmEvalSuite, language: str, options: TaskOptions) -> None:
        self.suite = suite
        self.language = language
        self.options = options
        upstream = suite.upstream.get(language, language)
        self.name = suite.lm_eval_task.format(upstream)
        limit, parts = options.limit, suite.parts_in(language)
        each = replace(options, limit=None if limit is None else -(-limit // len(parts)))
        self._tasks = [
            LmEvalTask(
                replace(suite, lm_eval_task=part, parts=(), parts_by_language={}), language, each
            )
            for part in parts[:limit]
        ]

    @property
    def info(self) -> TaskInfo:
        """What this task is: as its first part, under its own name."""
        infos = [task.info for task in self._tasks]
        whole = (*note_asked_twice(self.items()), *note_script(self.items(), self.language))
        of_parts = ("letter by letter", MARK)
        told = (n for info in infos for n in info.notes if not any(m in n for m in of_parts))
        return replace(
            infos[0],
            name=self.name,
            scorer_version=_common([info.scorer_version for info in infos]),
            origin=f"{infos[0].origin}, and {plural(len(infos) - 1, 'part')} more",
            notes=(*dict.fromkeys(told), *whole),
        )

    @property
    def shots(self) -> int:
        """How many examples stand before each question. Loads the data."""
        return self._tasks[0].shots

    def wanted(self) -> tuple[HubDataset, ...]:
        """The hub datasets that the items come from; loads no data."""
        return tuple(dict.fromkeys(wanted for task in self._tasks for wanted in task.wanted()))

    def items(self) -> tuple[Item, ...]:
        """The items of all parts; those of a smoke run from as many parts as there are items."""
        return tuple(placed.item for placed in self._placed.values())

    def score(self, item: Item, replies: Sequence[Reply]) -> Outcome:
        """Score as the part that the item is from."""
        placed = self._placed[item.item_id]
        return placed.task.score(placed.original, replies)

    @cached_property
    def _placed(self) -> dict[str, _Placed]:
        """Our item's id to the item and where it is from."""
        held = [[(task, item) for item in task.items()] for task in self._tasks]
        if self.options.limit is None:
            chosen = list(chain.from_iterable(held))
        else:
            turns = (pair for turn in zip_longest(*held) for pair in turn if pair is not None)
            chosen = list(islice(turns, self.options.limit))
        sources = make_distinct(item.source_id for _, item in chosen)
        placed = (
            _Placed(item=self._renamed(task, item, source), task=task, original=item)
            for (task, item), source in zip(chosen, sources, strict=True)
        )
        return {one.item.item_id: one for one in placed}

    def _renamed(self, task: LmEvalTask, item: Item, source: str) -> Item:
        return make_item(
            task=self.name,
            language=self.language,
            source_id=source,
            requests=item.requests,
            target=item.target,
            doc={**item.doc, "part": task.name},
            cluster_id=self._cluster_of(task, item),
        )

    def _cluster_of(self, task: LmEvalTask, item: Item) -> str | None:
        """Its subject, where there are enough of them to be units of their own."""
        if len(self._tasks) >= FEWEST_SUBJECTS:
            return task.name.removeprefix(f"{self.name}_")
        return item.cluster_id


def _common(texts: Sequence[str]) -> str:
    """What all have in common, if that is everything; else the first and a hash of the rest."""
    several = dict.fromkeys(texts)
    return texts[0] if len(several) == 1 else f"{texts[0]} and others, {digest(list(several))}"
