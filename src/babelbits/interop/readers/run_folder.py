"""Our own run folders: every variant is a run; `folder:w4-g@en` names one.

The cells are verified by the store. Items keep their ids, so that two run folders of one model, or
a run folder and an exported table, can be compared.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from babelbits.analysis.cells import BASELINE, CellResult, rename_by_content
from babelbits.analysis.engine_identity import list_engine_baselines as labels_of
from babelbits.errors import NothingThereError, UnknownNameError
from babelbits.interop.readers.record import ENGINE, ForeignItem, ForeignRun, ForeignTask
from babelbits.records import ItemRow
from babelbits.store import Store
from babelbits.suggest import did_you_mean

AA = "baseline (A/A)"
"""Label of the baseline's second run."""


def looks_like(path: Path) -> bool:
    """A folder with a study and a plan."""
    return (path / "plan.json").is_file() and (path / "study.toml").is_file()


def read_variants(path: Path) -> Mapping[str, ForeignRun]:
    """Label to run, in the plan's order; the second run of the baseline under `AA`.

    Raises
    ------
    NothingThereError
        If no cell is finished.
    """
    store = Store(path)
    cells: dict[str, list[CellResult]] = {}
    for meta, rows in store.cells():
        label = AA if meta.variant == BASELINE and meta.replicate else meta.variant
        cells.setdefault(label, []).append(rename_by_content(CellResult(meta=meta, rows=rows)))
    if not cells:
        raise NothingThereError("no cell is finished yet", where=str(path))
    return {label: _run(path, cells_of_one) for label, cells_of_one in cells.items()}


def list_engine_baselines(path: Path) -> tuple[str, ...]:
    """Labels of the baselines of further engines: no variants, though one can be named."""
    return labels_of(Store(path).planned())


def pick(path: Path, label: str) -> ForeignRun:
    """One variant of a run folder.

    Raises
    ------
    UnknownNameError
        If the folder has no such variant.
    """
    found = read_variants(path)
    if label not in found:
        near = did_you_mean(label, found) or f"available: {', '.join(found)}"
        raise UnknownNameError(f"no finished variant '{label}'", where=str(path), hint=near)
    return found[label]


def _run(path: Path, cells: Sequence[CellResult]) -> ForeignRun:
    return ForeignRun(path=path, tool="babelbits", tasks=tuple(map(_task, cells)))


def _task(cell: CellResult) -> ForeignTask:
    info = cell.meta.task
    first = (info.primary, *(m.name for m in info.metrics if m.name != info.primary))
    return ForeignTask(
        name=info.name,
        items=tuple(_item(k, row) for k, row in enumerate(cell.rows)),
        metrics=first,
        output_type=info.output_type,
        origin=info.origin,
        setup={"scorer version": info.scorer_version},
        circumstances={} if cell.meta.engine is None else {ENGINE: cell.meta.engine},
        known=info.metrics,
        suite=info.suite,
        language=info.language,
        parallel=info.parallel,
        notes=info.notes,
    )


def _item(number: int, row: ItemRow) -> ForeignItem:
    return ForeignItem(
        content=row.item_id,
        order=number,
        where=row.item_id,
        scores={} if row.failure else row.scores,
        target=row.target,
        prompt=row.prompt,
        prompt_hash=row.prompt_hash,
        output=row.output,
        source_id=row.source_id,
        cluster_id=row.cluster_id,
        choice_logprobs=row.choice_logprobs,
        finish_reason=row.finish_reason,
        prompt_tokens=row.prompt_tokens,
        output_tokens=row.output_tokens,
        truncated_tokens=row.truncated_tokens,
        statistics={} if row.failure else row.statistics,
    )
