"""A run's tasks as cells, benchmark by language, with every item under a name two runs share.

Tasks that differ in a subject alone (`global_mmlu_de_law`, `global_mmlu_de_physics`) become one
cell, and where there are many of them the subject is what its questions share. An item's key is its
part and its content; a question that a benchmark holds twice gets a number, in the tool's own
order, so that repetitions pair in order.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from babelbits.errors import UnpairedItemsError
from babelbits.interop.readers.item_columns import ByName, ItemColumns, TextColumn
from babelbits.interop.readers.naming import TaskPlace
from babelbits.interop.readers.record import ForeignItem, ForeignTask
from babelbits.tasks.clusters import FEWEST_SUBJECTS

CellKey = tuple[str, str]
"""Suite and language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIndex:
    """One cell of one run."""

    suite: str
    language: str
    tasks: tuple[ForeignTask, ...]
    """In the order of their parts, without their items; one where there are no subjects."""
    items: Mapping[str, ForeignItem]
    """By key, in order."""
    repeated: int
    """Items whose question came before in the same part."""

    def picked(self, keys: Sequence[str]) -> Sequence[ForeignItem]:
        """The items of these keys, in their order."""
        if isinstance(self.items, ByName):
            return self.items.picked(keys)
        return tuple(self.items[key] for key in keys)

    def asked(self, key: str) -> ForeignItem | TextColumn:
        """What has an item's gold answer and the hash of its prompt."""
        return self.items.texts(key) if isinstance(self.items, ByName) else self.items[key]

    def scores(self, metric: str) -> Iterable[float | None]:
        """One an item, in order; None where it has none."""
        if isinstance(self.items, ByName):
            return self.items.items_in_order.scores(metric)
        return (item.scores.get(metric) for item in self.items.values())

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that all its tasks have, the first task's order."""
        first, *others = self.tasks
        return tuple(m for m in first.metrics if all(m in one.metrics for one in others))

    @property
    def setup(self) -> Mapping[str, str]:
        """How it was asked; different settings of its tasks side by side."""
        return _side_by_side(task.setup for task in self.tasks)

    @property
    def circumstances(self) -> Mapping[str, str]:
        """What else may have changed its answers; different ones of its tasks side by side."""
        return _side_by_side(task.circumstances for task in self.tasks)

    @property
    def names(self) -> str:
        """The tasks as their tool calls them."""
        first = self.tasks[0].name
        return first if len(self.tasks) == 1 else f"{first} and {len(self.tasks) - 1} more"


def _side_by_side(settings: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Every setting with all its values."""
    found: dict[str, dict[str, None]] = {}
    for one in settings:
        for key, value in one.items():
            found.setdefault(key, {})[value] = None
    return {key: " and ".join(values) for key, values in found.items()}


def index_run(
    tasks: Iterable[ForeignTask], places: Mapping[str, TaskPlace]
) -> dict[CellKey, RunIndex]:
    """Cells in the order in which their first tasks come.

    Raises
    ------
    UnpairedItemsError
        If two tasks of the run are the same benchmark, language and part.
    """
    groups: dict[CellKey, dict[str, ForeignTask]] = {}
    for task in tasks:
        place = places[task.name]
        parts = groups.setdefault((place.suite, place.language), {})
        if place.part in parts:
            raise UnpairedItemsError(
                f"'{parts[place.part].name}' and '{task.name}' are both {place.suite} in "
                f"{place.language}",
                hint="give one of them another suite in a file for --languages",
            )
        parts[place.part] = task
    return {key: _book(key, parts) for key, parts in groups.items()}


def _book(key: CellKey, parts: Mapping[str, ForeignTask]) -> RunIndex:
    items, repeated = _by_key(parts)
    tasks = tuple(without_items(task) for _, task in sorted(parts.items()))
    return RunIndex(suite=key[0], language=key[1], tasks=tasks, items=items, repeated=repeated)


def _by_key(parts: Mapping[str, ForeignTask]) -> tuple[Mapping[str, ForeignItem], int]:
    """Items by key, and how many ask what another one of their part asks."""
    whole = parts.get("")
    if len(parts) == 1 and whole is not None and isinstance(whole.items, ItemColumns):
        return ByName(whole.items), 0
    items: dict[str, ForeignItem] = {}
    repeated = 0
    for part, task in sorted(parts.items()):
        seen: Counter[str] = Counter()
        for item in sorted(task.items, key=lambda one: one.order):
            seen[item.content] += 1
            count = seen[item.content]
            repeated += count > 1
            name = f"{part}/{item.content}" if part else item.content
            if item.cluster_id is None and len(parts) >= FEWEST_SUBJECTS:
                item = replace(item, cluster_id=part)
            items[f"{name}#{count}" if count > 1 else name] = item
    return items, repeated


def without_items(task: ForeignTask) -> ForeignTask:
    """What is said of a task as a whole."""
    return replace(task, items=())
