"""How far a study's variants are from its baseline, language by language, on its whole texts.

Each is held against the baseline of its own engine, and that one against the study's: a distance
between engines is none between weights.

A divergence is a distance: it is never negative and has no margin that anyone agrees on, so it gets
no test, no verdict and no place in the families of the cells. It is measured beside them, on the
items of the study's text suites, once their variants are made. The baseline's distributions are
computed once a text suite and language; they and all results are kept in the run folder under
`divergence/`, and nothing is measured twice.
"""

import io
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from babelbits.engines.base import Engine
from babelbits.errors import StoreError, StudyError
from babelbits.records import CellMeta, Failure, TextRequest
from babelbits.stats.divergence import TopTokens, summarise
from babelbits.store import Store
from babelbits.store.atomic import write_atomically
from babelbits.store.codec import dumps
from babelbits.study.config.spec import BASELINE
from babelbits.study.execution.interrupt import Stop
from babelbits.study.execution.worker import find_folder as variant_place
from babelbits.study.execution.worker import open_engine
from babelbits.study.planning.divergence_files import (
    VERSION,
    RecordedDivergence,
    find_folder,
    make_file_name,
    read,
)
from babelbits.study.planning.plan_types import Plan, VariantStep
from babelbits.tasks.base import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """What is measured: a variant's cell against that of the baseline."""

    step: VariantStep
    task: Task
    variant: CellMeta
    baseline: CellMeta
    k: int
    weights: tuple[str, str]
    """Hashes of the variant's weights and of the baseline's, as they lie there."""

    @property
    def name(self) -> str:
        """Of the file that holds the result."""
        return make_file_name(self.variant, self.baseline, k=self.k, weights=self.weights)


def measure(
    plan: Plan, store: Store, *, k: int, say: Callable[[str], None], stop: Stop
) -> list[RecordedDivergence]:
    """Measure what is missing; all divergences in the plan's order.

    Each is kept as soon as it is measured. One that was not, because of `stop`, is left out.

    Parameters
    ----------
    plan : Plan
        Its tasks are built.
    store : Store
        The run folder, with the variants that were made; the caller holds its lock.
    k : int
        Tokens kept of each of the baseline's distributions.
    say : callable
        Told which model is loaded.
    stop : Stop
        Looked at between languages.

    Raises
    ------
    StudyError
        If the study has no text suite, or no variant that is made.
    StoreError
        If the run folder cannot be read or written.
    """
    _refuse_former_weights(plan)
    pairs = list(_pairs(plan, k=k))
    if not pairs:
        raise StudyError(
            "there is nothing to compare: no text suite, or no variant that is made",
            where=str(plan.study.file),
            hint="add a suite such as 'text' to the study, and run it first: babelbits run "
            f"{shlex.quote(str(plan.study.file))}",
        )
    folder = find_folder(store)
    missing = [pair for pair in pairs if not (folder / pair.name).exists()]
    for reference in dict.fromkeys(pair.baseline.variant for pair in missing):
        theirs = [pair for pair in missing if pair.baseline.variant == reference]
        _keep_baselines(plan, store, theirs, say=say, stop=stop)
    for label in dict.fromkeys(pair.step.label for pair in missing):
        if stop.is_requested():
            break
        members = [pair for pair in missing if pair.step.label == label]
        say(f"measuring {label}")
        where = variant_place(members[0].step, store, base=plan.base)
        engine = open_engine(plan.study, members[0].step, folder=where)
        try:
            for pair in members:
                if stop.is_requested():
                    break
                result = _compare(engine, pair, folder, seed=plan.study.seed)
                write_atomically(folder / pair.name, dumps(result))
        finally:
            engine.close()
    return [read(folder / pair.name) for pair in pairs if (folder / pair.name).exists()]


def _refuse_former_weights(plan: Plan) -> None:
    """Raise if a variant's cells are of other weights than those that lie there now."""
    stale = [cell for cell in plan.cells if cell.state == "stale"]
    if stale:
        raise StudyError(
            f"'{stale[0].variant}' was made again, and its results are of former weights: "
            f"{stale[0].reason}",
            where=str(plan.study.file),
            hint=f"run those cells again first: babelbits run {shlex.quote(str(plan.study.file))}",
        )


def _pairs(plan: Plan, *, k: int) -> Iterator[_Pair]:
    """Every made variant with every text cell of the baseline."""
    texts = {
        (cell.variant, cell.suite, cell.language): cell
        for cell in plan.cells
        if cell.meta and cell.meta.task.output_type == "text" and cell.replicate == 0
    }
    steps = {step.label: step for step in plan.variants}
    for (label, suite, language), cell in texts.items():
        reference = BASELINE if steps[label].spec.is_baseline else steps[label].spec.baseline
        base = texts.get((reference, suite, language))
        ours, theirs = (_weights(plan, steps[one]) for one in (label, reference))
        if label == BASELINE or ours is None or base is None or theirs is None:
            continue
        if cell.meta and base.meta and cell.task:
            yield _Pair(
                step=steps[label],
                task=cell.task,
                variant=cell.meta,
                baseline=base.meta,
                k=k,
                weights=(ours, theirs),
            )


def _weights(plan: Plan, step: VariantStep) -> str | None:
    """Hash of a variant's weights; None while it is not made."""
    if step.spec.recipe == BASELINE:
        return plan.base.hash
    return None if step.manifest is None else step.manifest.weights_hash


def _folder(plan: Plan, store: Store, step: VariantStep) -> Path:
    """Where a variant's weights lie."""
    return variant_place(step, store, base=plan.base)


def list_left_out(plan: Plan) -> list[str]:
    """Labels of variants that are not made yet."""
    return [step.label for step in plan.variants if _weights(plan, step) is None]


# --- the baseline's distributions ----------------------------------------------------------------


def _keep_baselines(
    plan: Plan,
    store: Store,
    pairs: Sequence[_Pair],
    *,
    say: Callable[[str], None],
    stop: Stop,
) -> None:
    """Compute the distributions of one baseline that are needed and not there."""
    folder, label = find_folder(store), pairs[0].baseline.variant
    wanted = {_baseline_file(pair, folder): pair for pair in pairs}
    wanted = {path: pair for path, pair in wanted.items() if not path.exists()}
    if not wanted:
        return
    whose = "the baseline's" if label == BASELINE else f"{label}'s"
    say(f"keeping {whose} distributions")
    (step,) = (step for step in plan.variants if step.label == label)
    engine = open_engine(plan.study, step, folder=_folder(plan, store, step))
    try:
        for path, pair in wanted.items():
            if stop.is_requested():
                return
            write_atomically(path, _pack(engine.distributions(_texts(pair.task), k=pair.k)))
    finally:
        engine.close()


def _baseline_file(pair: _Pair, folder: Path) -> Path:
    return folder / f"{pair.baseline.cell_id}-{pair.k}-{VERSION}.npz"


def _texts(task: Task) -> list[TextRequest]:
    """The documents; a text task asks for one text an item."""
    return [
        request
        for item in task.items()
        for request in item.requests
        if isinstance(request, TextRequest)
    ]


def _pack(kept: Sequence[TopTokens | Failure]) -> bytes:
    """The bytes of an npz file; a document that failed has length 0."""
    good = [one for one in kept if isinstance(one, TopTokens)]
    lengths = [len(one.ids) if isinstance(one, TopTokens) else 0 for one in kept]
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(one, name) for one in good]) if good else np.empty(0)
        for name in TopTokens.__slots__
    }
    sink = io.BytesIO()
    np.savez(sink, lengths=np.array(lengths), **arrays)
    return sink.getvalue()


def _unpack(path: Path) -> list[TopTokens | None]:
    try:
        with np.load(path, allow_pickle=False) as file:
            lengths = file["lengths"]
            arrays = {name: file[name] for name in TopTokens.__slots__}
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(
            f"the kept distributions cannot be read: {error}", where=str(path), hint="delete it"
        ) from error
    ends = np.cumsum(lengths)
    return [
        TopTokens(**{name: array[end - length : end] for name, array in arrays.items()})
        if length
        else None
        for length, end in zip(lengths, ends, strict=True)
    ]


# --- the variants ----------------------------------------------------------------------------


def _compare(engine: Engine, pair: _Pair, folder: Path, *, seed: int) -> RecordedDivergence:
    texts = _texts(pair.task)
    kept = _unpack(_baseline_file(pair, folder))
    both = [(text, top) for text, top in zip(texts, kept, strict=True) if top is not None]
    found = engine.divergences([text for text, _ in both], [top for _, top in both])
    good = [one for one in found if not isinstance(one, Failure)]
    rng = np.random.default_rng([seed, int(pair.name[:8], 16)])
    return RecordedDivergence(
        variant=pair.step.label,
        suite=pair.variant.task.suite,
        language=pair.variant.task.language,
        k=pair.k,
        n_failed=len(texts) - len(good),
        summary=summarise(good, rng=rng) if good else None,
    )
