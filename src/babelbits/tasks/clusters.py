"""What items share beside their translations: a passage, a document, a dialogue, a template.

Questions on one passage are right and wrong together more often than by chance; counted as
independent they give false alarms. A cluster is no part of an item's identity: it changes no
answer, only what the answers show.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from babelbits.records import digest

FEWEST_SUBJECTS = 10
"""With fewer subjects a claim is about these subjects, and their questions are the units: sign
flips of five clusters cannot reach p = 0.05 whatever happens, and of few more hardly."""
_NAMES = (
    *("passage_id", "document_id", "article_id", "dialogue_id", "conversation_id", "story_id"),
    *("link", "url"),
)
"""Columns of a document that name what it belongs to."""
_TEXTS = (
    *("flores_passage", "passage", "context", "article", "document", "paragraph", "story"),
    *("dialogue", "conversation", "premise"),
)
"""Columns that hold what several questions are about."""
_SUBJECTS = ("subject", "category")
_SHORTEST = 20
"""Characters of a text that two items do not share by chance."""


def find_cluster_ids(
    docs: Sequence[Mapping[str, Any]],
    *,
    names: Sequence[str | None],
    columns: Sequence[str] | None = None,
) -> list[str | None]:
    """The cluster of every item of one task; None for an item that shares nothing.

    In this order: the item's own `cluster_id`; the `columns` of its suite; an item of the same
    name; without known columns, what the documents share: an id of a passage or document, the
    passage's text, or the subject where there are at least `FEWEST_SUBJECTS`.

    Parameters
    ----------
    docs : sequence of mapping
        One a item, in order.
    names : sequence of str or None
        Source ids before they were made distinct: the same for translations; None: not known.
    columns : sequence of str, optional
        What the suite knows; () says that its items share nothing. None: look at the documents.
    """
    repeated = {name for name, count in Counter(names).items() if count > 1 and name is not None}
    ids = _by_columns(docs, columns) if columns is not None else _looked_up(docs, names)
    return [
        _said(doc) or cluster or (name if name in repeated else None)
        for doc, cluster, name in zip(docs, ids, names, strict=True)
    ]


def select_shared_columns(doc: Mapping[str, Any]) -> dict[str, object]:
    """The columns that `find_cluster_ids` looks at, long texts by their hash: all to be kept."""
    known = ("cluster_id", *_NAMES, *_TEXTS, *_SUBJECTS)
    found = {name: doc[name] for name in known if isinstance(doc.get(name), str | int)}
    return {
        name: digest(value, length=32)
        if name in _TEXTS and isinstance(value, str) and len(value) > _SHORTEST
        else value
        for name, value in found.items()
    }


def _said(doc: Mapping[str, Any]) -> str | None:
    value = doc.get("cluster_id")
    return None if value is None or not str(value).strip() else str(value)


def _by_columns(docs: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Sequence[str | None]:
    if not columns:
        return [None] * len(docs)
    values = [[doc.get(column) for column in columns] for doc in docs]
    return [
        "/".join(map(str, one)) if all(_is_something(value) for value in one) else None
        for one in values
    ]


def _is_something(value: object) -> bool:
    return value is not None and bool(str(value).strip())


def _looked_up(
    docs: Sequence[Mapping[str, Any]], names: Sequence[str | None]
) -> Sequence[str | None]:
    """By the first column that several items share and that is not the same in all."""
    for column in (*_NAMES, *_TEXTS, *_SUBJECTS):
        values = [doc.get(column) for doc in docs]
        texts = [str(value) if _is_something(value) else None for value in values]
        counts = Counter(text for text in texts if text is not None)
        if len(counts) < 2 or max(counts.values()) < 2:
            continue
        if column in _SUBJECTS and len(counts) < FEWEST_SUBJECTS:
            continue
        if column in _TEXTS and min(map(len, counts)) < _SHORTEST:
            continue
        return _labels(texts, counts, names, is_text=column in _TEXTS)
    return [None] * len(docs)


def _labels(
    texts: Sequence[str | None],
    counts: Mapping[str, int],
    names: Sequence[str | None],
    *,
    is_text: bool,
) -> list[str | None]:
    """A name that is the same in every language: the first item's, where items have such names."""
    first: dict[str, str] = {}
    for text, name in zip(texts, names, strict=True):
        if text is not None:
            label = (name or digest(text)) if is_text else text
            first.setdefault(text, label)
    return [first[text] if text is not None and counts[text] > 1 else None for text in texts]
