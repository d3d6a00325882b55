"""Argilla's records as JSON: `dataset.records.to_json`, or `to_list` written out.

Version 2 keeps `responses` by question, each with `value` and `user_id`; version 1 a list of
responses, each with `values` by question and `status`. Drafts and discarded responses are left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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

_PROMPTS = ("prompt", "instruction", "question")
_SIDES = (("response1", "response2"), ("answer1", "answer2"), ("response-1", "response-2"))
_QUESTIONS = ("preference", "choice", "winner", "better")


def looks_like(path: Path) -> bool:
    """Whether every row has what Argilla's records have."""
    return have_all_rows(path, ("fields", "responses"))


def read(path: Path, options: ImportOptions) -> Iterator[Row]:
    """Raw votes; None for a response that was not submitted or is empty.

    Parameters
    ----------
    path : Path
        Records.
    options : ImportOptions
        `rater_column` is a key of a record's metadata, or of a response.
    """
    for number, row in enumerate(read_rows(path), start=1):
        where = f"{path}: record {row.get('id', number)}"
        try:
            answers = list(_answers(row, where))
        except (TaskError, AttributeError, KeyError, TypeError) as error:
            yield Unreadable(where=where, what=describe_error(error))
            continue
        for answer in answers:
            try:
                yield _vote(row, answer, where, options)
            except (TaskError, AttributeError, KeyError, TypeError) as error:
                yield Unreadable(where=where, what=describe_error(error))


@dataclass(frozen=True, slots=True)
class _Answer:
    """A response to the question of preference."""

    value: Any
    submitted: bool
    response: Mapping[str, Any]


def _vote(
    row: Mapping[str, Any],
    answer: _Answer,
    where: str,
    options: ImportOptions,
) -> RawVote | None:
    word = strip_text(answer.value)
    if not answer.submitted or word is None:
        return None
    fields, metadata = row["fields"], row.get("metadata") or {}
    left, right = next(
        ((fields[a], fields[b]) for a, b in _SIDES if a in fields and b in fields), (None, None)
    )
    response, column = answer.response, options.rater_column
    named = (
        response.get("user_id") if column is None else response.get(column, metadata.get(column))
    )
    return RawVote(
        where=where,
        rater=strip_text(named),
        choice=parse_choice(word, where=where, means=options.means),
        pair_id=metadata.get("pair_id"),
        prompt=next((fields[name] for name in _PROMPTS if name in fields), None),
        left=left,
        right=right,
        variant_side=metadata.get("variant_side"),
        given_at=parse_time(response.get("updated_at") or response.get("inserted_at")),
    )


def _answers(row: Mapping[str, Any], where: str) -> Iterator[_Answer]:
    """Every response to the preference question."""
    responses = row["responses"] or {}
    if isinstance(responses, Mapping):
        name = _question(responses, where)
        for response in responses.get(name, []) if name else []:
            submitted = response.get("status", "submitted") == "submitted"
            yield _Answer(response.get("value"), submitted, response)
        return
    for response in responses:
        values = response.get("values") or {}
        name = _question(values, where)
        if name is not None:
            submitted = response.get("status") == "submitted"
            yield _Answer((values[name] or {}).get("value"), submitted, response)


def _question(names: Mapping[str, Any], where: str) -> str | None:
    """Which question is about preference: by name, or the only one there is."""
    if not names:
        return None
    found = next((name for name in _QUESTIONS if name in names), None)
    if found is None and len(names) == 1:
        return next(iter(names))
    if found is None:
        raise TaskError(
            f"no question is called {', '.join(_QUESTIONS)}; there is {', '.join(names)}",
            where=where,
        )
    return found


IMPORTER = VoteImporter(name="argilla", sign="Argilla's records", looks_like=looks_like, read=read)
