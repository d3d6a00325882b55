"""The probes that a run folder keeps under `probes/`: a folder each, Parquet files in parts.

    probes/ID/
      tokens-00000.parquet     a row a token and layer of the first items, and so on
      heads-00000.parquet      a row a sequence, layer and head; no rows where no attention was seen
      weights.parquet          a row a linear layer
      probe.json               written last: what was compared, and what was left out

ID is a hash of the two cells, of their weights, and of the settings that can change a number. A
part is whole or absent; a killed run repeats at most one.
"""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from babelbits.errors import StoreError
from babelbits.records import CellMeta, digest
from babelbits.store import Store
from babelbits.store.atomic import write_atomically
from babelbits.store.codec import from_json

if TYPE_CHECKING:
    import pyarrow as pa

    from babelbits.study.config.spec import Study

VERSION = 1
"""Raised when the same models and items would give other numbers."""
ITEMS_A_PART = 20
"""Part of what a part is: never changed within a version."""
RECORD, WEIGHTS = "probe.json", "weights.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSettings:
    """How far a probe goes. Both bound memory; both decide what is left out."""

    token_budget: int = 4096
    """Tokens in one forward pass; longer sequences are left out."""
    attention_limit: int = 512
    """Tokens of the longest sequence whose attention is looked at: tokens² numbers a head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRecord:
    """What was compared."""

    variant: str
    suite: str
    language: str
    again: bool
    """The baseline against itself, run in other batches: the floor of all distances."""
    n_layers: int
    n_items: int
    n_sequences: int
    n_without_attention: int
    """Sequences whose attention was not looked at: too long, or no such weights."""
    left_out: Mapping[str, int]
    """Items that were not probed, by reason."""
    attention_limit: int
    seconds: float
    """Wall time of the session that finished it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A finished probe and where it lies."""

    record: ProbeRecord
    folder: Path
    cells: tuple[CellMeta, CellMeta]
    """The variant's and the baseline's."""

    def tokens(
        self, columns: Sequence[str] | None = None, *, layer: int | None = None
    ) -> "pa.Table":
        """A row a token and layer; all columns or some, all layers or one."""
        return _read_parts(self.folder, "tokens", columns, layer=layer)

    def heads(self) -> "pa.Table":
        """A row a sequence, layer and head; no rows where attention was not looked at."""
        return _read_parts(self.folder, "heads", None)

    def weights(self) -> "pa.Table":
        """A row a linear layer; equal in all probes of a variant."""
        return read_table(self.folder / WEIGHTS, None)


def find_folder(store: Store) -> Path:
    """Where a run folder keeps probes."""
    return store.base / "probes"


def name_of(
    variant: CellMeta,
    baseline: CellMeta,
    *,
    weights: Sequence[str | None],
    settings: ProbeSettings,
) -> str:
    """Of the folder of a probe."""
    return digest(
        {
            "cells": [variant.cell_id, baseline.cell_id],
            "weights": list(weights),
            "limits": [settings.token_budget, settings.attention_limit],
            "version": VERSION,
        },
        length=16,
    )


def read(study: "Study | Path", *, smoke: bool = False) -> list[Probe]:
    """The finished probes of a study as it was last run, in its order.

    Parameters
    ----------
    study : Study or Path
        A study, or its run folder.
    smoke : bool
        Of a run folder: the probes of its smoke run.

    Raises
    ------
    StoreError
        If one cannot be read.
    """
    store = (
        Store(study, smoke=smoke)
        if isinstance(study, Path)
        else Store(study.folder, smoke=study.smoke)
    )
    there = {path.parent.name: path.parent for path in find_folder(store).glob(f"*/{RECORD}")}
    planned = store.planned()
    order = {meta.cell_id: number for number, meta in enumerate(planned)}
    metas = {meta.cell_id: meta for meta in planned}
    found = []
    for folder in there.values():
        fields = _json(folder / RECORD)
        cells = tuple(metas.get(one) for one in fields["cells"])
        if cells[0] is None or cells[1] is None or not _of_today(store, cells, fields):
            continue
        record = from_json(ProbeRecord, fields["record"], where=str(folder / RECORD))
        found.append(Probe(record=record, folder=folder, cells=(cells[0], cells[1])))
    return sorted(found, key=lambda one: order[one.cells[0].cell_id])


def _of_today(store: Store, cells: Sequence[CellMeta | None], fields: Mapping[str, Any]) -> bool:
    """Whether the weights are still those that were probed."""
    now = [None if meta is None else store.weights_hash(meta) for meta in cells]
    return all(new in (None, old) for new, old in zip(now, fields["weights"], strict=True))


def write_record(
    folder: Path, record: ProbeRecord, *, cells: Sequence[CellMeta], weights: Sequence[str | None]
) -> None:
    """Say that a probe is whole."""
    from babelbits.store.codec import to_json

    content = {
        "cells": [meta.cell_id for meta in cells],
        "weights": list(weights),
        "record": to_json(record),
    }
    write_atomically(folder / RECORD, json.dumps(content, ensure_ascii=False).encode())


def read_record(folder: Path) -> ProbeRecord | None:
    """What a finished probe says of itself; None while it is not finished."""
    if not (folder / RECORD).exists():
        return None
    fields = _json(folder / RECORD)
    return from_json(ProbeRecord, fields["record"], where=str(folder / RECORD))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StoreError(
            f"the probe cannot be read: {error}", where=str(path), hint="delete its folder"
        ) from error


# --- parts ----------------------------------------------------------------------------------------


def make_part_path(folder: Path, kind: str, number: int) -> Path:
    """Of 'tokens' or 'heads'."""
    return folder / f"{kind}-{number:05d}.parquet"


def has_part(folder: Path, number: int) -> bool:
    """Whether a part is there: its tokens are written last."""
    return make_part_path(folder, "tokens", number).exists()


def write_table(path: Path, columns: Mapping[str, Any]) -> None:
    """Write columns as Parquet, whole or not at all; NaN becomes null, repeated words codes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {name: _array(values) for name, values in columns.items()}
    sink = io.BytesIO()
    pq.write_table(pa.table(arrays), sink, compression="zstd")
    write_atomically(path, sink.getvalue())


def _array(values: Any) -> Any:
    import pyarrow as pa

    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return pa.array(values, from_pandas=True)  # NaN is null
    return pa.array(values)


def _parts(folder: Path, kind: str) -> Iterator[Path]:
    yield from sorted(folder.glob(f"{kind}-*.parquet"))


def _read_parts(
    folder: Path, kind: str, columns: Sequence[str] | None, *, layer: int | None = None
) -> "pa.Table":
    import pyarrow as pa

    tables = [read_table(path, columns, layer=layer) for path in _parts(folder, kind)]
    tables = [one for one in tables if one.num_columns]  # a part all of whose items were left out
    return pa.concat_tables(tables, promote_options="default") if tables else pa.table({})


def read_table(
    path: Path, columns: Sequence[str] | None = None, *, layer: int | None = None
) -> "pa.Table":
    """A table that `write_table` wrote; StoreError where it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    filters = None if layer is None else [("layer", "==", layer)]
    try:
        if not pq.read_schema(path).names:
            return pa.table({})
        return pq.read_table(
            path, columns=None if columns is None else list(columns), filters=filters
        )
    except (OSError, pa.ArrowException) as error:
        raise StoreError(
            f"the probe cannot be read: {error}",
            where=str(path),
            hint="delete its folder and run `babelbits probe` again",
        ) from error
