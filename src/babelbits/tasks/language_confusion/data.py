"""The benchmark's prompts as its repository lays them out, zipped or not.

`[data]` names the folder of github.com/for-ai/language-confusion, or one with its `test_sets.zip`.
Nothing here knows a model or a score.
"""

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Literal

from babelbits.errors import TaskError
from babelbits.languages import resolve
from babelbits.tasks.reading import Row, read_text, text_field

Setting = Literal["monolingual", "crosslingual"]
SOURCES: Mapping[Setting, tuple[str, ...]] = {
    "monolingual": ("okapi", "aya", "dolly", "native"),
    "crosslingual": ("okapi", "sharegpt", "complex_prompts"),
}
"""Prompt sets; a language has those of them that have a file for it."""
ARCHIVE = "test_sets.zip"
ORIGIN = "github.com/for-ai/language-confusion"


def read_rows(setting: Setting, language: str, folder: Path) -> list[tuple[str, Row]]:
    """Place and row of every prompt, the sources taking turns so that any first few have all.

    Rows hold `source_id`, `prompt`, `source` and, across languages, `location` and `phrasing` of
    the request for the language. Across languages the same prompt has the same `source_id` in all
    of them; the monolingual sets are not aligned.

    Raises
    ------
    TaskError
        If the folder has no test sets, none in this language, or they are damaged.
    """
    sets = [
        [
            (where, _row(row, setting, source, language, number, where))
            for number, (where, row) in enumerate(rows)
        ]
        for source, rows in _sources(setting, language, folder)
    ]
    if not sets:
        raise TaskError(
            f"no {setting} prompts in language '{language}'",
            where=str(folder),
            hint=f"expected {ARCHIVE} or test_sets/{setting}/okapi/{language}.csv of {ORIGIN}",
        )
    return [row for turn in zip_longest(*sets) for row in turn if row is not None]


def _row(
    row: Mapping[str, str], setting: Setting, source: str, language: str, number: int, where: str
) -> Row:
    text_field(dict(row), "prompt", where)
    written = row.get("language", "")
    if written and resolve(written).code != language:
        raise TaskError(f"the row is in language {written!r}, not '{language}'", where=where)
    shared = setting == "crosslingual"
    extra = {name: row[name] for name in ("location", "phrasing") if shared and name in row}
    place = f"{source}-{number}" if shared else f"{source}-{language}-{number}"
    return {"source_id": place, "prompt": row["prompt"], "source": source, **extra}


def _sources(
    setting: Setting, language: str, folder: Path
) -> Iterator[tuple[str, Sequence[tuple[str, Mapping[str, str]]]]]:
    """Source and its rows with their places, for every source that has the language."""
    archive = folder / ARCHIVE
    plain = next((p for p in (folder / "test_sets", folder) if (p / setting).is_dir()), None)
    if plain is None and not archive.is_file():
        return
    names = {source: f"{setting}/{source}/{language}.csv" for source in SOURCES[setting]}
    for source, name in names.items():
        if plain is not None:
            path = plain / name
            text = read_text(path) if path.is_file() else None
            place = str(path)
        else:
            text = _from_archive(archive, f"test_sets/{name}")
            place = f"{archive}:{name}"
        if text is not None:
            yield source, _rows(text, place)


def _from_archive(archive: Path, name: str) -> str | None:
    """A member's text; None where there is none of that name."""
    try:
        with zipfile.ZipFile(archive) as held:
            return held.read(name).decode("utf-8-sig")
    except KeyError:
        return None
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError, EOFError) as error:
        raise TaskError(
            f"cannot be read: {error}", where=str(archive), hint=f"get it again from {ORIGIN}"
        ) from error


def _rows(text: str, place: str) -> list[tuple[str, Mapping[str, str]]]:
    # newline="" leaves line feeds inside quoted prompts as they are.
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise TaskError(f"not a CSV file: {error}", where=place) from error
    return [(f"{place}: row {number}", row) for number, row in enumerate(rows, start=1)]
