"""From a plan to results: make the variants, run the cells, record every batch.

Obeys the plan it is given, so that what `plan` prints is what happens. A variant is loaded once for
all its cells. A cell that fails does not take the others with it; damage in the store is named and
left alone. Never prints: a listener is told.
"""

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from babelbits.engines.base import Engine
from babelbits.errors import BabelbitsError, StoreError
from babelbits.quiet import quiet
from babelbits.recipes.make import make, verify
from babelbits.records import (
    GenerateRequest,
    Item,
    ItemRow,
    Manifest,
    Reply,
    Request,
    ScoreRequest,
    TextRequest,
    TextScore,
)
from babelbits.store import Store
from babelbits.study.identity import resolve_device, version_of
from babelbits.study.interrupt import Stop
from babelbits.study.spec import BASELINE
from babelbits.study.steps import CellStep, Plan, VariantStep
from babelbits.tasks.base import Task, prompt_hash, prompt_of

_LIBRARIES = ("babelbits", "torch", "transformers", "lm_eval", "tokenizers")


class Listener(Protocol):
    """Told what happens while a plan is executed."""

    def making(self, step: VariantStep) -> None:
        """A variant is about to be quantized."""

    def made(self, step: VariantStep, manifest: Manifest) -> None:
        """A variant is on disk."""

    def loading(self, step: VariantStep) -> None:
        """A variant is about to be loaded."""

    def running(self, cell: CellStep) -> None:
        """A cell begins, or goes on."""

    def recorded(self, cell: CellStep, n_items: int) -> None:
        """A batch of items is durably recorded."""

    def finished(self, cell: CellStep) -> None:
        """A cell is complete."""

    def failed(self, what: str, error: Exception) -> None:
        """A cell or a variant could not be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run did."""

    n_items: int
    """Items computed by this run; recorded ones are never computed again."""
    n_cells: int
    """Cells finished by this run."""
    failures: tuple[str, ...]
    """Cells and variants that could not be done, each with its reason."""
    damaged: tuple[str, ...]
    interrupted: bool

    @property
    def complete(self) -> bool:
        """Whether everything the plan asked for is recorded now."""
        return not (self.failures or self.damaged or self.interrupted)


@dataclass
class _Tally:
    n_items: int = 0
    n_cells: int = 0

    def __post_init__(self) -> None:
        self.failures: list[str] = []


def execute(plan: Plan, store: Store, *, listener: Listener, stop: Stop) -> Outcome:
    """Do what the plan says is left to do.

    Parameters
    ----------
    plan : Plan
        Made against the same store, with every task built.
    store : Store
        Locked for writing since before the plan was made: what another run records in between
        would be computed again.

    Raises
    ------
    StoreError
        If the folder is full or cannot be written; what was recorded is kept.
    """
    tally = _Tally()
    store.save_plan(plan.study.file.read_text("utf-8-sig"), plan.metas)
    damaged = tuple(
        f"{_name(cell)}: {cell.reason}" for cell in plan.cells if cell.state == "damaged"
    )
    for step in plan.variants:
        left = [
            cell
            for cell in plan.cells
            if cell.variant == step.label and cell.state not in ("done", "damaged")
        ]
        if left and not stop.is_requested():
            _run_variant(step, left, plan, store, tally, listener=listener, stop=stop)
    return Outcome(
        n_items=tally.n_items,
        n_cells=tally.n_cells,
        failures=tuple(tally.failures),
        damaged=damaged,
        interrupted=stop.is_requested(),
    )


def _run_variant(
    step: VariantStep,
    cells: Sequence[CellStep],
    plan: Plan,
    store: Store,
    tally: _Tally,
    *,
    listener: Listener,
    stop: Stop,
) -> None:
    """Make a variant if need be, load it, and run its cells."""
    try:
        folder, weights_hash = _weights(step, plan, store, listener=listener)
        if stop.is_requested():
            return
        listener.loading(step)
        engine = _load(folder, plan)
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001  whatever breaks a variant, the others must run
        _note(step.label, error, tally, listener=listener)
        return
    try:
        for cell in cells:
            if stop.is_requested():
                return
            _try_cell(cell, engine, weights_hash, store, tally, listener=listener, stop=stop)
    finally:
        engine.close()


def _weights(
    step: VariantStep, plan: Plan, store: Store, *, listener: Listener
) -> tuple[Path, str]:
    """Folder and hash of a variant's weights: made now, or there already and proven whole."""
    if step.spec.recipe == BASELINE:
        return plan.base.folder, plan.base.hash
    folder = store.variant_folder(step.variant_id)
    manifest = store.manifest(step.variant_id)
    if manifest is None:
        listener.making(step)
        model = plan.study.model
        manifest = make(
            plan.base.folder,
            recipe=step.spec.recipe,
            parameters=step.spec.parameters,
            calibration=step.spec.calibration,
            out=folder,
            variant_id=step.variant_id,
            base_label=plan.base.label,
            base_hash=plan.base.hash,
            seed=plan.study.seed,
            trust_remote_code=model.trust_remote_code,
            allow_pickle=model.allow_pickle,
            device=resolve_device(plan.study.engine.device),
        )
        listener.made(step, manifest)
    else:
        verify(folder)
    return folder, manifest.weights_hash


def _load(folder: Path, plan: Plan) -> Engine:
    from babelbits.engines import transformers

    model = plan.study.model
    settings = replace(
        plan.study.engine,
        device=resolve_device(plan.study.engine.device),
        dtype=plan.engine.dtype,
        trust_remote_code=model.trust_remote_code,
        allow_pickle=model.allow_pickle,
    )
    with quiet():  # the first forward pass unpacks some checkpoints, with a progress bar
        return transformers.load(folder, settings=settings)


def _try_cell(
    cell: CellStep,
    engine: Engine,
    weights_hash: str,
    store: Store,
    tally: _Tally,
    *,
    listener: Listener,
    stop: Stop,
) -> None:
    """Run a cell; a failure is noted and the next cell goes on."""
    listener.running(cell)
    try:
        _run_cell(cell, engine, weights_hash, store, tally, listener=listener, stop=stop)
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001  whatever a model does, the other cells must run
        _note(_name(cell), error, tally, listener=listener)


def _note(what: str, error: Exception, tally: _Tally, *, listener: Listener) -> None:
    """A failure of a variant or a cell; of an error that nobody foresaw, its kind too."""
    foreseen = isinstance(error, BabelbitsError)
    tally.failures.append(f"{what}: {error if foreseen else f'{type(error).__name__}: {error}'}")
    listener.failed(what, error)


def _run_cell(
    cell: CellStep,
    engine: Engine,
    weights_hash: str,
    store: Store,
    tally: _Tally,
    *,
    listener: Listener,
    stop: Stop,
) -> None:
    if cell.meta is None or cell.task is None:
        raise ValueError("a plan is executed only when all its tasks are built")
    items = cell.task.items()
    if cell.state == "stale":
        store.drop(cell.meta)
    with store.writer(cell.meta) as writer:
        for number, indices in writer.missing_batches():
            if stop.is_requested():
                return
            started = time.perf_counter()
            batch = [items[index] for index in indices]
            rows = answer(cell.task, batch, engine, variant=cell.variant)
            writer.append(number, rows, seconds=time.perf_counter() - started)
            tally.n_items += len(rows)
            listener.recorded(cell, len(rows))
        writer.finish(
            weights_hash=weights_hash,
            machine=platform.node(),
            library_versions={name: v for name in _LIBRARIES if (v := version_of(name))},
        )
    tally.n_cells += 1
    listener.finished(cell)


def _name(cell: CellStep) -> str:
    again = " (A/A)" if cell.replicate else ""
    return f"{cell.variant} · {cell.suite} · {cell.language}{again}"


# --- items to rows -----------------------------------------------------------------------------


def answer(task: Task, items: Sequence[Item], engine: Engine, *, variant: str) -> list[ItemRow]:
    """Ask the engine everything the items need, in bulk, and score its replies."""
    requests = [request for item in items for request in item.requests]
    replies = iter(_replies(requests, engine))
    return [_row(task, item, [next(replies) for _ in item.requests], variant) for item in items]


def _replies(requests: Sequence[Request], engine: Engine) -> list[Reply]:
    """Replies in request order, each kind of request handed over in one call."""
    replies: dict[int, Reply] = {}
    scores = [(n, r) for n, r in enumerate(requests) if isinstance(r, ScoreRequest)]
    texts = [(n, r) for n, r in enumerate(requests) if isinstance(r, TextRequest)]
    prompts = [(n, r) for n, r in enumerate(requests) if isinstance(r, GenerateRequest)]
    if scores:
        found = engine.score([request for _, request in scores])
        replies.update(zip((n for n, _ in scores), found, strict=True))
    if texts:
        measured = engine.score_text([request for _, request in texts])
        replies.update(zip((n for n, _ in texts), measured, strict=True))
    if prompts:
        written = engine.generate([request for _, request in prompts])
        replies.update(zip((n for n, _ in prompts), written, strict=True))
    return [replies[number] for number in range(len(requests))]


def _row(task: Task, item: Item, replies: Sequence[Reply], variant: str) -> ItemRow:
    outcome = task.score(item, replies)
    return ItemRow(
        item_id=item.item_id,
        source_id=item.source_id,
        task=item.task,
        language=item.language,
        variant=variant,
        target=item.target,
        output=outcome.output,
        scores=outcome.scores,
        choice_logprobs=outcome.choice_logprobs,
        prompt_hash=prompt_hash(item),
        prompt=prompt_of(item),
        prompt_tokens=max((getattr(reply, "prompt_tokens", 0) for reply in replies), default=0),
        output_tokens=sum(_output_tokens(reply) for reply in replies),
        finish_reason=outcome.finish_reason,
        truncated_tokens=max(
            (getattr(reply, "truncated_tokens", 0) for reply in replies), default=0
        ),
        failure=outcome.failure,
    )


def _output_tokens(reply: Reply) -> int:
    """Tokens that were generated or scored for a reply."""
    if isinstance(reply, TextScore):
        return len(reply.logprobs)
    tokens = getattr(reply, "output_tokens", getattr(reply, "continuation_tokens", 0))
    return sum(tokens) if isinstance(tokens, tuple) else int(tokens)
