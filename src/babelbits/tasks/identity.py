"""What an item is called: hashes that stay the same as long as what is asked stays the same."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from babelbits.records import Item, Request, digest


def make_item(
    *,
    task: str,
    language: str,
    source_id: str,
    requests: Sequence[Request],
    target: str,
    doc: Mapping[str, Any],
    cluster_id: str | None = None,
) -> Item:
    """An item named by the hash of everything that asks and everything that scores.

    What it shares with other items changes no answer and is no part of the name.
    """
    plain_doc = make_jsonable(doc)
    asked = [_plain(request) for request in requests]
    return Item(
        item_id=digest([task, language, source_id, asked, target, plain_doc]),
        source_id=source_id,
        task=task,
        language=language,
        requests=tuple(requests),
        target=target,
        doc=plain_doc,
        cluster_id=cluster_id,
    )


def with_requests(item: Item, requests: Sequence[Request]) -> Item:
    """The same question asked otherwise, under an id of its own."""
    return make_item(
        task=item.task,
        language=item.language,
        source_id=item.source_id,
        requests=requests,
        target=item.target,
        doc=item.doc,
        cluster_id=item.cluster_id,
    )


def make_distinct(names: Iterable[str]) -> list[str]:
    """The names in order; a second 'a' becomes 'a#2', a third 'a#3'."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return found


def make_jsonable(value: Any) -> Any:
    """`value` as JSON can hold it: keys become text, NaN becomes None, other things their text."""
    if isinstance(value, Mapping):
        return {str(key): make_jsonable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [make_jsonable(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    return str(value)


def _plain(request: Request) -> list[Any]:
    return [type(request).__name__, list_request_fields(request)]


def list_request_fields(request: Request) -> dict[str, Any]:
    """A request's fields as JSON. Later ones are left out where empty: older ids hold.

    So are the turns that a prompt was written from: they are in it.
    """
    names = (name for name in request.__slots__ if name != "messages")
    fields = {name: make_jsonable(getattr(request, name)) for name in names}
    for name in ("thinking", "ignore_end"):
        if not fields.get(name, True):
            del fields[name]
    return fields
