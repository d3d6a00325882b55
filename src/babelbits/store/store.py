"""The run folder: a study's variants, cells and plan, in plain files.

    FOLDER/
      study.toml          the study as it was last run
      plan.json           the cells of that study, with their labels
      variants/ID/        checkpoints, each with manifest.json
      cells/ID/           meta.json; journal.jsonl while it grows; then items.parquet, DONE
      smoke/              plan.json and cells/ of runs with a limit: never mixed with results
      set-aside/          damaged cells that `doctor --fix` moved out of the way
      lock                held by the one process that writes

Never repairs silently: damage is named, contained to its cell, and set aside only on request.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from babelbits.errors import StoreError, StoreLockedError
from babelbits.records import CellMeta, ItemRow, Manifest, canonical_json
from babelbits.store import cells
from babelbits.store.atomic import store_errors, write_atomically
from babelbits.store.codec import from_json, to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreProblem:
    """A cell of the plan that cannot be used, and why."""

    meta: CellMeta
    state: cells.State
    reason: str


class Store:
    """A run folder; reading needs no lock, writing happens inside `writing()`."""

    def __init__(self, root: Path, *, smoke: bool = False) -> None:
        self.root = root
        self.smoke = smoke
        self._base = root / "smoke" if smoke else root

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer; the lock dies with the process.

        Raises
        ------
        StoreLockedError
            If another process is writing to the folder.
        StoreError
            If the folder cannot be written.
        """
        with store_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            file = (self.root / "lock").open("a+")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise StoreLockedError(
                    f"another run is writing to this folder (process {file.read().strip() or '?'})",
                    where=str(self.root),
                    hint="wait for it or stop it, then run the same command again",
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    # --- variants ---

    def variant_folder(self, variant_id: str) -> Path:
        """Where the checkpoint of a variant is, or will be."""
        return self.root / "variants" / variant_id

    def manifest(self, variant_id: str) -> Manifest | None:
        """The manifest of a finished variant; None if it was not made yet."""
        path = self.variant_folder(variant_id) / "manifest.json"
        if not path.exists():
            return None
        return from_json(Manifest, _read_json(path), where=str(path))

    # --- cells ---

    def cell_folder(self, cell_id: str) -> Path:
        """Where a cell's files are, or will be."""
        return self._base / "cells" / cell_id

    def status(self, meta: CellMeta) -> cells.CellStatus:
        """How far a cell is."""
        return cells.status(self.cell_folder(meta.cell_id), n_items=meta.n_items)

    def writer(self, meta: CellMeta) -> cells.CellWriter:
        """Record a cell's batches."""
        return cells.CellWriter(self.cell_folder(meta.cell_id), meta)

    def rows(self, meta: CellMeta) -> tuple[ItemRow, ...]:
        """Items of a complete cell, under the label that the plan gives its variant."""
        rows = cells.read_rows(self.cell_folder(meta.cell_id))
        return tuple(replace(row, variant=meta.variant) for row in rows)

    def cells(self) -> Iterator[tuple[CellMeta, tuple[ItemRow, ...]]]:
        """Every complete cell of the saved plan."""
        for meta in self.planned():
            if self.status(meta).state == "done":
                yield meta, self.rows(meta)

    def problems(self) -> tuple[StoreProblem, ...]:
        """Every cell of the saved plan that is not complete."""
        found = []
        for meta in self.planned():
            status = self.status(meta)
            if status.state != "done":
                found.append(StoreProblem(meta=meta, state=status.state, reason=status.reason))
        return tuple(found)

    def set_aside_damaged(self) -> tuple[Path, ...]:
        """Move damaged cells to set-aside/; returns where they are now."""
        moved = []
        for problem in self.problems():
            if problem.state == "damaged":
                cell_id = problem.meta.cell_id
                target = self._base / "set-aside" / cell_id
                number = 1
                while target.exists():
                    number += 1
                    target = target.with_name(f"{cell_id}-{number}")
                with store_errors(target):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    self.cell_folder(cell_id).rename(target)
                moved.append(target)
        return tuple(moved)

    def drop(self, meta: CellMeta) -> None:
        """Forget a finished cell that no longer describes its variant's weights."""
        folder = self.cell_folder(meta.cell_id)
        for name in (cells.DONE, cells.ITEMS, cells.JOURNAL):
            (folder / name).unlink(missing_ok=True)

    # --- the study and its plan ---

    def save_plan(self, study_text: str, metas: Sequence[CellMeta]) -> None:
        """Remember what the study asked for, so that a report needs nothing but the folder."""
        content = canonical_json([to_json(meta) for meta in metas]).encode() + b"\n"
        write_atomically(self._base / "study.toml", study_text.encode())
        write_atomically(self._base / "plan.json", content)

    def study_text(self) -> str:
        """The study as it was last run.

        Raises
        ------
        StoreError
            If the folder holds no study.
        """
        path = self._base / "study.toml"
        if not path.exists():
            raise StoreError(
                "no study was run here",
                where=str(self.root),
                hint="`babelbits run study.toml` makes a run folder",
            )
        return path.read_text("utf-8")

    def planned(self) -> tuple[CellMeta, ...]:
        """The cells of the study as it was last run; empty before the first run."""
        path = self._base / "plan.json"
        if not path.exists():
            return ()
        return tuple(from_json(CellMeta, value, where=str(path)) for value in _read_json(path))

    def timings(self, machine: str) -> Mapping[str, tuple[float, ...]]:
        """Seconds an item of finished cells on `machine`, by '<recipe>/<suite>'."""
        found: dict[str, list[float]] = {}
        for meta in self.planned():
            if self.status(meta).state != "done":
                continue
            done = cells.read_done(self.cell_folder(meta.cell_id))
            if done is not None and done.machine == machine and done.n_items:
                recipe = meta.identity.get("recipe", meta.variant)
                key = f"{recipe}/{meta.task.suite}"
                found.setdefault(key, []).append(done.seconds / done.n_items)
        return {key: tuple(values) for key, values in found.items()}


def _read_json(path: Path) -> list[object]:
    try:
        value: list[object] = json.loads(path.read_bytes())
    except ValueError as error:
        raise StoreError(f"not valid JSON: {error}", where=str(path)) from error
    return value
