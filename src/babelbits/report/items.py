"""The item browser's data: every flip that fits, then a sample, and how many were left out.

Texts are hostile: they travel as JSON strings and are shown as text, never parsed as markup.
Pure and deterministic: the same comparisons and budget give the same payload.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from babelbits.records import JSON, ItemRow, Metric, canonical_json
from babelbits.report.diff import Span, find_changes
from babelbits.report.item_pairs import ORDER, Comparison, ItemPair, describe_samples
from babelbits.words import plural

LONGEST_TEXT = 1600
"""Characters of a prompt or an output that the page carries; the rest is one command away."""
LONGEST_PREAMBLE = 4000
SHORTEST_PREAMBLE = 120
SAMPLE_CHANGED = 25
SAMPLE_SAME = 4
OVERHEAD = 300
"""Bytes of one item beside its texts, generously."""


def embed(value: object) -> str:
    """JSON that is safe inside a `<script>` element and in JavaScript source."""
    text = canonical_json(value)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


@dataclass(slots=True)
class ItemTexts:
    """A table of distinct strings; items refer to them by position."""

    values: list[str] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)

    def cost(self, texts: Iterable[str]) -> int:
        """Bytes that the page grows by when `texts` are added."""
        return sum(len(embed(text).encode()) + 1 for text in set(texts) - self.positions.keys())

    def add(self, text: str) -> int:
        """Position of `text`, added if new."""
        if text not in self.positions:
            self.positions[text] = len(self.values)
            self.values.append(text)
        return self.positions[text]


def clip(text: str, *, longest: int = LONGEST_TEXT) -> str:
    """The head of a long text, with the number of characters left out."""
    if len(text) <= longest:
        return text
    return f"{text[:longest]}\n… {plural(len(text) - longest, 'more character')}"


def find_preamble(prompts: Sequence[str]) -> str:
    """What all prompts of a cell begin with, up to a line's end; '' when short."""
    if len(prompts) < 2:
        return ""
    first, last = min(prompts), max(prompts)
    same = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    )
    shared = first[:same]
    shared = shared[: shared.rfind("\n") + 1]
    return shared if len(shared) >= SHORTEST_PREAMBLE else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownItem:
    """An item that may go on the page, and how urgently."""

    comparison: int
    tier: int
    rank: int
    pair: ItemPair


TIERS = {"broke": 0, "fixed": 0, "failed": 1, "changed": 1, "same": 2}
CAPS = {0: None, 1: SAMPLE_CHANGED, 2: SAMPLE_SAME}


def choose_candidates(found: Sequence[Comparison]) -> list[ShownItem]:
    """Items in the order they are put on the page: flips first, cells taking turns."""
    chosen = []
    for position, comparison in enumerate(found):
        ranks: dict[int, int] = defaultdict(int)
        for pair in comparison.pairs:
            tier = TIERS[pair.status]
            rank, cap = ranks[tier], CAPS[tier]
            ranks[tier] += 1
            if cap is None or rank < cap:
                chosen.append(ShownItem(comparison=position, tier=tier, rank=rank, pair=pair))
    return sorted(chosen, key=lambda c: (c.tier, c.rank, c.comparison))


def _texts_of(pair: ItemPair, head: str) -> tuple[str, str, str, str]:
    prompt = pair.before.prompt[len(head) :]
    texts = prompt, pair.before.target, pair.before.output, pair.after.output
    return tuple(clip(text) for text in texts)  # type: ignore[return-value]  # four in, four out


def _arm(row: ItemRow, score: float | None, metric: Metric) -> JSON:
    """What one model did; keys that are absent hold nothing worth saying."""
    arm: JSON = {"score": None if score is None else round(score, 6)}
    if row.choice_logprobs is not None:
        arm["lp"] = [round(value, 4) for value in row.choice_logprobs]
    if row.finish_reason == "length":
        arm["cut"] = True
    if row.truncated_tokens:
        arm["lost"] = row.truncated_tokens
    remarks = [text for text in (describe_samples(row, metric), row.remark) if text]
    if remarks:
        arm["remark"] = clip("; ".join(remarks), longest=200)
    if row.failure is not None and row.failure.message != row.remark:
        arm["failure"] = f"{row.failure.kind}: {clip(row.failure.message, longest=200)}"
    return arm


def _flat(spans: Iterable[Span]) -> list[int]:
    return [edge for span in spans for edge in span]


def _item(pair: ItemPair, texts: ItemTexts, head: str) -> JSON:
    prompt, target, before, after = _texts_of(pair, head)
    changed = find_changes(before, after)
    scores = pair.scores
    return {
        "id": pair.before.item_id,
        "source": pair.before.source_id,
        "status": pair.status,
        "prompt": texts.add(prompt),
        "target": texts.add(target),
        "before": _arm(pair.before, scores[0], pair.metric) | {"text": texts.add(before)},
        "after": _arm(pair.after, scores[1], pair.metric) | {"text": texts.add(after)},
        "gone": _flat(changed.before),
        "new": _flat(changed.after),
    }


def make_payload(
    pairs: Sequence[Comparison], anchors: Mapping[tuple[str, str, str], str], *, budget: int
) -> JSON:
    """Data of the item browser, at most about `budget` bytes of items.

    Parameters
    ----------
    found : sequence of Comparison
    anchors : mapping
        Comparison key to the cell's anchor on the page.
    budget : int
        Bytes for texts and items. Items beyond it are counted, not shown.
    """
    texts = ItemTexts()
    heads = [find_preamble([pair.before.prompt for pair in one.pairs]) for one in pairs]
    cells: list[JSON] = [
        _cell(one, texts, head, anchors) for one, head in zip(pairs, heads, strict=True)
    ]
    spent = texts.cost(()) + sum(len(text.encode()) for text in texts.values)
    for candidate in choose_candidates(pairs):
        head = heads[candidate.comparison]
        cost = texts.cost(_texts_of(candidate.pair, head)) + OVERHEAD
        if spent + cost > budget:
            continue
        spent += cost
        cells[candidate.comparison]["items"].append(_item(candidate.pair, texts, head))
    return {"schema": 1, "cells": cells, "texts": texts.values}


def _cell(
    one: Comparison, texts: ItemTexts, head: str, anchors: Mapping[tuple[str, str, str], str]
) -> JSON:
    counts = {status: one.count(status) for status in ORDER}
    return {
        "anchor": anchors[one.key],
        "variant": one.variant,
        "suite": one.suite,
        "language": one.language,
        "counts": counts,
        "preamble": texts.add(clip(head, longest=LONGEST_PREAMBLE)) if head else None,
        "items": [],
    }
