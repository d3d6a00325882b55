"""Measures what is missing of a study's probes: variants against their baseline, cell by cell.

Runs beside the results of a study, once its variants are made; both models are loaded at one time.
It changes no cell. What is measured is kept in parts as it comes, and nothing is measured twice.
"""

import shlex
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from babelbits.engines.encoding import Encoder
from babelbits.errors import StudyError
from babelbits.probes import probe_files
from babelbits.probes.comparing import (
    HEAD_MEASURES,
    TOKEN_MEASURES,
    ComparedInsides,
    compare,
    measure_weight_errors,
)
from babelbits.probes.insides import Insides, open_insides
from babelbits.probes.probe_files import Probe, ProbeRecord, ProbeSettings
from babelbits.probes.probed_pairs import ProbedPair, find_closed, list_pairs
from babelbits.probes.sequences import ProbedSequence, make_sequences
from babelbits.records import CellMeta, Failure, Item, ItemRow
from babelbits.store import Store
from babelbits.study.config.engines import name_engine
from babelbits.study.config.spec import BASELINE
from babelbits.study.execution.interrupt import Stop
from babelbits.study.execution.worker import find_folder, make_settings_of_engine
from babelbits.study.planning.plan_types import Plan, VariantStep
from babelbits.words import plural


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Recorded answers of a cell and of its baseline's, by item; empty where they are not."""

    variant: Mapping[str, ItemRow]
    baseline: Mapping[str, ItemRow]


def measure(
    plan: Plan,
    store: Store,
    *,
    settings: ProbeSettings,
    say: Callable[[str], None],
    stop: Stop,
) -> list[Probe]:
    """Measure what is missing; all finished probes in the plan's order.

    Parameters
    ----------
    plan : Plan
        Its tasks are built.
    store : Store
        The run folder, with the variants that were made; the caller holds its lock.
    say : callable
        Told what is loaded and measured.
    stop : Stop
        Looked at between parts of `probe_files.ITEMS_A_PART` items.

    Raises
    ------
    StudyError
        If no variant that is made can be entered.
    StoreError
        If the run folder cannot be read or written.
    """
    pairs = list(list_pairs(plan))
    if not any(not pair.again for pair in pairs):
        raise _nothing(plan)
    _refuse_former_weights(plan)
    missing = [
        pair for pair in pairs if probe_files.read_record(_folder(store, pair, settings)) is None
    ]
    baselines = dict.fromkeys(pair.baseline_step.label for pair in missing)
    for label in baselines:
        members = [pair for pair in missing if pair.baseline_step.label == label]
        say(f"loading {label}")
        first = open_step(plan, store, members[0].baseline_step)
        try:
            _of_baseline(plan, store, first, members, settings=settings, say=say, stop=stop)
        finally:
            first.close()
        if stop.is_requested():
            break
    return [
        Probe(record=record, folder=folder, cells=(pair.variant, pair.baseline))
        for pair in pairs
        for folder in [_folder(store, pair, settings)]
        if (record := probe_files.read_record(folder)) is not None
    ]


def _nothing(plan: Plan) -> StudyError:
    closed = {k: v for k, v in find_closed(plan).items() if k != BASELINE}
    open_ = [step.label for step in plan.variants if step.label not in (*closed, BASELINE)]
    told = "; ".join(f"'{label}': {why}" for label, why in closed.items())
    run = shlex.join(["babelbits", "run", str(plan.study.file)])
    if open_:
        return StudyError(
            f"no variant to look into is made yet ({', '.join(open_)})",
            where=str(plan.study.file),
            hint=f"run the study first: {run}",
        )
    return StudyError(
        f"no probe can enter any variant ({told or 'there is none'})",
        where=str(plan.study.file),
        hint="probe a variant that transformers runs, such as 'w4-g' or 'nf4'; `babelbits kl` "
        "compares outputs of all engines",
    )


def _refuse_former_weights(plan: Plan) -> None:
    stale = [cell for cell in plan.cells if cell.state == "stale"]
    if stale:
        raise StudyError(
            f"'{stale[0].variant}' was made again, and its results are of former weights: "
            f"{stale[0].reason}",
            where=str(plan.study.file),
            hint="run those cells again first: "
            + shlex.join(["babelbits", "run", str(plan.study.file)]),
        )


def _folder(store: Store, pair: ProbedPair, settings: ProbeSettings) -> Path:
    name = probe_files.name_of(pair.variant, pair.baseline, weights=pair.weights, settings=settings)
    return probe_files.find_folder(store) / name


def open_step(plan: Plan, store: Store, step: VariantStep) -> Insides:
    """Load a variant that is made, or a baseline, as the study's engine would."""
    study = plan.study
    engine = name_engine(study.engine, study.model, step.spec)
    folder = find_folder(step, store, base=plan.base)
    return open_insides(folder, settings=make_settings_of_engine(study, engine=engine))


def make_encoder(plan: Plan, model: Insides) -> Encoder:
    """How the study's engine encodes requests for a model."""
    return Encoder(
        model.loaded.tokenizer,
        context_length=model.loaded.context_length,
        long_prompts=plan.study.engine.long_prompts,
        rows=getattr(model.model.get_input_embeddings(), "num_embeddings", None),
    )


def _of_baseline(
    plan: Plan,
    store: Store,
    first: Insides,
    pairs: Sequence[ProbedPair],
    *,
    settings: ProbeSettings,
    say: Callable[[str], None],
    stop: Stop,
) -> None:
    """All pairs with one baseline, variant by variant."""
    encoder = make_encoder(plan, first)
    for label in dict.fromkeys(pair.step.label for pair in pairs):
        members = [pair for pair in pairs if pair.step.label == label]
        again = members[0].again
        say("looking into the baseline again" if again else f"looking into {label}")
        second = first if again else open_step(plan, store, members[0].step)
        try:
            errors = [] if again else measure_weight_errors(first, second)
            for pair in members:
                folder = _folder(store, pair, settings)
                if errors:
                    columns = {name: [row[name] for row in errors] for name in errors[0]}
                    probe_files.write_table(folder / probe_files.WEIGHTS, columns)
                _of_pair(
                    (first, second), pair, encoder, store, folder, settings=settings, stop=stop
                )
                if stop.is_requested():
                    return
        finally:
            if not again:
                second.close()


def _of_pair(
    models: tuple[Insides, Insides],
    pair: ProbedPair,
    encoder: Encoder,
    store: Store,
    folder: Path,
    *,
    settings: ProbeSettings,
    stop: Stop,
) -> None:
    """One cell against its baseline's, part by part; finished unless stopped."""
    started = time.perf_counter()
    rows = _Rows(variant=_rows(store, pair.variant), baseline=_rows(store, pair.baseline))
    items = pair.task.items()
    left_out: Counter[str] = Counter()
    n_sequences = n_unseen = 0
    for number, start in enumerate(range(0, len(items), probe_files.ITEMS_A_PART)):
        part = items[start : start + probe_files.ITEMS_A_PART]
        sequences = _sequences(part, encoder, rows, left_out, settings=settings)
        n_sequences += len(sequences)
        if not probe_files.has_part(folder, number):
            if stop.is_requested():
                return
            measured = compare(
                *models,
                sequences,
                token_budget=settings.token_budget,
                attention_limit=settings.attention_limit,
            )
            _write_part(folder, number, measured)
        n_unseen += _unseen(folder, number, sequences)
    record = ProbeRecord(
        variant=pair.step.label,
        suite=pair.variant.task.suite,
        language=pair.variant.task.language,
        again=pair.again,
        n_layers=models[0].n_layers,
        n_items=len(items),
        n_sequences=n_sequences,
        n_without_attention=n_unseen,
        left_out=dict(left_out),
        attention_limit=settings.attention_limit,
        seconds=time.perf_counter() - started,
    )
    probe_files.write_record(
        folder, record, cells=(pair.variant, pair.baseline), weights=pair.weights
    )


def _rows(store: Store, meta: CellMeta) -> Mapping[str, ItemRow]:
    if store.status(meta).state != "done":
        return {}
    return {row.item_id: row for row in store.rows(meta)}


def _sequences(
    items: Sequence[Item],
    encoder: Encoder,
    rows: _Rows,
    left_out: Counter[str],
    *,
    settings: ProbeSettings,
) -> list[ProbedSequence]:
    """What both models read of some items; items that cannot be read are counted."""
    found: list[ProbedSequence] = []
    for item in items:
        read = make_sequences(
            item,
            encoder=encoder,
            baseline=rows.baseline.get(item.item_id),
            variant=rows.variant.get(item.item_id),
        )
        if isinstance(read, Failure):
            left_out[read.kind.replace("_", " ")] += 1
        elif any(len(one.tokens) > settings.token_budget for one in read):
            left_out[f"longer than {plural(settings.token_budget, 'token')}"] += 1
        else:
            found += read
    return found


# --- parts ----------------------------------------------------------------------------------------


def _write_part(folder: Path, number: int, measured: Sequence[ComparedInsides]) -> None:
    """Heads first: a part is there when its tokens are."""
    heads = [_head_columns(one) for one in measured if one.heads is not None]
    tokens = [_token_columns(one) for one in measured]
    for kind, columns in (("heads", heads), ("tokens", tokens)):
        joined = {
            name: np.concatenate([one[name] for one in columns]) for name in (columns or [{}])[0]
        }
        probe_files.write_table(probe_files.make_part_path(folder, kind, number), _plain(joined))


def _plain(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Text columns as lists, which may hold None."""
    return {k: v.tolist() if v.dtype.kind == "O" else v for k, v in columns.items()}


def _token_columns(one: ComparedInsides) -> dict[str, Any]:
    """A row a token and layer, token by token."""
    sequence = one.sequence
    length = len(sequence.tokens)
    layers = one.tokens["relative_error"].shape[0]
    position = np.arange(length, dtype=np.int32)
    of_token = {
        "item_id": np.full(length, sequence.item_id, object),
        "unit": np.full(length, sequence.unit, object),
        "sequence": np.full(length, sequence.number, np.int16),
        "position": position,
        "token": np.array(sequence.tokens, np.int32),
        "class": np.array(sequence.classes, object),
        "part": np.where(position < sequence.n_prompt, "prompt", "answer").astype(object),
        "parted": _parted(sequence),
        "prompt_end": position == sequence.n_prompt - 1,
    }
    columns = {name: np.repeat(values, layers) for name, values in of_token.items()}
    columns["layer"] = np.tile(np.arange(layers, dtype=np.int16), length)
    return columns | {name: one.tokens[name].T.ravel() for name in TOKEN_MEASURES}


def _parted(sequence: ProbedSequence) -> Any:
    """'before' or 'after' the answers part; None where that is not known."""
    position = np.arange(len(sequence.tokens))
    if sequence.parting is None:
        return np.full(len(position), None, object)
    return np.where(position < sequence.parting, "before", "after").astype(object)


def _head_columns(one: ComparedInsides) -> dict[str, Any]:
    """A row a layer and head; layers from 1, heads from 0."""
    heads = one.heads or {}
    layers, n_heads = heads["js"].shape
    size = layers * n_heads
    columns: dict[str, Any] = {
        "item_id": np.full(size, one.sequence.item_id, object),
        "unit": np.full(size, one.sequence.unit, object),
        "sequence": np.full(size, one.sequence.number, np.int16),
        "layer": np.repeat(np.arange(1, layers + 1, dtype=np.int16), n_heads),
        "head": np.tile(np.arange(n_heads, dtype=np.int16), layers),
    }
    return columns | {name: heads[name].ravel() for name in HEAD_MEASURES}


def _unseen(folder: Path, number: int, sequences: Sequence[ProbedSequence]) -> int:
    """Sequences of a part whose attention was not looked at."""
    import pyarrow.parquet as pq

    table = pq.read_table(probe_files.make_part_path(folder, "heads", number))
    if not table.num_rows:
        return len(sequences)
    seen = set(zip(table["item_id"].to_pylist(), table["sequence"].to_pylist(), strict=True))
    return len(sequences) - len(seen)
