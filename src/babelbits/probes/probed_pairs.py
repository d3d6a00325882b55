"""Which cells a study's probes compare, and which variants no probe can enter.

No torch here. A probe reads hidden states, which only the transformers engine shows: llama.cpp
keeps those of a GGUF file to itself, and a served model is behind its endpoint. Those of a model
whose weights were rotated lie in other coordinates than the baseline's.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from babelbits.engines import transformers
from babelbits.recipes import rotation
from babelbits.recipes.catalogue import RECIPES
from babelbits.records import CellMeta
from babelbits.study.config.engines import format_of, name_engine
from babelbits.study.config.spec import BASELINE
from babelbits.study.planning.plan_types import Plan, VariantStep
from babelbits.tasks.base import Task

_WHY = {
    "gguf": "llama.cpp runs GGUF files and does not show their hidden states",
    "rotated": "its hidden states and weights are rotated, so that their difference from the "
    "baseline's is no error",
    "served": "it is behind an endpoint, which shows text alone",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedPair:
    """A variant's cell against that of its baseline; of the A/A run, the baseline's own."""

    step: VariantStep
    baseline_step: VariantStep
    task: Task
    variant: CellMeta
    baseline: CellMeta
    again: bool
    weights: tuple[str, str]
    """Hashes of the variant's weights and of the baseline's, as they lie there."""


def find_closed(plan: Plan) -> dict[str, str]:
    """Variants that no probe can enter, and why; the baseline's own engine counts too."""
    steps = {step.label: step for step in plan.variants}
    found = {}
    for step in plan.variants:
        closed = [
            one for one in (step, steps.get(step.spec.baseline)) if one and not _open(plan, one)
        ]
        if closed:
            found[step.label] = _reason(plan, closed[0])
    return found


def note_closed(plan: Plan) -> tuple[str, ...]:
    """What a plan says of variants that no probe can enter, a sentence a reason."""
    labels: dict[str, list[str]] = {}
    for label, why in find_closed(plan).items():
        if label != BASELINE:
            labels.setdefault(why, []).append(label)
    return tuple(
        f"{', '.join(names)}: cannot be probed (babelbits probe): {why}"
        for why, names in labels.items()
    )


def _open(plan: Plan, step: VariantStep) -> bool:
    study = plan.study
    name = name_engine(study.engine, study.model, step.spec)
    shown = step.spec.origin != "served" and name == transformers.ENGINE.name
    return shown and not _is_rotated(step)


def _is_rotated(step: VariantStep) -> bool:
    info = RECIPES.get(step.spec.recipe)
    return step.spec.origin == "made" and info is not None and info.method == rotation.METHOD


def _reason(plan: Plan, step: VariantStep) -> str:
    study = plan.study
    if step.spec.origin == "served":
        return _WHY["served"]
    if _is_rotated(step):
        return _WHY["rotated"]
    format_ = format_of(study.model, step.spec)
    engine = name_engine(study.engine, study.model, step.spec)
    return _WHY.get(format_, f"the engine '{engine}' does not show hidden states")


def list_pairs(plan: Plan) -> Iterator[ProbedPair]:
    """Every made variant that can be entered with every cell of its baseline, as in the plan."""
    steps = {step.label: step for step in plan.variants}
    closed = find_closed(plan)
    cells = {
        (cell.variant, cell.suite, cell.language): cell
        for cell in plan.cells
        if cell.replicate == 0 and cell.meta is not None
    }
    for cell in plan.cells:
        step = steps[cell.variant]
        of_baseline = cells.get((step.spec.baseline, cell.suite, cell.language))
        again = cell.variant == BASELINE and cell.replicate > 0
        hash_ = plan.base.hash if step.spec.origin == "baseline" else None
        if step.manifest is not None:
            hash_ = step.manifest.weights_hash
        if step.spec.origin == "baseline" and not again:
            continue
        if step.label in closed or hash_ is None or of_baseline is None:
            continue
        if cell.meta is None or cell.task is None or of_baseline.meta is None:
            continue
        yield ProbedPair(
            step=step,
            baseline_step=steps[step.spec.baseline],
            task=cell.task,
            variant=cell.meta,
            baseline=of_baseline.meta,
            again=again,
            weights=(hash_, plan.base.hash),
        )
