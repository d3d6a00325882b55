"""From a study to its plan: which variants and cells there are, what is done, why the rest runs.

The plan that is printed is the plan that is executed. Making it has no side effects and needs no
torch; a task that has not been built (because that would import lm-eval) is in it as unknown.
"""

import os
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from babelbits.engines.base import EngineIdentity
from babelbits.errors import MissingDataError, ModelError, RecipeError, StoreError, StudyError
from babelbits.formats.quantized import refuse_quantized
from babelbits.recipes.fit import check, check_shapes
from babelbits.records import CellMeta, Manifest, TaskInfo, TensorRecord
from babelbits.store import CellStatus, has_same_weights
from babelbits.study.config.chat_settings import make_identities, settle_study
from babelbits.study.config.engines import name_engine
from babelbits.study.config.spec import BASELINE, Study, SuiteSpec, VariantSpec
from babelbits.study.planning import estimate, served
from babelbits.study.planning.base_model import BaseModel
from babelbits.study.planning.early import stop_plan
from babelbits.study.planning.found_variants import FoundModel, locate_found, resolve_found
from babelbits.study.planning.identity import (
    couples_rows,
    find_cell_libraries,
    hash_identity,
    identify_cell,
    identify_engine,
    identify_variant,
    make_former_identity,
)
from babelbits.study.planning.identity_diff import describe_changes
from babelbits.study.planning.parallel_sizes import with_parallel_sizes
from babelbits.study.planning.plan_types import (
    Build,
    CellState,
    CellStep,
    Plan,
    PlanStore,
    VariantStep,
)
from babelbits.study.planning.recorded import read_study
from babelbits.study.planning.task_builder import TaskBuilder
from babelbits.tasks.base import Task, TaskOptions, compute_fingerprint

__all__ = ["Plan", "build_light", "make_plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Built:
    """A task with what identifies it, computed once for all variants."""

    task: Task
    n_items: int
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    """What every cell of a plan shares."""

    study: Study
    store: PlanStore
    base: BaseModel
    engine: EngineIdentity
    former: Mapping[tuple[str, str, str, int], CellMeta]
    timings: Mapping[str, tuple[float, ...]]
    chats: Mapping[str, dict[str, Any] | None]
    """Of each suite; None where its prompts are plain text."""
    found: Mapping[str, FoundModel]
    """Variants that somebody made, by label."""
    same_tasks: bool
    """Whether the study says the same of its tasks as when it was last run."""


def make_plan(
    study: Study,
    store: PlanStore,
    *,
    base: BaseModel,
    build: Build,
    found: Mapping[str, FoundModel] | None = None,
) -> Plan:
    """The plan of a study against what its run folder holds.

    Parameters
    ----------
    store : PlanStore
        The run folder; only read.
    base : BaseModel
        Where the model is, and its hash.
    build : callable
        Makes tasks, e.g. `tasks.catalogue.load`, or `build_light` where lm-eval must not be loaded.
    found : mapping, optional
        `locate_found` of the study; looked up here if not given.

    Raises
    ------
    StudyError, ModelError, CalibrationError, TaskError
        If the study cannot be run on this model or with this data.
    """
    study = settle_study(study, base.folder)
    found = locate_found(study, base) if found is None else found
    study = with_parallel_sizes(resolve_found(study, found), base)
    context = _Context(
        study=study,
        store=store,
        base=base,
        engine=identify_engine(
            study.engine,
            engine=name_engine(study.engine, study.model, study.variants[0]),
            config=base.config,
        ),
        chats=make_identities(study, base.folder),
        former={_former_key(meta): meta for meta in store.planned()},
        timings=store.timings(estimate.name_machine()),
        same_tasks=_says_the_same_of_tasks(study, store, base),
        found=found,
    )
    tensors = estimate.read_base_tensors(base.folder)
    if not study.model.is_gguf and any(one.origin == "made" for one in study.variants):
        refuse_quantized(base.folder, base.config)
    for spec in study.variants:
        _check_fit(spec, base=base, tensors=tensors)
    variants = [_variant_step(spec, context, tensors=tensors) for spec in study.variants]
    workshop = TaskBuilder(study, base, cache(build))
    built = {
        (suite.suite, language): _built(workshop, suite, language)
        for suite in study.suites
        for language in suite.languages
    }
    cells = tuple(
        _cell_step(variant, key, replicate, context, built=task)
        for variant in variants
        for replicate in _replicates(variant.spec, study)
        for key, task in built.items()
    )
    cells = _without_mixtures(cells, variants)
    return Plan(
        study=study,
        base=base,
        engine=context.engine,
        variants=tuple(_with_need(variant, cells) for variant in variants),
        cells=cells,
    )


def _replicates(spec: VariantSpec, study: Study) -> tuple[int, ...]:
    """The baseline's cells run again for the noise floor; a server's for its own noise."""
    again = study.analysis.aa and (spec.label == BASELINE or spec.endpoint is not None)
    return (0, 1) if again else (0,)


def _says_the_same_of_tasks(study: Study, store: PlanStore, base: BaseModel) -> bool:
    """Whether what decides items and prompts is what it was when the study was last run."""
    try:
        before = settle_study(read_study(store), base.folder)
    except (StoreError, StudyError, ModelError):
        return False
    return _asked(before) == _asked(study)


def _asked(study: Study) -> list[SuiteSpec]:
    """The suites of a study, wherever it and its model lie: both may have been moved."""

    def placed(path: Path | None) -> Path | None:
        return None if path is None else Path(os.path.relpath(path, study.file.parent))

    return [
        replace(
            suite,
            options=replace(
                suite.options,
                model=None,
                data=placed(suite.options.data),
                include_path=placed(suite.options.include_path),
            ),
        )
        for suite in study.suites
    ]


def build_light(suite: str, language: str, options: TaskOptions) -> Task | None:
    """The task if it is one of our own and plain text; None where that needs a large library.

    lm-eval's tasks need lm-eval; a chat template needs transformers.
    """
    from babelbits.tasks import catalogue

    info = catalogue.find_info(suite, include_path=options.include_path, data=options.data)
    light = not info.loads_library and options.chat.template != "on"
    return catalogue.load(suite, language, options) if light else None


# --- variants ----------------------------------------------------------------------------------


def _check_fit(
    spec: VariantSpec, *, base: BaseModel, tensors: tuple[TensorRecord, ...] | None
) -> None:
    """Say before anything expensive that a recipe does not fit the model, and of which variant."""
    if spec.source is not None or spec.endpoint is not None:
        return
    try:
        check(base.config, spec.recipe, spec.parameters)
        if tensors is not None:
            check_shapes(tensors, spec.recipe, spec.parameters)
    except (RecipeError, StudyError) as error:
        raise StudyError(error.what, where=f"variant '{spec.label}'", hint=error.hint) from error


def _variant_step(
    spec: VariantSpec, context: _Context, *, tensors: tuple[TensorRecord, ...] | None
) -> VariantStep:
    if spec.label in context.found:
        return _found_step(context.found[spec.label], context)
    identity = identify_variant(
        spec,
        base_hash=context.base.hash,
        seed=context.study.seed,
        config=context.base.config,
    )
    variant_id = hash_identity(identity)
    if spec.endpoint is not None:
        return _served_step(spec, variant_id, identity, context)
    manifest = None if spec.recipe == BASELINE else context.store.manifest(variant_id)
    there = spec.recipe == BASELINE or manifest is not None
    missing = "" if there else _why_missing(spec, identity, context)
    made = "the model as it is" if spec.recipe == BASELINE else "made already"
    return VariantStep(
        spec=spec,
        variant_id=variant_id,
        identity=identity,
        state="done" if there else "missing",
        needed=True,
        reason=(made if there else missing) + _what_for(spec, context.study),
        bytes=_bytes(spec, manifest, tensors, context.base.config),
        manifest=manifest,
    )


def _found_step(found: FoundModel, context: _Context) -> VariantStep:
    """A variant that somebody made: there is nothing to make."""
    variant_id = hash_identity(found.identity)
    manifest = found.manifest(variant_id, base=context.base)
    before = {m.variant_id for m in context.former.values() if m.variant == found.spec.label}
    replaced = bool(before) and variant_id not in before
    change = _why_missing(found.spec, found.identity, context) if replaced else None
    about = found.description.in_words()
    return VariantStep(
        spec=found.spec,
        variant_id=variant_id,
        identity=found.identity,
        state="done",
        needed=True,
        reason=f"{change}; {about}" if change else f"found: {about}",
        bytes=manifest.bytes_on_disk,
        manifest=manifest,
        found=found,
    )


def _what_for(spec: VariantSpec, study: Study) -> str:
    """Why an engine's baseline is there, which nobody may have asked for."""
    if not spec.is_baseline or spec.label == BASELINE:
        return ""
    engine = name_engine(study.engine, study.model, spec)
    return f"; the baseline of what runs in {engine}"


def _served_step(
    spec: VariantSpec, variant_id: str, identity: Mapping[str, Any], context: _Context
) -> VariantStep:
    """A variant that nobody makes; whether its server is still the same shows when it runs."""
    met = served.read_recorded_hash(context.store.root, variant_id)
    return VariantStep(
        spec=spec,
        variant_id=variant_id,
        identity=identity,
        state="done",
        needed=True,
        reason="served; not verifiable" + (f", last met as {met[:8]}" if met else ", not met yet"),
        bytes=None,
        manifest=None,
    )


def _why_missing(spec: VariantSpec, identity: Mapping[str, Any], context: _Context) -> str:
    """What changed since a variant of this label was last run, or that it is new."""
    for meta in context.former.values():
        if meta.variant == spec.label:
            change = describe_changes(meta.identity["variant"], identity)
            return f"changed: {change}" if change else "its folder is not there"
    return "not made yet"


def _bytes(
    spec: VariantSpec,
    manifest: Manifest | None,
    tensors: tuple[TensorRecord, ...] | None,
    config: Mapping[str, Any],
) -> int | None:
    if manifest is not None:
        return manifest.bytes_on_disk
    return (
        None if tensors is None else estimate.estimate_variant_bytes(spec, tensors, config=config)
    )


def _with_need(step: VariantStep, cells: Iterable[CellStep]) -> VariantStep:
    """The step with the knowledge whether any of its cells is still to run."""
    open_cells = any(c.state != "done" for c in cells if c.variant == step.label)
    if open_cells or step.state == "done":
        return replace(step, needed=open_cells)
    return replace(step, needed=False, reason="not there, but all its cells are recorded")


# --- cells -------------------------------------------------------------------------------------


def _built(workshop: TaskBuilder, suite: SuiteSpec, language: str) -> _Built | None:
    try:
        task = workshop.task(suite.suite, language, suite.options)
        items = () if task is None else task.items()
    except MissingDataError as error:
        command = f"babelbits pull {shlex.quote(str(workshop.study.file))}"
        raise MissingDataError(
            error.what,
            where=error.where,
            hint=f"where there is a network: {command}\n  "
            f'or name a local folder under [data]: {suite.suite} = "path/to/folder"',
        ) from error
    if task is None:
        return None
    return _Built(task=task, n_items=len(items), fingerprint=compute_fingerprint(task.info, items))


def _cell_step(
    variant: VariantStep,
    key: tuple[str, str],
    replicate: int,
    context: _Context,
    *,
    built: _Built | None,
) -> CellStep:
    suite, language = key
    step = CellStep(
        variant=variant.label,
        variant_id=variant.variant_id,
        recipe=variant.spec.recipe,
        suite=suite,
        language=language,
        replicate=replicate,
        task=None,
        meta=None,
        n_items=None,
        n_done=0,
        state="missing",
        reason="missing; items are counted when it runs, or with --build",
        seconds=None,
    )
    if built is None:
        return _as_recorded(step, variant, context) or step
    return _with_status(step, built, variant, context)


def _as_recorded(step: CellStep, variant: VariantStep, context: _Context) -> CellStep | None:
    """A cell whose task is not built, as it was last run; None where anything else has changed.

    Whether the task itself has changed since is known only when it is built.
    """
    meta = context.former.get((step.variant, step.suite, step.language, step.replicate))
    if meta is None or not context.same_tasks:
        return None
    expected = _identity(variant, meta.task, meta.identity["task"], step.replicate, context)
    base = context.base.config
    if make_former_identity(meta.identity, base=base) != make_former_identity(expected, base=base):
        return None
    status = context.store.status(meta)
    state, reason = _state(status, meta, variant, context)
    if state != "done":
        return None
    told = f"{reason}; --build looks whether the task has changed"
    return replace(step, n_items=meta.n_items, n_done=meta.n_items, state=state, reason=told)


def _with_status(
    step: CellStep, built: _Built, variant: VariantStep, context: _Context
) -> CellStep:
    """The step with what the store holds of it."""
    meta = _meta(variant, built, step.replicate, context)
    status = context.store.status(meta)
    if status.state == "missing" and (former := _made_before(meta, context)) is not None:
        meta, status = former
    state, reason = _state(status, meta, variant, context)
    n_done = status.n_recorded if state in ("done", "partial") else 0
    left = 0 if state == "done" else built.n_items - n_done
    return replace(
        step,
        task=built.task,
        meta=meta,
        n_items=built.n_items,
        n_done=n_done,
        state=state,
        reason=reason,
        seconds=estimate.estimate_seconds(
            context.timings, recipe=step.recipe, suite=step.suite, n_items=left
        ),
        recorded=status,
    )


def _made_before(meta: CellMeta, context: _Context) -> tuple[CellMeta, CellStatus] | None:
    """The finished cell of a release whose ids left out libraries, if it had the same ones."""
    identity = make_former_identity(meta.identity, base=context.base.config)
    former = replace(meta, cell_id=hash_identity(identity), identity=identity)
    status = context.store.status(former)
    if status.state != "done":
        return None
    libraries = meta.identity["libraries"]
    if any(status.libraries.get(name) != version for name, version in libraries.items()):
        return None
    return former, replace(status, reason=f"{status.reason}, by a former release")


def _state(
    status: CellStatus, meta: CellMeta, variant: VariantStep, context: _Context
) -> tuple[CellState, str]:
    """State and reason: what the store says, what weights it was recorded with, what changed."""
    weights = _weights_hash(variant, context)
    if (
        status.state in ("done", "partial")
        and weights is not None
        and not has_same_weights(meta, status, weights)
    ):
        before = "unknown ones" if status.weights_hash is None else status.weights_hash[:8]
        return "stale", f"weights changed: recorded with {before}, now {weights[:8]}"
    if status.state == "missing":
        former = context.former.get(_former_key(meta))
        change = None if former is None else describe_changes(former.identity, meta.identity)
        return "missing", f"changed: {change}" if change else status.reason
    return status.state, status.reason


def _without_mixtures(
    cells: tuple[CellStep, ...], variants: Iterable[VariantStep]
) -> tuple[CellStep, ...]:
    """Cells of a variant that is not there must agree on its weights, or the fewer run again."""
    gone = {step.label for step in variants if step.state == "missing"}
    recorded: dict[str, Counter[str]] = {label: Counter() for label in gone}
    for cell in cells:
        if cell.variant in gone and cell.recorded and cell.recorded.weights_hash:
            recorded[cell.variant][cell.recorded.weights_hash] += 1
    usual = {label: count.most_common(1)[0][0] for label, count in recorded.items() if count}
    return tuple(
        replace(cell, state="stale", n_done=0, reason="recorded with other weights than the rest")
        if _differs(cell, usual.get(cell.variant))
        else cell
        for cell in cells
    )


def _differs(cell: CellStep, weights: str | None) -> bool:
    """Whether a cell holds results of other weights than these."""
    if weights is None or cell.meta is None or cell.recorded is None:
        return False
    return cell.state in ("done", "partial") and not has_same_weights(
        cell.meta, cell.recorded, weights
    )


def _weights_hash(variant: VariantStep, context: _Context) -> str | None:
    """Of the weights that a cell would run on now; None while the variant is not made."""
    if variant.spec.endpoint is not None:
        return served.read_recorded_hash(context.store.root, variant.variant_id)
    if variant.spec.recipe == BASELINE:
        return context.base.hash
    return None if variant.manifest is None else variant.manifest.weights_hash


def _former_key(meta: CellMeta) -> tuple[str, str, str, int]:
    """Under what people know a cell: its labels."""
    return (meta.variant, meta.task.suite, meta.task.language, meta.replicate)


def _identity(
    variant: VariantStep, info: TaskInfo, fingerprint: str, replicate: int, context: _Context
) -> dict[str, Any]:
    """Everything that decides the numbers of a variant's cell on a task."""
    return identify_cell(
        variant=variant.identity,
        task_fingerprint=fingerprint,
        scorer_version=info.scorer_version,
        engine=identify_engine(
            replace(context.study.engine, kv_cache=variant.spec.kv_cache),
            engine=name_engine(context.study.engine, context.study.model, variant.spec),
            coupled=couples_rows(variant.spec),
            config=(context.base if variant.found is None else variant.found.model).config,
        ),
        seed=context.study.seed,
        replicate=replicate,
        chat=context.chats.get(info.suite),
        libraries=find_cell_libraries(info.scorer_version),
    )


def _meta(variant: VariantStep, built: _Built, replicate: int, context: _Context) -> CellMeta:
    info = built.task.info
    identity = _identity(variant, info, built.fingerprint, replicate, context)
    return CellMeta(
        cell_id=hash_identity(identity),
        identity=identity,
        variant=variant.label,
        variant_id=variant.variant_id,
        replicate=replicate,
        task=info,
        n_items=built.n_items,
        chunk=_chunk(context.study.batch_items, replicate=replicate, n_items=built.n_items),
        smoke=context.study.smoke,
        stop=stop_plan(context.study, info, variant=variant.label, replicate=replicate),
        baseline=variant.spec.baseline,
    )


def _chunk(chunk: int, *, replicate: int, n_items: int) -> int:
    """Items a batch; the A/A cell's are smaller, so that every item has other neighbours."""
    return chunk if replicate == 0 else max(1, min(chunk, n_items) * 2 // 3)
