"""Run folders as `babelbits run` leaves them, from cells made by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from babelbits.analysis import CellResult
from babelbits.store import Store
from babelbits.store.codec import dumps
from report import synthetic

STUDY = """\
[study]
name = "decided"

[model]
path = "somewhere/else"

[analysis]
margins = { fraction = 0.02 }

[groups]
mine = ["ja", "sw"]
"""


def record(
    folder: Path,
    cells: Sequence[CellResult],
    *,
    sizes: Mapping[str, float],
    study: str = STUDY,
    smoke: bool = False,
    unfinished: Sequence[CellResult] = (),
) -> Path:
    """Write a run folder; `unfinished` cells are in its plan alone.

    Parameters
    ----------
    sizes : mapping
        Variant label to bits per weight, from which bytes follow (see `synthetic.manifest`).
    """
    # One batch a cell: each is brought to the disk.
    cells, unfinished = [_whole(one) for one in cells], [_whole(one) for one in unfinished]
    store = Store(folder, smoke=smoke)
    with store.writing():
        store.save_plan(study, [cell.meta for cell in (*cells, *unfinished)])
        for cell in cells:
            with store.writer(cell.meta, weights_hash="w") as writer:
                for number, batch in writer.missing_batches():
                    writer.append(number, [cell.rows[i] for i in batch], seconds=0.1)
                writer.finish(machine="m", library_versions={})
    for label, bits in sizes.items():
        # The cells' variant ids are their labels.
        made = replace(synthetic.manifest(label, bits), variant_id=label)
        target = store.variant_folder(made.variant_id)
        target.mkdir(parents=True, exist_ok=True)
        (target / "manifest.json").write_bytes(dumps(made))
    return folder


def _whole(cell: CellResult) -> CellResult:
    return replace(cell, meta=replace(cell.meta, chunk=len(cell.rows)))
