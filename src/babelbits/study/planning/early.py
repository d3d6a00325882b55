"""Runs whose cells stop when their verdict is known: the order of the items, and who may stop.

The order is random and fixed before the first item: a hash of the seed, the suite and the source
item, so that all languages of a suite share it and their pooled analysis can use the items that
all of them have. The error rate is split over the cells of a family before anything is seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from babelbits.records import Item, Outcome, Reply, Request, StopPlan, TaskInfo, digest
from babelbits.study.config.spec import Study
from babelbits.tasks.base import Conversation, Task


@dataclass(frozen=True, slots=True)
class Shuffled:
    """A task whose items come in a random order that the seed fixes."""

    task: Task
    seed: int

    @property
    def info(self) -> TaskInfo:
        """Of the task."""
        return self.task.info

    def items(self) -> tuple[Item, ...]:
        """All items; those of one unit (source item, passage, document) stay together."""
        suite = self.task.info.suite
        return tuple(sorted(self.task.items(), key=lambda item: self._place(suite, item)))

    def _place(self, suite: str, item: Item) -> tuple[str, str, str]:
        unit, source = (digest([self.seed, suite, name]) for name in (item.unit, item.source_id))
        return unit, source, item.item_id

    def score(self, item: Item, replies: Sequence[Reply]) -> Outcome:
        """As the task does."""
        return self.task.score(item, replies)

    def follow(self, item: Item, replies: Sequence[Reply]) -> Request | None:
        """As the task does, if it asks on."""
        return self.task.follow(item, replies) if isinstance(self.task, Conversation) else None


def order_items(task: Task, study: Study) -> Task:
    """The task with its items in the order in which a study runs them."""
    return Shuffled(task, study.seed) if study.stop else task


def stop_plan(study: Study, info: TaskInfo, *, variant: str, replicate: int) -> StopPlan | None:
    """Whether and how a cell may stop early; None: it runs to the end.

    Baselines run to the end, because variants are compared with them; and so do metrics
    without a range (bits per byte), for which no sequence holds whatever the distribution.
    """
    metric = info.metric(info.primary)
    is_baseline = any(one.label == variant and one.is_baseline for one in study.variants)
    if not study.stop or metric.kind == "real" or (is_baseline and replicate == 0):
        return None
    spec = study.analysis
    family = _family_size(study, info.suite, variant)
    margin = spec.margins.get(info.suite, spec.margins.get(metric.unit))
    return StopPlan(alpha=spec.alpha / family, family=family, margin=margin)


def _family_size(study: Study, suite: str, variant: str) -> int:
    """Cells whose verdicts share one error rate: as `analysis.families` has them."""
    languages = {one.suite: len(one.languages) for one in study.suites}
    declared = study.analysis.confirmatory
    if declared is None:
        return languages[suite]
    if not declared.covers(variant, suite):
        return 1
    variants = [one.label for one in study.compared]
    return sum(n for one in variants for name, n in languages.items() if declared.covers(one, name))
