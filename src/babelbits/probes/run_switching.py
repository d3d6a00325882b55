"""Reads what is missing of a study's recorded answers, cell by cell, with the cell's own model.

Every variant that a probe can enter and the baseline; one model is in memory at a time. A cell's
table is written when it is whole: a killed run repeats at most one cell.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelbits.engines.encoding import Encoder
from babelbits.errors import StudyError
from babelbits.probes import probe_files
from babelbits.probes.attention_difference import AttentionDifference, compare_attention
from babelbits.probes.language_loss import Answers, LanguageLoss, select_answers, summarise_loss
from babelbits.probes.probed_pairs import find_closed
from babelbits.probes.run_probes import make_encoder, open_step
from babelbits.probes.switch_attention import ReadAnswer, read_attention
from babelbits.probes.switching import SwitchReader, make_attention_path, make_path
from babelbits.records import CellMeta, Failure, GenerateRequest
from babelbits.store import Store
from babelbits.study.execution.interrupt import Stop
from babelbits.study.planning.plan_types import Plan, VariantStep
from babelbits.tasks.base import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """A finished cell whose answers were written, and the weights that wrote them."""

    step: VariantStep
    task: Task
    meta: CellMeta
    weights: str | None


def measure_switching(
    plan: Plan,
    store: Store,
    *,
    say: Callable[[str], None],
    stop: Stop,
    attention_limit: int = 512,
) -> list[LanguageLoss]:
    """Read what is missing; how every variant's answers leave their language.

    Parameters
    ----------
    plan : Plan
        Its tasks are built.
    store : Store
        The run folder with finished cells; the caller holds its lock.
    attention_limit : int
        Tokens of the longest prompt and answer whose attention is looked at.

    Raises
    ------
    StudyError
        If no cell of a generating suite is finished.
    StoreError
        If the run folder cannot be read or written.
    """
    cells = _cells(plan, store)
    if not cells:
        raise StudyError(
            "there is no answer to read: no finished cell of a suite that writes",
            where=str(plan.study.file),
            hint="add a suite such as 'confusion' or 'extended', and run the study first",
        )
    missing = [
        one
        for one in cells
        if not _path(store, one).exists()
        or not _attention_path(store, one, attention_limit).exists()
    ]
    for label in dict.fromkeys(one.step.label for one in missing):
        if stop.is_requested():
            break
        say(f"reading the answers of {label}")
        members = [one for one in missing if one.step.label == label]
        _of_variant(plan, store, members, stop=stop, attention_limit=attention_limit)
    return _losses(store, cells, seed=plan.study.seed)


def _cells(plan: Plan, store: Store) -> list[_Cell]:
    steps = {step.label: step for step in plan.variants}
    closed = find_closed(plan)
    return [
        _Cell(
            step=steps[cell.variant],
            task=cell.task,
            meta=cell.meta,
            weights=store.status(cell.meta).weights_hash,
        )
        for cell in plan.cells
        if cell.meta is not None
        and cell.task is not None
        and cell.replicate == 0
        and cell.variant not in closed
        and cell.meta.task.output_type == "generation"
        and store.status(cell.meta).state == "done"
    ]


def _path(store: Store, one: _Cell) -> Path:
    return make_path(store, one.meta, weights=one.weights)


def _attention_path(store: Store, one: _Cell, limit: int) -> Path:
    return make_attention_path(store, one.meta, weights=one.weights, limit=limit)


def _of_variant(
    plan: Plan, store: Store, cells: Sequence[_Cell], *, stop: Stop, attention_limit: int
) -> None:
    model = open_step(plan, store, cells[0].step)
    try:
        encoder: Encoder = make_encoder(plan, model)
        reader = SwitchReader(model, encoder)
        for one in cells:
            language = one.meta.task.language
            if not _path(store, one).exists():
                rows = {row.item_id: row for row in store.rows(one.meta)}
                columns = reader.read(
                    one.task.items(), rows, language=language, stopping=stop.is_requested
                )
                if columns is None:
                    return
                probe_files.write_table(_path(store, one), columns)
            looked = read_attention(
                model,
                _read_answers(one, probe_files.read_table(_path(store, one)), encoder),
                language=language,
                tokenizer=encoder.tokenizer,
                limit=attention_limit,
                stopping=stop.is_requested,
            )
            if looked is None:
                return
            probe_files.write_table(_attention_path(store, one, attention_limit), looked)
    finally:
        model.close()


def _read_answers(one: _Cell, table: Any, encoder: Encoder) -> list[ReadAnswer]:
    """A cell's answers with the tokens of their prompts, in the order of its items."""
    if not table.num_rows:
        return []
    names = ("item_id", "unit", "token", "switched_at")
    answers: dict[str, list[Mapping[str, Any]]] = {}
    for row in table.select(names).to_pylist():
        answers.setdefault(row["item_id"], []).append(row)
    found = []
    for item in one.task.items():
        rows, request = answers.get(item.item_id), item.requests[0]
        if rows is None or not isinstance(request, GenerateRequest):
            continue
        prompt = encoder.prompts([request])[0]
        if not isinstance(prompt, Failure):
            found.append(
                ReadAnswer(
                    item_id=item.item_id,
                    unit=item.unit,
                    prompt=tuple(prompt.tokens),
                    answer=tuple(row["token"] for row in rows),
                    switched_at=rows[0]["switched_at"],
                )
            )
    return found


def read_switch_attention(
    plan: Plan, store: Store, *, attention_limit: int = 512
) -> list[AttentionDifference]:
    """What `measure_switching` read of attention, a variant and task each; reads no model."""
    tables: dict[tuple[str, str], dict[str, list[Mapping[str, Any]]]] = {}
    for one in _cells(plan, store):
        path = _attention_path(store, one, attention_limit)
        if path.exists():
            place = one.step.label, one.meta.task.suite
            rows = probe_files.read_table(path).to_pylist()
            tables.setdefault(place, {})[one.meta.task.language] = rows
    return [
        found
        for (variant, suite), rows in tables.items()
        for found in compare_attention(variant, suite, rows)
    ]


def read_recorded_answers(plan: Plan, store: Store) -> dict[tuple[str, str, str], Answers]:
    """What `measure_switching` has recorded, by variant, suite and language; reads no model."""
    return _recorded(store, _cells(plan, store))


def _recorded(store: Store, cells: Sequence[_Cell]) -> dict[tuple[str, str, str], Answers]:
    found = {}
    for one in cells:
        path = _path(store, one)
        if path.exists():
            table = probe_files.read_table(path)
            key = (one.step.label, one.meta.task.suite, one.meta.task.language)
            if table.num_rows:
                found[key] = select_answers(*key, table)
    return found


def _losses(store: Store, cells: Sequence[_Cell], *, seed: int) -> list[LanguageLoss]:
    found = _recorded(store, cells)
    labels = {one.step.label: one.step.spec.baseline for one in cells}
    return [
        summarise_loss(
            answers,
            None if label == labels[label] else found.get((labels[label], suite, language)),
            seed=seed,
        )
        for (label, suite, language), answers in found.items()
    ]
