"""Pairs in a file: JSON Lines, each line with the hash of what it says.

One line a pair: the fields of `AnswerPair` and its `pair_id`. A line whose hash does not fit its
texts was changed after it was written and is refused: votes on it would be votes on another pair.
Lines end at a line feed only. A file made by hand may leave out `item_id`, `task` and `pair_id`.
"""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from babelbits.errors import TaskError, UnknownNameError
from babelbits.languages import resolve
from babelbits.preferences.answer_pairs import AnswerPair
from babelbits.records import canonical_json
from babelbits.store.atomic import write_atomically
from babelbits.tasks.reading import read_jsonl, text_field

_HASH = "pair_id"
_OPTIONAL = ("item_id", "task")
_MAY_BE_BLANK = ("baseline_answer", "variant_answer")
"""A model that says nothing has answered all the same."""
_NAMES = tuple(field.name for field in dataclasses.fields(AnswerPair))


def write_pairs(path: Path, pairs: Iterable[AnswerPair]) -> None:
    """Write pairs, whole or not at all.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    lines = [canonical_json({**dataclasses.asdict(one), _HASH: one.pair_id}) for one in pairs]
    write_atomically(path, "".join(f"{line}\n" for line in lines).encode())


def read_pairs(path: Path) -> tuple[AnswerPair, ...]:
    """Read and check pairs, in the file's order.

    Raises
    ------
    TaskError
        If the file holds no pair, a line lacks a field or names no known language, its hash does
        not fit its texts, or a prompt is paired twice for one variant, task and language.
    """
    rows = read_jsonl(path)
    if not rows:
        raise TaskError("holds no pair", where=str(path), hint="see docs/judge.md for the format")
    pairs = [_pair(row, f"{path}: row {number}") for number, row in enumerate(rows, start=1)]
    check_distinct(pairs, where=str(path))
    return tuple(pairs)


def check_distinct(pairs: Iterable[AnswerPair], *, where: str) -> None:
    """Refuse a prompt that is paired twice: it would count as two prompts.

    Raises
    ------
    TaskError
        If one is.
    """
    seen: set[tuple[str, str, str, str]] = set()
    for one in pairs:
        key = (one.variant, one.task, one.language, one.source_id)
        if key in seen:
            raise TaskError(
                f"source_id {one.source_id!r} is paired twice in {one.language} for {one.variant}",
                where=where,
                hint="give every prompt a source_id of its own; only translations share one",
            )
        seen.add(key)


def _pair(row: dict[str, Any], where: str) -> AnswerPair:
    unknown = sorted(set(row) - {*_NAMES, _HASH})
    if unknown:
        raise TaskError(
            f"unknown field {unknown[0]!r}", where=where, hint=f"a pair has {', '.join(_NAMES)}"
        )
    fields = {name: _field(row, name, where) for name in _NAMES}
    fields["item_id"] = fields["item_id"] or fields["source_id"]
    pair = AnswerPair(**fields)
    if row.get(_HASH, pair.pair_id) != pair.pair_id:
        raise TaskError(
            "the texts are not those that the pair_id was made from",
            where=where,
            hint="export the pairs again, or leave pair_id out if the change was meant",
        )
    return pair


def _field(row: dict[str, Any], name: str, where: str) -> str:
    if name in _OPTIONAL and name not in row:
        return ""
    if name in _MAY_BE_BLANK:
        value = row.get(name)
        if not isinstance(value, str):
            raise TaskError(f"{name!r} must be text, found {value!r:.80}", where=where)
        return value
    value = text_field(row, name, where)
    if name != "language":
        return value
    try:
        return resolve(value).code
    except UnknownNameError as error:
        raise TaskError(error.what, where=where, hint=error.hint) from error
