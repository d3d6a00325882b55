"""What of a run folder can be made again, and freeing it.

Freed are checkpoints of variants whose cells are all done, what they share, the baseline's kept
distributions, and leftovers of killed processes. Results are never touched: cells, plans, votes,
grades, divergences, failures, and what was set aside. A freed variant's manifest is kept, so that
the report still knows its size. Sizes are bytes on the disk.
"""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from babelbits.store.atomic import store_errors, write_atomically
from babelbits.store.store import Store

Kind = Literal["variant", "cache", "leftover", "results"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Something that a run folder holds."""

    kind: Kind
    name: str
    """A variant's label, or the path in the run folder."""
    bytes: int
    free: bool
    """Whether it can be made again, and is not needed now."""
    why: str
    paths: tuple[Path, ...] = ()
    variant_id: str | None = None


def list_holdings(root: Path) -> tuple[Holding, ...]:
    """Everything that a run folder holds, in four kinds.

    Raises
    ------
    StoreError
        If its plan is damaged.
    """
    found = [*_variants(root), *_shared(root), *_distributions(root), *_leftovers(root)]
    inside = [path for one in found for path in one.paths]
    rest = measure_size(root) - sum(map(measure_size, inside))
    kept = Holding(kind="results", name="results", bytes=rest, free=False, why="never freed")
    return (*found, kept)


def remove_holdings(root: Path, chosen: Iterable[Holding]) -> int:
    """Remove what can be made again; returns the bytes.

    The caller holds the lock of the folder.

    Raises
    ------
    ValueError
        If something is not to be freed.
    StoreError
        If the disk refuses.
    """
    freed = 0
    for one in chosen:
        if not one.free:
            raise ValueError(f"{one.name} is not to be freed")
        with store_errors(root):
            if one.variant_id is not None:
                _keep_manifest(root, one)
            for path in one.paths:
                _remove(path)
        freed += one.bytes
    return freed


def measure_size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    if path.is_dir() and not path.is_symlink():
        return sum(measure_size(one) for one in path.iterdir())
    return path.lstat().st_size if path.exists() else 0


def _remove(path: Path) -> None:
    """Rename first, so that what is half removed is never taken for whole."""
    if path.is_dir():
        gone = path.with_name(f".{path.name.lstrip('.')}.partial")
        path.rename(gone)
        shutil.rmtree(gone)
    else:
        path.unlink(missing_ok=True)


def _keep_manifest(root: Path, one: Holding) -> None:
    [folder] = one.paths
    manifest = folder / "manifest.json"
    if manifest.is_file() and one.variant_id is not None:
        kept = Store(root).freed_manifest_file(one.variant_id)
        kept.parent.mkdir(exist_ok=True)
        write_atomically(kept, manifest.read_bytes())


def _variants(root: Path) -> Iterator[Holding]:
    """Checkpoints; those with cells that are open stay."""
    stores = Store.kinds(root).values()
    labels: dict[str, str] = {}
    open_cells: dict[str, int] = {}
    for store in stores:
        labels |= {meta.variant_id: meta.variant for meta in store.planned()}
        for problem in store.problems():
            name = problem.meta.variant_id
            open_cells[name] = open_cells.get(name, 0) + 1
    for folder in sorted((root / "variants").glob("[!.]*")):
        if not folder.is_dir():
            continue
        variant_id = folder.name.rpartition("--")[2]
        count = open_cells.get(variant_id, 0)
        why = "its cells are done; `babelbits run` makes it again"
        manifest = next((m for store in stores if (m := store.manifest(variant_id))), None)
        if manifest is not None and manifest.place is not None:
            continue  # somebody else's files, which lie elsewhere
        if variant_id not in labels:
            why = "the last study does not name it"
        yield Holding(
            kind="variant",
            name=labels.get(variant_id, folder.name),
            bytes=measure_size(folder),
            free=not count,
            why=f"cells are open: {count}" if count else why,
            paths=(folder,),
            variant_id=variant_id,
        )


def _shared(root: Path) -> Iterator[Holding]:
    for folder in sorted((root / "variants").glob(".gguf-*")):
        if not folder.name.endswith(".partial"):
            yield _cache(root, folder, "the model as GGUF and importance matrices; made again")


def _distributions(root: Path) -> Iterator[Holding]:
    for file in sorted(root.glob("**/divergence/*.npz")):
        yield _cache(root, file, "the baseline's distributions; `babelbits kl` computes them again")


def _cache(root: Path, path: Path, why: str) -> Holding:
    name = path.relative_to(root).as_posix()
    return Holding(
        kind="cache", name=name, bytes=measure_size(path), free=True, why=why, paths=(path,)
    )


def _leftovers(root: Path) -> Iterator[Holding]:
    """What processes that were killed left behind; none runs now, for the lock is ours."""
    for path in sorted((root / "variants").glob(".*.partial")):
        yield Holding(
            kind="leftover",
            name=path.relative_to(root).as_posix(),
            bytes=measure_size(path),
            free=True,
            why="half made by a process that was ended",
            paths=(path,),
        )
