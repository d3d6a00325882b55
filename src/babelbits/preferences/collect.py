"""Pairs of answers from the finished cells of a run folder.

A pair is a prompt with the output of the baseline and that of a variant, of the baseline as the
variant's own engine runs it where the study has that one. The A/A cell, the baseline
run again, gives pairs too: its net preference must cover zero, or the judge (or the noise of the
runs) makes differences that are not there. Items without an answer in either arm are left out and
counted. Never reads a model; never shows a label to a judge.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from babelbits.errors import NothingThereError, UnknownNameError
from babelbits.preferences.answer_pairs import AnswerPair
from babelbits.records import CellMeta, ItemRow
from babelbits.store import Store
from babelbits.suggest import did_you_mean

BASELINE = "baseline"
CONTROL = "baseline again (A/A)"
"""The variant that the A/A cell's pairs are about."""
OPEN_PROMPTS = "open-prompts"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairQuery:
    """Which pairs to collect; an empty choice is no choice."""

    suites: Sequence[str] = ()
    """Open prompts where none is named."""
    variants: Sequence[str] = ()
    languages: Sequence[str] = ()
    """Canonical codes."""
    limit: int | None = None
    """First n prompts of each task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """Pairs, and what could not become one."""

    pairs: tuple[AnswerPair, ...]
    n_failed: Mapping[str, int]
    """Items without an answer in either arm, by variant."""
    unfinished: tuple[str, ...]
    """Cells that have no counterpart or are not finished."""


def collect(folder: Path, wanted: PairQuery, *, smoke: bool = False) -> Collected:
    """Pairs of a run folder, in the order of its plans.

    Raises
    ------
    NothingThereError
        If there are no cells with answers, or they give no pair.
    UnknownNameError
        If a suite, variant or language that is asked for has none.
    """
    stores = [Store(folder, smoke=smoke, answers=answers) for answers in (True, False)]
    metas = [(store, meta) for store in stores for meta in store.planned() if _writes(meta)]
    if not metas:
        tried = not smoke and any(_writes(meta) for meta in Store(folder, smoke=True).planned())
        raise NothingThereError(
            "there are no cells with answers here",
            where=str(folder),
            hint="make some with: babelbits generate STUDY --prompts PROMPTS.jsonl"
            + ("; or read the smoke run's with --smoke" if tried else ""),
        )
    chosen = _chosen(metas, wanted)
    cells: dict[tuple[str, str, str], tuple[Store, CellMeta]] = {}
    for store, meta in chosen:
        label = CONTROL if meta.replicate else meta.variant
        cells.setdefault((meta.task.suite, meta.task.language, label), (store, meta))
    pairs = _paired(cells, wanted)
    if not pairs.pairs:
        raise _no_pairs(pairs, folder)
    return pairs


def _no_pairs(found: Collected, folder: Path) -> NothingThereError:
    """Why cells with answers give no pair."""
    if found.unfinished:
        return NothingThereError(
            f"no pair is there yet: {found.unfinished[0]} is not finished",
            where=str(folder),
            hint="run the command that makes the answers again: it goes on where it stopped",
        )
    return NothingThereError("no item has an answer in both arms", where=str(folder))


def _writes(meta: CellMeta) -> bool:
    return meta.task.output_type == "generation"


def _chosen(
    metas: Sequence[tuple[Store, CellMeta]], wanted: PairQuery
) -> list[tuple[Store, CellMeta]]:
    there = list(dict.fromkeys(meta.task.suite for _, meta in metas))
    suites = wanted.suites or ([OPEN_PROMPTS] if OPEN_PROMPTS in there else [])
    if not suites:
        raise UnknownNameError(
            "there are no answers to open prompts",
            hint=f"choose what to judge with --suite: {', '.join(there)}",
        )
    labels = [
        CONTROL if meta.replicate else meta.variant
        for _, meta in metas
        if meta.variant == BASELINE or not meta.is_baseline
    ]
    check_known(suites, there, "task with answers")
    check_known(wanted.variants, labels, "variant")
    check_known(wanted.languages, [meta.task.language for _, meta in metas], "language")
    return [
        (store, meta)
        for store, meta in metas
        if meta.task.suite in suites
        and (not wanted.languages or meta.task.language in wanted.languages)
    ]


def check_known(asked: Iterable[str], there: Collection[str], what: str) -> None:
    """Refuse names that a run folder does not have.

    Raises
    ------
    UnknownNameError
        With what is nearest, or what there is.
    """
    for name in asked:
        if name not in there:
            known = ", ".join(dict.fromkeys(there))
            raise UnknownNameError(
                f"no {what} is called {name!r} here",
                hint=did_you_mean(name, there) or f"available: {known}",
            )


def _paired(
    cells: Mapping[tuple[str, str, str], tuple[Store, CellMeta]], wanted: PairQuery
) -> Collected:
    rows = _Rows(cells)
    pairs: list[AnswerPair] = []
    failed: Counter[str] = Counter()
    unfinished: list[str] = []
    for (suite, language, label), (_, meta) in cells.items():
        reference = meta.baseline
        if label == reference or (wanted.variants and label not in wanted.variants):
            continue
        first, second = (rows.get((suite, language, one)) for one in (reference, label))
        if first is None or second is None:
            whose = reference if first is None else label
            unfinished.append(f"{whose} · {suite} · {language}")
            continue
        for before, after in _joined(first, second, limit=wanted.limit):
            if before.failure or after.failure:
                failed[label] += 1
            else:
                pairs.append(_pair(suite, label, before, after))
    return Collected(
        pairs=tuple(pairs), n_failed=dict(failed), unfinished=tuple(dict.fromkeys(unfinished))
    )


class _Rows:
    """Rows of finished cells, each read once."""

    def __init__(self, cells: Mapping[tuple[str, str, str], tuple[Store, CellMeta]]) -> None:
        self._cells = cells
        self._read: dict[tuple[str, str, str], tuple[ItemRow, ...] | None] = {}

    def get(self, key: tuple[str, str, str]) -> tuple[ItemRow, ...] | None:
        """None where the cell is missing or not finished."""
        if key not in self._read:
            self._read[key] = self._rows(key)
        return self._read[key]

    def _rows(self, key: tuple[str, str, str]) -> tuple[ItemRow, ...] | None:
        if key not in self._cells:
            return None
        store, meta = self._cells[key]
        return store.rows(meta) if store.status(meta).state == "done" else None


def _joined(
    first: Sequence[ItemRow], second: Sequence[ItemRow], *, limit: int | None
) -> Iterator[tuple[ItemRow, ItemRow]]:
    """Rows of the same item, whatever their order."""
    by_item = {row.item_id: row for row in second}
    for row in first[:limit]:
        if row.item_id in by_item:
            yield row, by_item[row.item_id]


def _pair(suite: str, label: str, before: ItemRow, after: ItemRow) -> AnswerPair:
    return AnswerPair(
        # Two suites may both have a prompt "1".
        source_id=f"{suite}/{before.source_id}",
        item_id=before.item_id,
        task=before.task,
        language=before.language,
        variant=label,
        # The prompt as it was given; a chat template may have wrapped the other.
        prompt=before.target if suite == OPEN_PROMPTS else before.prompt,
        baseline_answer=before.output,
        variant_answer=after.output,
    )
