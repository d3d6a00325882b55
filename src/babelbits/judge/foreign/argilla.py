"""Argilla's records as JSON: `dataset.records.to_json`, or `to_list` written out.

Version 2 keeps `responses` by question, each with `value` and `user_id`; version 1 a list of
responses, each with `values` by question and `status`. Drafts and discarded responses are left out.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from babelbits.errors import TaskError
from babelbits.judge.foreign.raw import Choice, RawVote, choice_of

_PROMPTS = ("prompt", "instruction", "question")
_SIDES = (("response1", "response2"), ("answer1", "answer2"), ("response-1", "response-2"))
_QUESTIONS = ("preference", "choice", "winner", "better")


def is_argilla(rows: list[dict[str, Any]]) -> bool:
    """Whether rows look like Argilla's records."""
    return bool(rows) and all("fields" in row and "responses" in row for row in rows)


def votes(
    rows: list[dict[str, Any]], *, file: str, means: Mapping[str, Choice]
) -> Iterator[RawVote | None]:
    """Raw votes; None for a response that was not submitted.

    Raises
    ------
    TaskError
        If no question is about preference.
    """
    for number, row in enumerate(rows, start=1):
        where = f"{file}: record {row.get('id', number)}"
        for user, value, submitted in _answers(row, where):
            yield _vote(row, user, value, where, means) if submitted else None


def _vote(
    row: Mapping[str, Any], user: str, value: Any, where: str, means: Mapping[str, Choice]
) -> RawVote:
    fields, metadata = row["fields"], row.get("metadata") or {}
    left, right = next(
        ((fields[a], fields[b]) for a, b in _SIDES if a in fields and b in fields), (None, None)
    )
    return RawVote(
        where=where,
        rater=user,
        choice=choice_of(str(value), where=where, means=means),
        pair_id=metadata.get("pair_id"),
        prompt=next((fields[name] for name in _PROMPTS if name in fields), None),
        left=left,
        right=right,
        variant_side=metadata.get("variant_side"),
    )


def _answers(row: Mapping[str, Any], where: str) -> Iterator[tuple[str, Any, bool]]:
    """User, value and whether it was submitted, for every response to the preference question."""
    responses = row["responses"] or {}
    if isinstance(responses, Mapping):
        name = _question(responses, where)
        for response in responses.get(name, []) if name else []:
            submitted = response.get("status", "submitted") == "submitted"
            yield str(response["user_id"]), response["value"], submitted
        return
    for response in responses:
        values = response.get("values") or {}
        name = _question(values, where)
        if name is not None:
            value = values[name]["value"]
            yield str(response.get("user_id")), value, response.get("status") == "submitted"


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
