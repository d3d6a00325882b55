"""The run folder: a study's variants, cells and plan, in plain files.

    FOLDER/
      study.toml          the study as it was last run, and study.json as it was understood
      plan.json           the cells of that study, with their labels
      variants/LABEL--ID/ checkpoints, each with manifest.json; of older runs variants/ID/
      cells/ID/           meta.json; journal.jsonl while it grows; then items.parquet, DONE
      smoke/              plan.json and cells/ of runs with a limit: never mixed with results
      early/              the same of runs whose cells stop when their verdict is known
      answers/            the same of answers to open prompts, which judges and people compare
      speed/              what `babelbits speed` measured, a file a session
      failures/           tracebacks of cells and variants that failed
      judgments/ID/       what a judge said of them: answers.sqlite, votes.jsonl, ...
      grades/ID/          what a judge gave recorded answers: answers.sqlite, grades.jsonl, ...
      set-aside/          damaged cells and variants that `doctor --fix` moved out of the way
      lock                held by the one process that writes

Never repairs silently: damage is named, contained to its cell, and set aside only on request.
"""

import dataclasses
import fcntl
import glob
import json
import os
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from babelbits.errors import NothingThereError, StoreError, StoreLockedError
from babelbits.records import CellMeta, ItemRow, Manifest, digest
from babelbits.store import cells
from babelbits.store.atomic import store_errors, write_atomically
from babelbits.store.codec import from_json, to_json
from babelbits.store.counts import Counts, count
from babelbits.store.sealed import dumps_sealed, read_sealed

_PLAN_HINT = (
    "delete it: `babelbits run` on the study writes it again; what is recorded is kept and found"
)
_MANIFEST_HINT = (
    "`babelbits doctor FOLDER --fix` sets the variant aside; the next run makes it again"
)


_BEFORE_ID = "--"
"""Between label and id in the name of a variant's folder."""
_LONGEST = 60
"""Characters of a label in the name of a folder."""


def _readable(label: str) -> str:
    """A label as part of a file's name on every system: letters, digits, and . _ @ + = - only."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._@+=-") else "-" for c in label)
    return kept.strip(".-")[:_LONGEST].rstrip(".-") or "variant"


_BASELINE = "baseline"
"""Label of the study's baseline."""
_META_FIELDS = frozenset(field.name for field in dataclasses.fields(CellMeta))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreProblem:
    """A cell of the plan that cannot be used, and why."""

    meta: CellMeta
    state: cells.State
    reason: str


class Store:
    """A run folder, or a kind of results that it keeps apart.

    Reading needs no lock, writing happens inside `writing()`.

    Parameters
    ----------
    labels : mapping, optional
        What variants are called now, by their ids; those that are not in it are left out.
    """

    def __init__(
        self,
        root: Path,
        *,
        smoke: bool = False,
        early: bool = False,
        answers: bool = False,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self._labels = labels
        self.root = root
        self.smoke = smoke
        self.early = early
        kinds = (("smoke", smoke), ("early", early), ("answers", answers))
        kept_apart = [name for name, apart in kinds if apart]
        self._base = root / "-".join(kept_apart) if kept_apart else root

    @classmethod
    def kinds(cls, root: Path) -> dict[str, "Store"]:
        """Every kind of results that a run folder may hold, by what people call its cells."""
        kinds = [(smoke, early) for early in (False, True) for smoke in (False, True)]
        stores = [cls(root, smoke=smoke, early=early) for smoke, early in kinds]
        stores += [cls(root, smoke=smoke, answers=True) for smoke in (False, True)]
        names = (
            *("cells", "smoke cells", "early cells", "smoke early cells"),
            *("answers", "smoke answers"),
        )
        return dict(zip(names, stores, strict=True))

    @property
    def base(self) -> Path:
        """Where this kind of results lies: the folder itself, or a folder in it."""
        return self._base

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
            file = (self.root / "lock").open("ab", buffering=0)
        with file:
            with store_errors(self.root):
                _lock(file.fileno(), root=self.root)
                _refuse_locks_that_do_nothing(self.root)
                file.truncate(0)
                file.write(str(os.getpid()).encode())
            yield

    # --- variants ---

    def variant_folder(self, variant_id: str, *, label: str = "") -> Path:
        """Where the checkpoint of a variant is, or will be.

        Parameters
        ----------
        label : str
            What a folder that is not there yet is called after; one that is keeps its name.
        """
        plain = self.root / "variants" / variant_id
        if plain.is_dir():
            return plain
        there = sorted(plain.parent.glob(f"[!.]*{_BEFORE_ID}{glob.escape(variant_id)}"))
        if there:
            return there[0]
        return plain.with_name(f"{_readable(label)}{_BEFORE_ID}{variant_id}") if label else plain

    def manifest(self, variant_id: str) -> Manifest | None:
        """The manifest of a finished variant; None if it was not made yet."""
        path = self.variant_folder(variant_id) / "manifest.json"
        if not path.exists():
            return None
        fields = _read_json(path, hint=_MANIFEST_HINT)
        return from_json(Manifest, fields, where=str(path), hint=_MANIFEST_HINT)

    def freed_manifest_file(self, variant_id: str) -> Path:
        """Where the manifest of a variant is kept whose checkpoint was freed."""
        return self.root / "variants" / ".freed" / f"{variant_id}.json"

    def last_manifest(self, variant_id: str) -> Manifest | None:
        """The manifest of a variant that is there, or was before its checkpoint was freed."""
        path = self.freed_manifest_file(variant_id)
        made = self.manifest(variant_id)
        if made is not None or not path.is_file():
            return made
        fields = _read_json(path, hint=_MANIFEST_HINT)
        return from_json(Manifest, fields, where=str(path), hint=_MANIFEST_HINT)

    # --- cells ---

    def cell_folder(self, cell_id: str) -> Path:
        """Where a cell's files are, or will be."""
        return self._base / "cells" / cell_id

    def status(self, meta: CellMeta) -> cells.CellStatus:
        """How far a cell is."""
        return cells.check_status(self.cell_folder(meta.cell_id), n_items=meta.n_items)

    def writer(self, meta: CellMeta, *, weights_hash: str) -> cells.CellWriter:
        """Record a cell's batches, computed with the weights of this hash.

        What other weights computed is set aside: a cell begins anew where its variant was made
        again and came out otherwise.
        """
        folder = self.cell_folder(meta.cell_id)
        recorded = self.status(meta)
        if recorded.state != "damaged" and not has_same_weights(meta, recorded, weights_hash):
            self.set_aside(folder)
        return cells.CellWriter(folder, meta, weights_hash=weights_hash)

    def rows(self, meta: CellMeta) -> tuple[ItemRow, ...]:
        """Items of a complete cell, under the label that the plan gives its variant."""
        rows = cells.read_rows(self.cell_folder(meta.cell_id))
        return tuple(replace(row, variant=meta.variant) for row in rows)

    def counts(self, meta: CellMeta) -> Counts | None:
        """What happened to the items of a finished cell; None if it is not finished."""
        if self.status(meta).state != "done":
            return None
        return count(self.cell_folder(meta.cell_id) / cells.ITEMS)

    def cells(self) -> Iterator[tuple[CellMeta, tuple[ItemRow, ...]]]:
        """Every complete cell of the saved plan.

        Raises
        ------
        StoreError
            If cells of one variant were computed with different weights.
        """
        for meta in self.refuse_mixed_weights():
            yield meta, self.rows(meta)

    def refuse_mixed_weights(self) -> tuple[CellMeta, ...]:
        """The complete cells of the saved plan, each variant's computed with the same weights.

        Raises
        ------
        StoreError
            Names a variant whose cells were not, and what to do.
        """
        done, weights = [], dict[str, Counter[str]]()
        for meta in self.planned():
            status = self.status(meta)
            if status.state == "done":
                done.append(meta)
                weights.setdefault(meta.variant, Counter())[str(status.weights_hash)] += 1
        for label, counts in weights.items():
            if len(counts) > 1:
                sets = ", ".join(f"{n} with {key[:8]}" for key, n in counts.most_common())
                raise StoreError(
                    f"the cells of '{label}' were computed with different weights ({sets})",
                    where=str(self._base),
                    hint="`babelbits run` on the study runs the cells of former weights again",
                )
        return tuple(done)

    def weights_hash(self, meta: CellMeta) -> str | None:
        """Of the weights that computed a cell, else of its variant as it is; None: not known."""
        recorded = self.status(meta).weights_hash
        if recorded is not None:
            return recorded
        manifest = self.manifest(meta.variant_id)
        return None if manifest is None else manifest.weights_hash

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
        return tuple(
            self.set_aside(self.cell_folder(problem.meta.cell_id))
            for problem in self.problems()
            if problem.state == "damaged"
        )

    def set_aside(self, folder: Path) -> Path:
        """Move the folder of a cell or a variant to set-aside/; returns where it is now."""
        target = self._base / "set-aside" / folder.name
        number = 1
        while target.exists():
            number += 1
            target = target.with_name(f"{folder.name}-{number}")
        with store_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(target)
        return target

    def times_set_aside(self, folder: Path) -> int:
        """How often the folder of a cell or a variant was set aside."""
        return len(list((self._base / "set-aside").glob(f"{folder.name}*")))

    # --- the study and its plan ---

    def save_plan(
        self,
        study_text: str,
        metas: Sequence[CellMeta],
        *,
        study: Mapping[str, Any] | None = None,
    ) -> None:
        """Remember what the study asked for, so that a report needs nothing but the folder.

        Parameters
        ----------
        study_text : str
            The study file.
        metas : sequence of CellMeta
            The cells of the plan.
        study : mapping, optional
            The study as it was validated, of JSON types.
        """
        content = dumps_sealed([to_json(meta) for meta in metas])
        write_atomically(self._base / "study.toml", study_text.encode())
        if study is not None:
            record = {"study": study, "text": digest(study_text)}
            write_atomically(self._base / "study.json", dumps_sealed(record))
        write_atomically(self._base / "plan.json", content)

    def study_text(self) -> str:
        """The study as it was last run.

        Raises
        ------
        StoreError
            If the folder holds no study, or its copy is damaged.
        """
        path = self._base / "study.toml"
        if not path.exists():
            raise NothingThereError(
                "no study was run here",
                where=str(self.root),
                hint="`babelbits run study.toml` makes a run folder",
            )
        try:
            text = path.read_text("utf-8")
            tomllib.loads(text)
        except ValueError as error:  # not UTF-8, or not TOML
            raise StoreError(
                f"the copy of the study is damaged: {error}", where=str(path), hint=_PLAN_HINT
            ) from error
        return text

    def study(self) -> Any:
        """The study as it was validated when it was last run, of JSON types.

        None where the folder is of a release that kept the text alone, or the text is another's.
        """
        path = self._base / "study.json"
        if not path.exists():
            return None
        record = _read_sealed(path, fields=frozenset(), hint=_PLAN_HINT)
        same = record.get("text") == digest(self.study_text())
        return record.get("study") if same else None

    def planned(self) -> tuple[CellMeta, ...]:
        """The cells of the study as it was last run; empty before the first run."""
        path = self._base / "plan.json"
        if not path.exists():
            return ()
        planned = _read_sealed(path, fields=_META_FIELDS, hint=_PLAN_HINT)
        if not isinstance(planned, list):
            raise StoreError("this is no list of cells", where=str(path), hint=_PLAN_HINT)
        metas = [from_json(CellMeta, value, where=str(path), hint=_PLAN_HINT) for value in planned]
        if self._labels is None:
            return tuple(metas)
        return _relabelled(metas, self._labels)

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


def _relabelled(metas: Sequence[CellMeta], labels: Mapping[str, str]) -> tuple[CellMeta, ...]:
    """The cells of variants that have a label now; a baseline that has none is the study's."""
    ids = {meta.variant: meta.variant_id for meta in metas}
    return tuple(
        replace(
            meta,
            variant=labels[meta.variant_id],
            baseline=labels.get(ids.get(meta.baseline, ""), _BASELINE),
        )
        for meta in metas
        if meta.variant_id in labels
    )


def has_same_weights(meta: CellMeta, recorded: cells.CellStatus, weights_hash: str) -> bool:
    """Whether what is recorded of a cell was computed with these weights.

    Journals of former releases do not say. The baseline's weights are in its cells' identity, so
    theirs are the same; those of a variant that was made again may not be.
    """
    if recorded.weights_hash is None:
        return recorded.n_recorded == 0 or meta.identity.get("recipe") == "baseline"
    return recorded.weights_hash == weights_hash


def _lock(descriptor: int, *, root: Path) -> None:
    """Take the lock of a run folder, or say who has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = (root / "lock").read_bytes().decode(errors="replace").strip() or "?"
        raise StoreLockedError(
            f"another run is writing to this folder (process {holder})",
            where=str(root),
            hint="wait for it or stop it, then run the same command again",
        ) from None


def _refuse_locks_that_do_nothing(root: Path) -> None:
    """Raise if the lock that is held can be taken once more: then it keeps nobody out.

    Some network file systems grant every lock. Two runs there would write the same cells at once.
    """
    with (root / "lock").open("ab") as again, suppress(BlockingIOError):
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
        raise StoreError(
            "file locks do nothing on this file system: two runs could write here at once",
            where=str(root),
            hint="put the run folder on a local disk (`folder` in [study]), or mount this one "
            "with locks (NFS: without 'nolock')",
        )


def _read_json(path: Path, *, hint: str) -> Any:
    """A JSON file of ours; `hint` says what to do if it is damaged."""
    return _parsed(path, json.loads, hint=hint)


def _read_sealed(path: Path, *, fields: frozenset[str], hint: str) -> Any:
    """A file of ours whose records have checksums."""
    return _parsed(path, partial(read_sealed, unsealed_fields=fields), hint=hint)


def _parsed(path: Path, parse: Callable[[bytes], Any], *, hint: str) -> Any:
    with store_errors(path):
        content = path.read_bytes()
    try:
        return parse(content)
    except ValueError as error:
        raise StoreError(f"the file is damaged: {error}", where=str(path), hint=hint) from error
