"""The divergences that a run folder keeps under `divergence/`: their names, and reading them back.

A file is named by the two cells that it compares and by their weights, so that a result of former
weights or former items is never taken for one of today's.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from babelbits.errors import StoreError
from babelbits.records import CellMeta, digest
from babelbits.stats.divergence import DivergenceSummary
from babelbits.store import Store
from babelbits.store.codec import from_json
from babelbits.study.config.spec import BASELINE

VERSION = 1
"""Raised when the same models and texts would give other numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDivergence:
    """A variant against the baseline in one language of a text suite."""

    variant: str
    suite: str
    language: str
    k: int
    n_failed: int
    """Documents that one of the two could not score: left out."""
    summary: DivergenceSummary | None
    """None if every document failed."""


def find_folder(store: Store) -> Path:
    """Where a run folder keeps divergences."""
    return store.base / "divergence"


def make_file_name(
    variant: CellMeta, baseline: CellMeta, *, k: int, weights: Sequence[str | None] | None
) -> str:
    """Of the result of comparing two cells by the `k` most likely tokens.

    Parameters
    ----------
    k : int
        Tokens kept.
    weights : sequence of str or None
        Hashes of the variant's weights and of the baseline's; None for the name that results had
        before it told the weights.
    """
    what: dict[str, object] = {"cells": [variant.cell_id, baseline.cell_id], "k": k}
    if weights is not None:
        what["weights"] = list(weights)
    return digest({**what, "version": VERSION}, length=16) + ".json"


def read(path: Path) -> RecordedDivergence:
    """A result.

    Raises
    ------
    StoreError
        If it cannot be read.
    """
    try:
        fields = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StoreError(
            f"the result cannot be read: {error}", where=str(path), hint="delete it"
        ) from error
    return from_json(RecordedDivergence, fields, where=str(path))


def read_recorded(store: Store) -> tuple[RecordedDivergence, ...]:
    """All results of the study as it was last run, in its order, fewer kept tokens first.

    Raises
    ------
    StoreError
        If one cannot be read.
    """
    texts = [
        meta for meta in store.planned() if meta.task.output_type == "text" and meta.replicate == 0
    ]
    baselines = {(meta.variant, meta.task.name): meta for meta in texts if meta.is_baseline}
    there = {path.name: read(path) for path in sorted(find_folder(store).glob("*.json"))}
    sizes = sorted({one.k for one in there.values()})
    files = (
        _of_cells(there, store, meta, baselines[_compared(meta)], k=k)
        for meta in texts
        if meta.variant != BASELINE and _compared(meta) in baselines
        for k in sizes
    )
    return tuple(one for one in files if one is not None)


def _compared(meta: CellMeta) -> tuple[str, str]:
    """Label and task of what a cell is held against: a further engine's baseline, the study's."""
    return BASELINE if meta.is_baseline else meta.baseline, meta.task.name


def _of_cells(
    there: Mapping[str, RecordedDivergence],
    store: Store,
    variant: CellMeta,
    baseline: CellMeta,
    *,
    k: int,
) -> RecordedDivergence | None:
    """The result of two cells' weights; else one that was made before results told them."""
    weights = (store.weights_hash(variant), store.weights_hash(baseline))
    named = there.get(make_file_name(variant, baseline, k=k, weights=weights))
    return named or there.get(make_file_name(variant, baseline, k=k, weights=None))


def select_most_exact(found: Iterable[RecordedDivergence]) -> tuple[RecordedDivergence, ...]:
    """Of each variant, suite and language the result with the most tokens kept."""
    best: dict[tuple[str, str, str], RecordedDivergence] = {}
    for one in found:
        key = (one.variant, one.suite, one.language)
        if one.summary is not None and (key not in best or one.k > best[key].k):
            best[key] = one
    return tuple(best.values())
