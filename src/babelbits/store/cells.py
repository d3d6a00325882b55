"""One cell on disk: a growing journal, then a Parquet file, and last of all its DONE record.

A batch of items is recorded whole or repeated whole. A cell is complete if and only if its DONE
record agrees with the Parquet file's bytes; reports are built from such cells alone. The journal's
first record and DONE name the weights that computed the cell, by their hash; a cell never holds
results of two.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from babelbits.errors import CorruptRecordError, StoreError
from babelbits.records import CellMeta, ItemRow
from babelbits.store import journal
from babelbits.store.atomic import write_atomically
from babelbits.store.codec import dumps, from_json, read_parquet, to_json, write_parquet
from babelbits.store.sealed import dumps_sealed, read_sealed
from babelbits.words import every, plural

State = Literal["missing", "partial", "done", "damaged"]
JOURNAL, ITEMS, DONE, META = "journal.jsonl", "items.parquet", "DONE", "meta.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellStatus:
    """How far a cell is."""

    state: State
    n_recorded: int
    """Items that are durably recorded."""
    reason: str
    """In words, e.g. '37 of 250 items recorded'."""
    weights_hash: str | None = None
    """Weights that produced what is recorded; None where nothing is, or it does not say."""
    libraries: Mapping[str, str] = field(default_factory=dict)
    """Versions of the libraries that computed a finished cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The last thing written for a cell."""

    cell_id: str
    n_items: int
    items_sha256: str
    weights_hash: str
    seconds: float
    """Wall time over all sessions that computed the cell, seconds."""
    machine: str
    library_versions: dict[str, str]
    n_planned: int | None = None
    """Items of the cell where it stopped before the last of them."""


_DONE_FIELDS = frozenset(field.name for field in dataclasses.fields(Done))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recorded:
    """What a journal holds."""

    chunk: int | None
    """Batch size of the first session: batches never change once a cell has begun."""
    weights_hash: str | None
    """Of the weights that computed it; None in journals that do not say."""
    batches: dict[int, list[dict[str, Any]]]
    """Rows by batch number."""
    seconds: float

    @property
    def n_items(self) -> int:
        """Items that are durably recorded."""
        return sum(len(rows) for rows in self.batches.values())


def _recorded(folder: Path) -> _Recorded:
    """What the journal of a cell holds; nothing where there is none."""
    batches: dict[int, list[dict[str, Any]]] = {}
    seconds = 0.0
    first: dict[str, Any] = {}
    path = folder / JOURNAL
    for record in journal.read(path) if path.exists() else ():
        first = first or record
        if "rows" in record:
            batches[record["batch"]] = record["rows"]
            seconds += record["seconds"]
    return _Recorded(
        chunk=first.get("chunk"),
        weights_hash=first.get("weights_hash"),
        batches=batches,
        seconds=seconds,
    )


def read_done(folder: Path) -> Done | None:
    """The DONE record, checked against the items' bytes; None while the cell is not complete.

    Raises
    ------
    CorruptRecordError
        If the record cannot be read, or the items are not the ones it vouches for.
    """
    path = folder / DONE
    if not path.exists():
        return None
    hint = "`babelbits doctor FOLDER --fix` sets the damaged cell aside; the next run repeats it"
    try:
        fields = read_sealed(path.read_bytes(), unsealed_fields=_DONE_FIELDS)
        done = from_json(Done, fields, where=str(path))
        actual = hashlib.sha256((folder / ITEMS).read_bytes()).hexdigest()
    except (ValueError, OSError) as error:
        raise CorruptRecordError("cannot be read", where=str(path), hint=hint) from error
    if actual != done.items_sha256:
        raise CorruptRecordError(
            "the items differ from what the DONE record vouches for",
            where=str(folder / ITEMS),
            hint=hint,
        )
    return done


def check_status(folder: Path, *, n_items: int) -> CellStatus:
    """How far the cell in `folder` is; damage is reported, not raised."""
    try:
        done = read_done(folder)
        if done is not None:
            early = (
                f"{done.n_items} of {plural(done.n_planned or 0, 'item')}: the verdict was known"
            )
            return CellStatus(
                state="done",
                n_recorded=done.n_items,
                reason=f"{every(done.n_items, 'item')} recorded"
                if done.n_planned is None
                else early,
                weights_hash=done.weights_hash,
                libraries=done.library_versions,
            )
        recorded = _recorded(folder)
    except CorruptRecordError as error:
        return CellStatus(state="damaged", n_recorded=0, reason=str(error))
    n_recorded = recorded.n_items
    return CellStatus(
        state="partial" if n_recorded else "missing",
        n_recorded=n_recorded,
        reason=f"{n_recorded} of {plural(n_items, 'item')} recorded"
        if n_recorded
        else f"missing {every(n_items, 'item')}",
        weights_hash=recorded.weights_hash,
    )


def read_rows(folder: Path) -> tuple[ItemRow, ...]:
    """The items of a complete cell.

    Raises
    ------
    StoreError
        If the cell is not complete or damaged.
    """
    if read_done(folder) is None:
        raise StoreError("the cell is not complete", where=str(folder))
    return read_parquet(folder / ITEMS)


class CellWriter:
    """Records batches of one cell and finishes it; use as a context manager.

    Parameters
    ----------
    weights_hash : str
        Of the weights that compute it: a cell holds results of one set of weights only.
    """

    def __init__(self, folder: Path, meta: CellMeta, *, weights_hash: str) -> None:
        self._folder = folder
        self._meta = meta
        self._weights_hash = weights_hash
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        write_atomically(self._folder / META, dumps(self._meta))
        self._journal = self._stack.enter_context(journal.Journal(self._folder / JOURNAL))
        try:
            recorded = _recorded(self._folder)
            self._refuse_other_weights(recorded)
            self._batches, self._seconds = recorded.batches, recorded.seconds
            self._chunk = self._begin() if recorded.chunk is None else int(recorded.chunk)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def _refuse_other_weights(self, recorded: _Recorded) -> None:
        before = recorded.weights_hash
        if before not in (None, self._weights_hash):
            raise StoreError(
                f"the cell holds results of other weights ({str(before)[:8]}, these are "
                f"{self._weights_hash[:8]})",
                where=str(self._folder),
                hint="run the same command again: it starts the cell anew",
            )

    def _begin(self) -> int:
        """Write the journal's first record."""
        first = {
            "chunk": self._meta.chunk,
            "cell_id": self._meta.cell_id,
            "weights_hash": self._weights_hash,
        }
        self._journal.append(first)
        return self._meta.chunk

    def missing_batches(self) -> tuple[tuple[int, range], ...]:
        """Batch numbers that are not recorded yet, each with its item indices."""
        starts = range(0, self._meta.n_items, self._chunk)
        return tuple(
            (number, range(start, min(start + self._chunk, self._meta.n_items)))
            for number, start in enumerate(starts)
            if number not in self._batches
        )

    def recorded(self) -> tuple[ItemRow, ...]:
        """The items that are recorded, batch by batch."""
        return tuple(
            from_json(ItemRow, row, where=str(self._folder / JOURNAL))
            for _, batch in sorted(self._batches.items())
            for row in batch
        )

    def append(self, batch: int, rows: Sequence[ItemRow], *, seconds: float) -> None:
        """Record a batch; durable when this returns.

        Raises
        ------
        StoreError
            If the disk is full or the folder cannot be written.
        """
        record = {"batch": batch, "rows": [to_json(row) for row in rows], "seconds": seconds}
        self._journal.append(record)
        self._batches[batch] = record["rows"]  # type: ignore[assignment] # a list of JSON rows
        self._seconds += seconds

    def finish(
        self,
        *,
        machine: str,
        library_versions: dict[str, str],
        early: bool = False,
    ) -> None:
        """Write the Parquet file, then DONE, then drop the journal.

        Parameters
        ----------
        early : bool
            The verdict is known: the batches that are missing at the end are not needed.

        Raises
        ------
        StoreError
            If batches are missing that must not be.
        """
        missing = [number for number, _ in self.missing_batches()]
        gaps = [number for number in missing if number < max(self._batches, default=0)]
        if gaps or (missing and not early):
            raise StoreError("cannot finish a cell with missing batches", where=str(self._folder))
        rows = self.recorded()
        content = write_parquet(rows, metadata={"babelbits_cell": self._meta.cell_id})
        write_atomically(self._folder / ITEMS, content)
        done = Done(
            cell_id=self._meta.cell_id,
            n_items=len(rows),
            items_sha256=hashlib.sha256(content).hexdigest(),
            weights_hash=self._weights_hash,
            seconds=self._seconds,
            machine=machine,
            library_versions=library_versions,
            n_planned=self._meta.n_items if missing else None,
        )
        write_atomically(self._folder / DONE, dumps_sealed(to_json(done)))
        (self._folder / JOURNAL).unlink()
