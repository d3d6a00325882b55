"""A task's items column by column: a million take tens of megabytes, and not half a gigabyte.

An item is made when somebody asks for it, and not kept here. Items that have a name and scores
alone share one empty set of texts. No two items have the same name.
"""

from array import array
from collections.abc import Iterator, KeysView, Mapping, Sequence
from typing import NamedTuple, overload

from babelbits.interop.readers.record import ForeignItem

_ABSENT, _NONE, _NUMBER = range(3)
"""Of a score: the item has no such metric, or it has, and no number or a number."""


class TextColumn(NamedTuple):
    """What an item may have beside its name and scores; see `ForeignItem`."""

    target: str = ""
    prompt: str = ""
    prompt_hash: str | None = None
    output: str = ""
    source_id: str | None = None
    cluster_id: str | None = None


_NO_TEXTS = TextColumn()


class _Scores:
    """One metric: a number an item, and whether it has one."""

    __slots__ = ("states", "values")

    def __init__(self, values: "array[float]", states: bytearray) -> None:
        self.values = values
        self.states = states

    def extend_to(self, size: int) -> None:
        """Make room for new items, which do not have the metric yet."""
        lacking = size - len(self.states)
        self.values.extend([0.0] * lacking)
        self.states.extend(bytes(lacking))

    def put(self, number: int, value: float | None) -> None:
        self.values[number] = 0.0 if value is None else value
        self.states[number] = _NONE if value is None else _NUMBER

    def get(self, number: int) -> float | None:
        return self.values[number] if self.states[number] == _NUMBER else None

    def has(self, number: int) -> bool:
        return number < len(self.states) and self.states[number] != _ABSENT

    def picked(self, numbers: Sequence[int]) -> "_Scores":
        return _Scores(
            array("d", [self.values[k] for k in numbers]),
            bytearray(self.states[k] for k in numbers),
        )


class ItemColumns(Sequence[ForeignItem]):
    """Items of one task of one file, in the file's order.

    Parameters
    ----------
    file : str
        Where they come from; an item's `where` is `file:line`.
    """

    __slots__ = ("_file", "_lines", "_scores", "_texts", "names")

    def __init__(self, file: str) -> None:
        self._file = file
        self.names: list[str] = []
        """What items are joined on."""
        self._lines = array("Q")
        self._texts: list[TextColumn] = []
        self._scores: dict[str, _Scores] = {}

    def add(self, name: str, line: int, texts: TextColumn) -> int:
        """Append an item without scores; its number."""
        self.names.append(name)
        self._lines.append(line)
        self._texts.append(_NO_TEXTS if texts == _NO_TEXTS else texts)
        return len(self.names) - 1

    def put(self, number: int, metric: str, value: float | None) -> None:
        """Note an item's score."""
        scores = self._scores.get(metric)
        if scores is None:
            scores = self._scores[metric] = _Scores(array("d"), bytearray())
        scores.extend_to(len(self.names))
        scores.put(number, value)

    def has(self, number: int, metric: str) -> bool:
        """Whether a score of the item was noted, be it None."""
        return metric in self._scores and self._scores[metric].has(number)

    def where(self, number: int) -> str:
        """`file:line` of an item."""
        return f"{self._file}:{self._lines[number]}"

    def texts(self, number: int) -> TextColumn:
        """What an item has beside its name and scores."""
        return self._texts[number]

    def scores(self, metric: str) -> Iterator[float | None]:
        """One an item; None where it has none."""
        found = self._scores.get(metric, _Scores(array("d"), bytearray()))
        found.extend_to(len(self))
        return map(found.get, range(len(self)))

    def picked(self, numbers: Sequence[int]) -> "ItemColumns":
        """Some of the items, in the order of `numbers`."""
        found = ItemColumns(self._file)
        found.names = [self.names[k] for k in numbers]
        found._lines = array("Q", [self._lines[k] for k in numbers])
        found._texts = [self._texts[k] for k in numbers]
        for metric, scores in self._scores.items():
            scores.extend_to(len(self.names))
            found._scores[metric] = scores.picked(numbers)
        return found

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, number: int) -> ForeignItem: ...
    @overload
    def __getitem__(self, number: slice) -> "ItemColumns": ...
    def __getitem__(self, number: int | slice) -> "ForeignItem | ItemColumns":
        if isinstance(number, slice):
            return self.picked(range(len(self))[number])
        k = range(len(self))[number]
        target, prompt, prompt_hash, output, source_id, cluster_id = self._texts[k]
        return ForeignItem(
            content=self.names[k],
            order=k,
            where=self.where(k),
            scores={name: one.get(k) for name, one in self._scores.items() if one.has(k)},
            target=target,
            prompt=prompt,
            prompt_hash=prompt_hash,
            output=output,
            source_id=source_id,
            cluster_id=cluster_id,
        )


class ByName(Mapping[str, ForeignItem]):
    """The same items by their names."""

    __slots__ = ("_index", "items_in_order")

    def __init__(self, items: ItemColumns) -> None:
        self.items_in_order = items
        self._index = {name: number for number, name in enumerate(items.names)}

    def __getitem__(self, name: str) -> ForeignItem:
        return self.items_in_order[self._index[name]]

    def texts(self, name: str) -> TextColumn:
        """What an item has beside its name and scores."""
        return self.items_in_order.texts(self._index[name])

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)

    def keys(self) -> KeysView[str]:
        """Names, in the file's order."""
        return self._index.keys()

    def picked(self, names: Sequence[str]) -> ItemColumns:
        """The items of these names, in their order."""
        if self.items_in_order.names == names:
            return self.items_in_order
        return self.items_in_order.picked([self._index[name] for name in names])
