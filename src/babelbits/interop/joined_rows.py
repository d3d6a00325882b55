"""The rows of a joined cell, made as they are asked for: none of a million is held.

A row is what `records.ItemRow` says; its texts and scores are the item's own. Rows of two runs
share the names of their items and sources.
"""

from collections.abc import Iterator, Sequence
from typing import overload

from babelbits.interop.readers.item_columns import ItemColumns
from babelbits.interop.readers.record import ForeignItem
from babelbits.records import Failure, ItemRow, TaskInfo


class JoinedRows(Sequence[ItemRow]):
    """Items of a run as rows, in the order in which runs are paired.

    Parameters
    ----------
    items : sequence of ForeignItem
        Read again at every pass.
    ids : sequence of str
        Item ids, one an item.
    sources : sequence of str, optional
        Source ids, one an item; None: the items say theirs.
    info : TaskInfo
        What the cell's task is.
    variant : str
        Label of the run, `BASELINE` for the baseline and its second run.
    """

    __slots__ = ("_names", "ids", "info", "items", "sources", "variant")

    def __init__(
        self,
        *,
        items: Sequence[ForeignItem],
        ids: Sequence[str],
        sources: Sequence[str] | None,
        info: TaskInfo,
        variant: str,
    ) -> None:
        self.items = items
        self.ids = ids
        self.sources = sources
        self.info = info
        self.variant = variant
        self._names = [metric.name for metric in info.metrics]

    def failed(self) -> Iterator[ItemRow]:
        """Rows without a score of the primary metric; no other row is made."""
        if isinstance(self.items, ItemColumns):
            scores = self.items.scores(self.info.primary)
        else:
            scores = (item.scores.get(self.info.primary) for item in self.items)
        return (self[number] for number, score in enumerate(scores) if score is None)

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, number: int) -> ItemRow: ...
    @overload
    def __getitem__(self, number: slice) -> tuple[ItemRow, ...]: ...
    def __getitem__(self, number: int | slice) -> ItemRow | tuple[ItemRow, ...]:
        if isinstance(number, slice):
            return tuple(self[k] for k in range(len(self))[number])
        item, info = self.items[number], self.info
        failure = None
        if item.scores.get(info.primary) is None:
            message = f"no {info.primary} at {item.where}"
            failure = Failure(kind="scoring_failed", message=message)
        return ItemRow(
            item_id=self.ids[number],
            source_id=str(item.source_id) if self.sources is None else self.sources[number],
            cluster_id=item.cluster_id,
            task=info.name,
            language=info.language,
            variant=self.variant,
            target=item.target,
            output=item.output,
            scores={name: item.scores.get(name) for name in self._names},
            choice_logprobs=item.choice_logprobs,
            prompt_hash=item.prompt_hash or "",
            prompt=item.prompt,
            prompt_tokens=item.prompt_tokens,
            output_tokens=item.output_tokens,
            finish_reason=item.finish_reason,
            truncated_tokens=item.truncated_tokens,
            statistics=item.statistics,
            failure=failure,
        )
