"""Label Studio's JSON export: tasks with `data` and `annotations`.

A `Pairwise` control says left or right, in the order of its `toName`; a `Choices` control may say
tie, or that both are unusable; further choices are reasons. Skipped annotations are left out and
counted; predictions are not people's and are never read.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from babelbits.errors import TaskError
from babelbits.judge.foreign.raw import Choice, RawVote, choice_of

_PROMPTS = ("prompt", "question", "instruction")
_SIDES = (("answer1", "answer2"), ("response1", "response2"), ("text1", "text2"), ("left", "right"))


def is_label_studio(rows: list[dict[str, Any]]) -> bool:
    """Whether rows look like an export of Label Studio."""
    return bool(rows) and all("data" in row and "annotations" in row for row in rows)


def votes(
    rows: list[dict[str, Any]], *, file: str, means: Mapping[str, Choice]
) -> Iterator[RawVote | None]:
    """Raw votes; None for an annotation that was skipped.

    Raises
    ------
    TaskError
        If an annotation has no answer, or its task shows no two texts and names no pair.
    """
    for row in rows:
        where = f"{file}: task {row.get('id')}"
        for annotation in row["annotations"]:
            if annotation.get("was_cancelled"):
                yield None
            else:
                yield _vote(row["data"], annotation, where, means)


def _vote(
    data: Mapping[str, Any], annotation: Mapping[str, Any], where: str, means: Mapping[str, Choice]
) -> RawVote:
    results = sorted(annotation.get("result", []), key=lambda result: result["type"] != "pairwise")
    words = [word for result in results for word in _words(result)]
    if not words:
        raise TaskError(
            "an annotation without an answer of a Pairwise or Choices control",
            where=f"{where}, annotation {annotation.get('id')}",
        )
    left, right = next(
        ((data[a], data[b]) for a, b in _SIDES if a in data and b in data), (None, None)
    )
    return RawVote(
        where=f"{where}, annotation {annotation.get('id')}",
        rater=_rater(annotation.get("completed_by")),
        choice=choice_of(words[0], where=where, means=means),
        pair_id=data.get("pair_id"),
        prompt=next((data[name] for name in _PROMPTS if name in data), None),
        left=left,
        right=right,
        variant_side=data.get("variant_side"),
        reasons=tuple(words[1:]),
        seconds=annotation.get("lead_time"),
    )


def _words(result: Mapping[str, Any]) -> list[str]:
    value = result.get("value", {})
    if result.get("type") == "pairwise":
        return [str(value.get("selected", ""))]
    return [str(choice) for choice in value.get("choices", [])]


def _rater(completed_by: Any) -> str:
    """A number, or the user's record."""
    if isinstance(completed_by, Mapping):
        return str(completed_by.get("email") or completed_by.get("id"))
    return str(completed_by)
