"""Answers with a gold answer, from the finished cells of a run folder.

Written choices are read for the letter they choose, everything else is held against its gold
answers. Reads no model. Cells without a counterpart are left out and named: a grade that cannot be
compared is not paid for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from babelbits.analysis import CellResult
from babelbits.errors import NothingThereError, UnknownNameError
from babelbits.preferences.collect import CONTROL, PairQuery, check_known
from babelbits.records import CellMeta, ItemRow
from babelbits.store import Store
from babelbits.tasks.mixeval.rows import SPLITS
from babelbits.tasks.mixeval.shots import without_examples
from babelbits.tasks.suites import list_all_suites
from babelbits.tasks.translation.suite import TranslationSuite

Kind = Literal["grade", "option"]
"""How an answer is read; also the mode of the template."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class AskedItem:
    """All that a grade depends on, the judge apart: equal ones are asked about once."""

    kind: Kind
    language: str
    question: str
    golds: tuple[str, ...]
    """Empty for options: the judge is not told which one is right."""
    answer: str
    """Stripped. Hostile text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Cells to grade, and what could not be."""

    cells: tuple[CellResult, ...]
    unfinished: tuple[str, ...]
    """Cells that have no counterpart or are not finished."""


def collect_answers(folder: Path, wanted: PairQuery, *, smoke: bool = False) -> Answered:
    """Finished cells whose answers can be graded, in the order of the plan.

    Parameters
    ----------
    wanted : Wanted
        Suites that it names, else MixEval's; `limit` takes the baseline's first items of a cell.

    Raises
    ------
    NothingThereError
        If nothing is finished that has a counterpart.
    UnknownNameError
        If a suite, variant or language that is asked for is not there, or a suite has no answers
        that can be graded.
    """
    store = Store(folder, smoke=smoke)
    planned = store.planned()
    metas = [meta for meta in planned if meta.task.output_type == "generation"]
    suites = _suites(planned, metas, wanted.suites)
    ours = [meta for meta in metas if meta.task.suite in suites]
    check_known(wanted.variants, [make_label(meta) for meta in ours], "variant")
    check_known(wanted.languages, [meta.task.language for meta in ours], "language")
    chosen = [meta for meta in ours if _is_chosen(meta, wanted)]
    done = {meta.cell_id for meta in chosen if store.status(meta).state == "done"}
    kept = [
        meta for meta in chosen if meta.cell_id in done and _has_counterpart(meta, chosen, done)
    ]
    left_out = tuple(f"{make_label(m)} · {m.task.name}" for m in chosen if m not in kept)
    if not kept:
        raise NothingThereError(
            "no answers of a baseline and a variant are finished",
            where=str(folder),
            hint="`babelbits run` runs what is missing",
        )
    cells = [CellResult(meta=meta, rows=store.rows(meta)) for meta in kept]
    for cell in cells:
        _check_golds(cell)
    return Answered(cells=_limited(cells, wanted.limit), unfinished=left_out)


def make_label(meta: CellMeta) -> str:
    """The variant as people read it; the baseline's second run has a name of its own."""
    return CONTROL if meta.replicate else meta.variant


def is_reference(meta: CellMeta) -> bool:
    """Whether others are compared with it: the study's baseline, or that of an engine."""
    return meta.is_baseline and not meta.replicate


def find_kind(suite: str) -> Kind:
    """Whether a suite's written answers choose an option."""
    info = list_all_suites().get(suite)
    return "option" if info is not None and "mode" in info.own_names else "grade"


def list_asked(row: ItemRow, *, suite: str) -> tuple[AskedItem, ...]:
    """What is to be graded of a row: its answer, or each of its samples."""
    kind = find_kind(suite)
    samples = [one.text for one in row.answers if one.scores] or [row.output]
    question = row.prompt
    if suite in SPLITS:
        question = without_examples(question, language=row.language)
    golds = (row.golds or (row.target,)) if kind == "grade" else ()
    return tuple(
        AskedItem(
            kind=kind,
            language=row.language,
            question=question.strip(),
            golds=golds,
            answer=text.strip(),
        )
        for text in samples
    )


def _suites(
    planned: Sequence[CellMeta], metas: Sequence[CellMeta], named: Sequence[str]
) -> tuple[str, ...]:
    written = dict.fromkeys(meta.task.suite for meta in metas)
    for name in named:
        if name not in written and any(meta.task.suite == name for meta in planned):
            raise UnknownNameError(
                f"nothing is written in '{name}': a judge has nothing to read",
                hint="MixEval's choices are written with: mode = 'written'",
            )
    check_known(named, list(written), "task with answers")
    suites = tuple(named or (suite for suite in written if suite in SPLITS))
    if not suites:
        there = ", ".join(written) or "none"
        raise UnknownNameError(
            "no answers to MixEval are here",
            hint=f"choose what to grade with --suite; available: {there}",
        )
    for suite in suites:
        info = list_all_suites().get(suite)
        if isinstance(info, TranslationSuite):
            raise UnknownNameError(
                f"'{suite}' has reference translations, which are no gold answers",
                hint=f"let a judge compare its answers: babelbits judge ... --suite {suite}",
            )
    return suites


def _is_chosen(meta: CellMeta, wanted: PairQuery) -> bool:
    fits = is_reference(meta) or not wanted.variants or make_label(meta) in wanted.variants
    return fits and (not wanted.languages or meta.task.language in wanted.languages)


def _has_counterpart(meta: CellMeta, metas: Sequence[CellMeta], done: set[str]) -> bool:
    """Whether the cell can be compared: a baseline with anything, anything with a baseline."""
    mine = make_label(meta)
    others = [
        other
        for other in metas
        if other.task.name == meta.task.name and other.cell_id in done and make_label(other) != mine
    ]
    if is_reference(meta):
        return any(other.baseline == mine for other in others)
    return any(make_label(other) == meta.baseline for other in others)


def _check_golds(cell: CellResult) -> None:
    if not any(row.target.strip() for row in cell.rows):
        suite = cell.meta.task.suite
        raise UnknownNameError(
            f"'{suite}' has no gold answers to grade by",
            hint=f"let a judge compare its answers: babelbits judge ... --suite {suite}",
        )


def _limited(cells: Sequence[CellResult], limit: int | None) -> tuple[CellResult, ...]:
    """The same items for all variants of a task: the baseline's first ones."""
    if limit is None:
        return tuple(cells)
    first = {
        cell.meta.task.name: {row.item_id for row in cell.rows[:limit]}
        for cell in cells
        if is_reference(cell.meta)
    }
    return tuple(
        replace(
            cell,
            rows=tuple(row for row in cell.rows if row.item_id in first[cell.meta.task.name]),
        )
        for cell in cells
    )
