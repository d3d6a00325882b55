"""MixEval's rows from a folder: upstream's release in English, translations one file a language.

    FOLDER/mixeval-2024-06-01/mixeval/multiple-choice.json        upstream's repository
    FOLDER/mixeval-2024-08-11/mixeval_multiple-choice.json.xz     the same, flat
    FOLDER/MixEval/multiple_choice.parquet                        the hub's copy
    FOLDER/mixeval/multiple-choice/nb.jsonl                       a translation

A translation's rows have upstream's keys and its `id`, so that the same question has the same
source id in every language. Where a folder holds several releases, the study must name one.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelbits.errors import TaskError, UnknownNameError
from babelbits.tasks.jsonl_task import find_language
from babelbits.tasks.local_data import read_parquet
from babelbits.tasks.reading import Row, read_jsonl, read_text

_RELEASE = re.compile(r"20\d\d-\d\d-\d\d")
SPLITS: Mapping[str, tuple[str, str]] = {
    "mixeval": ("mixeval", "multiple-choice"),
    "mixeval-free-form": ("mixeval", "free-form"),
    "mixeval-hard": ("mixeval-hard", "multiple-choice"),
    "mixeval-hard-free-form": ("mixeval-hard", "free-form"),
}
"""Suite to upstream's folder and file."""
CONFIGS: Mapping[str, str] = {"mixeval": "MixEval", "mixeval-hard": "MixEval_Hard"}
"""Upstream's folder to its config on the hub; a split there is a file here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixEvalRelease:
    """The rows of one split in one language, and which release they are of."""

    rows: tuple[tuple[str, Row], ...]
    """Place for error messages, and row; every row has `source_id`."""
    version: str | None
    """E.g. '2024-06-01'; None where no name tells."""


def find_languages(suite: str, folder: Path) -> Mapping[str, Path]:
    """Canonical code to file, for every language that `folder` has of a suite.

    Raises
    ------
    TaskError
        If there is no such folder, or it holds several releases.
    """
    if not folder.is_dir():
        raise TaskError("no such folder of data", where=str(folder))
    translations = dict(_translations(suite, folder))
    upstream = list(_upstream(suite, folder))
    if len(upstream) > 1:
        releases = ", ".join(str(path.relative_to(folder)) for path in upstream)
        raise TaskError(
            f"several releases of '{suite}': {releases}",
            where=str(folder),
            hint="name the folder of one release under [data]",
        )
    if upstream and "en" not in translations:
        translations["en"] = upstream[0]
    return translations


def read_release(suite: str, language: str, folder: Path) -> MixEvalRelease:
    """The rows of a suite in a language.

    Raises
    ------
    UnknownNameError
        If the folder has no file of that language.
    TaskError
        If a file is damaged.
    """
    files = find_languages(suite, folder)
    if language not in files:
        raise UnknownNameError(
            f"suite '{suite}' has no data in language '{language}'",
            where=str(folder),
            hint=f"the folder has {', '.join(files)}" if files else "see docs/mixeval.md",
        )
    path = files[language]
    rows = _read_upstream(path) if ".json" in path.suffixes else _read_rows(path)
    version = _RELEASE.search(str(path.relative_to(folder.parent)))
    return MixEvalRelease(rows=tuple(rows), version=version[0] if version else None)


def _translations(suite: str, folder: Path) -> Iterator[tuple[str, Path]]:
    group, split = SPLITS[suite]
    for place in (folder / group / split, folder / suite):
        for path in sorted(place.iterdir()) if place.is_dir() else []:
            code = find_language(path)
            if code is not None:
                yield code, path


def _upstream(suite: str, folder: Path) -> Iterator[Path]:
    group, split = SPLITS[suite]
    places = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    names = (f"{group}/{split}.json", f"{group}_{split}.json")
    copied = folder / CONFIGS[group] / f"{split.replace('-', '_')}.parquet"
    if copied.is_file():
        yield copied
    for place in places:
        for name in names:
            yield from (p for end in ("", ".xz") if (p := place / f"{name}{end}").is_file())


def _read_upstream(path: Path) -> Iterator[tuple[str, Row]]:
    try:
        held: dict[str, Any] = json.loads(read_text(path))
        for name, row in held.items():
            yield f"{path}: item {name}", {**row, "source_id": name}
    except (ValueError, TypeError, AttributeError) as error:
        raise TaskError(f"not a release of MixEval: {error}", where=str(path)) from error


def _read_rows(path: Path) -> Iterator[tuple[str, Row]]:
    rows = read_parquet(path) if path.suffix == ".parquet" else read_jsonl(path)
    for number, row in enumerate(rows, start=1):
        where = f"{path}: row {number}"
        name = row.get("id", row.get("source_id"))
        if not isinstance(name, str | int):
            raise TaskError(
                f"'id' must name the question upstream, found {name!r:.80}",
                where=where,
                hint="without it the same question in two languages is not known to be the same",
            )
        yield where, {**row, "source_id": str(name)}
