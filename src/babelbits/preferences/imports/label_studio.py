"""Label Studio's JSON export: tasks with `data` and `annotations`.

A `Pairwise` control says left or right, in the order of its `toName`; a `Choices` control may say
tie, or that both are unusable; further choices are reasons. Skipped and empty annotations are left
out and counted; predictions are not people's and are never read.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from babelbits.errors import TaskError
from babelbits.preferences.imports.raw import (
    ImportOptions,
    RawVote,
    Row,
    Unreadable,
    VoteImporter,
    describe_error,
    have_all_rows,
    parse_choice,
    parse_time,
    read_rows,
    strip_text,
)

_PROMPTS = ("prompt", "question", "instruction")
_SIDES = (("answer1", "answer2"), ("response1", "response2"), ("text1", "text2"), ("left", "right"))


def looks_like(path: Path) -> bool:
    """Whether every row has what an export of Label Studio has."""
    return have_all_rows(path, ("data", "annotations"))


def read(path: Path, options: ImportOptions) -> Iterator[Row]:
    """Raw votes; None for an annotation that was skipped or is empty.

    Parameters
    ----------
    path : Path
        Tasks.
    options : ImportOptions
        `rater_column` is a field of a task's `data`, or of an annotation.
    """
    for row in read_rows(path):
        place = f"{path}: task {row.get('id')}"
        for annotation in row["annotations"]:
            where = f"{place}, annotation {annotation.get('id')}"
            try:
                yield _vote(row["data"], annotation, where, options)
            except (TaskError, AttributeError, KeyError, TypeError) as error:
                yield Unreadable(where=where, what=describe_error(error))


def _vote(
    data: Mapping[str, Any],
    annotation: Mapping[str, Any],
    where: str,
    options: ImportOptions,
) -> RawVote | None:
    results = sorted(
        annotation.get("result") or [], key=lambda result: result.get("type") != "pairwise"
    )
    words = [word for result in results for word in _words(result) if word.strip()]
    if annotation.get("was_cancelled") or not words:
        return None
    left, right = next(
        ((data[a], data[b]) for a, b in _SIDES if a in data and b in data), (None, None)
    )
    return RawVote(
        where=where,
        rater=_rater(data, annotation, options.rater_column),
        choice=parse_choice(words[0], where=where, means=options.means),
        pair_id=data.get("pair_id"),
        prompt=next((data[name] for name in _PROMPTS if name in data), None),
        left=left,
        right=right,
        variant_side=data.get("variant_side"),
        reasons=tuple(words[1:]),
        seconds=annotation.get("lead_time"),
        given_at=parse_time(annotation.get("updated_at") or annotation.get("created_at")),
    )


def _words(result: Mapping[str, Any]) -> list[str]:
    value = result.get("value") or {}
    if result.get("type") == "pairwise":
        return [str(value.get("selected", ""))]
    return [str(choice) for choice in value.get("choices", [])]


def _rater(
    data: Mapping[str, Any], annotation: Mapping[str, Any], column: str | None
) -> str | None:
    """A number, or what the user's record says; None where nobody is named."""
    if column is not None:
        return strip_text(annotation.get(column, data.get(column)))
    who = annotation.get("completed_by")
    if isinstance(who, Mapping):
        who = who.get("email") or who.get("id")
    return strip_text(who)


IMPORTER = VoteImporter(
    name="label-studio", sign="Label Studio's export", looks_like=looks_like, read=read
)
