"""Datasets of the hub, got once and kept as Parquet: what `babelbits pull` fills and runs read.

A copy is the rows of one config at one commit. It is fetched by `datasets`, as lm-eval itself does,
and read ever after without a network, so that a run on another day or on a machine without one sees
the very same rows. The library's own cache would answer offline with whatever version it saw last.

Layout below the folder: `<owner>--<name>/<commit>/<config>/<split>.parquet`, and `source.json`,
written last, with commit, counts and hashes. Such a folder may also be named under [data].
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelbits.errors import MissingDataError, MissingExtraError, TaskError
from babelbits.records import canonical_json
from babelbits.store.atomic import store_errors, write_atomically

NO_CONFIG = "default"
SOURCE = "source.json"
_MAIN = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubDataset:
    """One config of a hub dataset."""

    dataset: str
    """Hub id, e.g. 'juletxara/mgsm'."""
    config: str | None
    """The dataset's config, mostly a language."""
    revision: str | None
    """Commit, branch or tag; None: the branch main."""

    def __str__(self) -> str:
        config = "" if self.config is None else f"/{self.config}"
        return f"{self.dataset}{config}@{self.revision or _MAIN}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A config of a dataset on this machine."""

    wanted: HubDataset
    folder: Path
    commit: str
    rows: Mapping[str, int]
    """Rows a split."""
    hashes: Mapping[str, str]
    """SHA-256 of each split's file."""

    @property
    def n_bytes(self) -> int:
        """Bytes on disk."""
        return sum((self.folder / f"{split}.parquet").stat().st_size for split in self.rows)


def find_root() -> Path:
    """Where copies are kept: beside the caches of Hugging Face's libraries, in `HF_HOME`."""
    home = os.environ.get("HF_HOME") or Path(
        os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "huggingface"
    )
    return Path(home).expanduser() / "babelbits" / "datasets"


def is_offline() -> bool:
    """Whether the user said that there is no network."""
    words = (os.environ.get(name, "") for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"))
    return any(word.upper() in ("1", "ON", "YES", "TRUE") for word in words)


def find(wanted: HubDataset, folder: Path | None = None) -> Copy | None:
    """The copy that is here, or None. Reads two small files.

    Raises
    ------
    TaskError
        If a file of it is not the one that was written.
    """
    place = _place(wanted, find_root() if folder is None else folder)
    if place is None or not (place / SOURCE).is_file():
        return None
    try:
        held = json.loads((place / SOURCE).read_text(encoding="utf-8"))
        copy = Copy(
            wanted=wanted,
            folder=place,
            commit=held["commit"],
            rows={split: part["rows"] for split, part in held["splits"].items()},
            hashes={split: part["sha256"] for split, part in held["splits"].items()},
        )
    except (KeyError, ValueError, AttributeError) as error:
        raise _damaged(place, str(error)) from error
    for split, expected in copy.hashes.items():
        path = place / f"{split}.parquet"
        if not path.is_file() or _sha256(path) != expected:
            raise _damaged(place, f"'{split}' is not the file that was written")
    return copy


def get(wanted: HubDataset) -> Copy:
    """The copy that is here, or one fetched now.

    Raises
    ------
    MissingDataError
        If it is not here and there is no network, or the hub does not have it.
    """
    found = find(wanted)
    return fetch(wanted) if found is None else found


def fetch(wanted: HubDataset, folder: Path | None = None) -> Copy:
    """Get a config from the hub; a branch is looked up anew.

    Parameters
    ----------
    folder : Path, optional
        Where to keep it instead of `find_root()`.

    Raises
    ------
    MissingDataError
        If there is no network, or the hub does not have it.
    MissingExtraError
        If `datasets` is not installed.
    StoreError
        If the folder cannot be written.
    """
    if is_offline():
        raise _missing(wanted, "this machine is offline (HF_HUB_OFFLINE)")
    place = find_root() if folder is None else folder
    commit, splits = _download(wanted)
    home = place / _name(wanted.dataset)
    with store_errors(home):
        _write(splits, wanted, commit, home / commit / _name(wanted.config or NO_CONFIG))
        if wanted.revision != commit:
            _point(home, wanted.revision or _MAIN, commit)
    copy = find(wanted, place)
    assert copy is not None  # noqa: S101  it was written above
    return copy


def read(copy: Copy) -> dict[str, Any]:
    """The splits as `datasets.Dataset`, with the types of their columns."""
    from datasets import Dataset
    from pyarrow import parquet

    return {
        split: Dataset(parquet.read_table(copy.folder / f"{split}.parquet")) for split in copy.rows
    }


# --- on disk -----------------------------------------------------------------------------------


def _name(name: str) -> str:
    return name.replace("/", "--")


def _place(wanted: HubDataset, folder: Path) -> Path | None:
    """Where the copy of a config is, if it was ever got: branches point to commits."""
    home = folder / _name(wanted.dataset)
    revision = wanted.revision or _MAIN
    pointer = home / "refs" / _name(revision)
    commit = pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else revision
    return home / commit / _name(wanted.config or NO_CONFIG)


def _point(home: Path, revision: str, commit: str) -> None:
    write_atomically(home / "refs" / _name(revision), f"{commit}\n".encode())


def _write(splits: Mapping[str, Any], wanted: HubDataset, commit: str, place: Path) -> None:
    """All files of a copy, in place at once: it is whole or absent."""
    made = place.with_name(f".{place.name}.{os.getpid()}.partial")
    made.mkdir(parents=True, exist_ok=True)
    try:
        parts = {}
        for split, rows in splits.items():
            path = made / f"{split}.parquet"
            rows.to_parquet(str(path))
            parts[split] = {"rows": len(rows), "sha256": _sha256(path)}
        source = {"dataset": wanted.dataset, "config": wanted.config, "commit": commit}
        text = canonical_json({**source, "asked": wanted.revision or _MAIN, "splits": parts})
        (made / SOURCE).write_text(text + "\n", encoding="utf-8")
        shutil.rmtree(place, ignore_errors=True)
        made.rename(place)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damaged(place: Path, what: str) -> TaskError:
    return TaskError(
        f"the copy of a dataset is damaged: {what}",
        where=str(place),
        hint="delete this folder; `babelbits pull` gets it again",
    )


# --- the hub -----------------------------------------------------------------------------------


def _download(wanted: HubDataset) -> tuple[str, Mapping[str, Any]]:
    """The commit, and the splits as `datasets.Dataset`."""
    try:
        from datasets import load_dataset
        from huggingface_hub import HfApi
    except ImportError as error:
        raise MissingExtraError(
            "hub datasets need `datasets`", hint="pip install 'babelbits[run]'"
        ) from error
    try:
        commit = str(HfApi().dataset_info(wanted.dataset, revision=wanted.revision).sha)
        splits = load_dataset(wanted.dataset, wanted.config, revision=commit)
    except Exception as error:  # a dozen types of four libraries
        raise _missing(wanted, f"{type(error).__name__}: {error}") from error
    return commit, splits


def _missing(wanted: HubDataset, why: str) -> MissingDataError:
    terms = ""
    if "gated" in why.lower():
        page = f"https://huggingface.co/datasets/{wanted.dataset}"
        terms = f"accept its terms once at {page} and log in (hf auth login); then, "
    return MissingDataError(
        f"the dataset {wanted} is not on this machine, and cannot be got: {why}",
        where=wanted.dataset,
        hint=f"{terms}where there is a network: babelbits pull study.toml; or name a local folder "
        f"that stands in for {wanted.dataset} under [data]",
    )
