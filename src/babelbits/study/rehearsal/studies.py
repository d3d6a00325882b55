"""The rehearsal of a plan: which variants, with what of the study, and what follows for the run.

A variant that fails is refused before the baseline is run, all of them at once; one that cannot be
rehearsed is marked in the plan, so that the real variant is checked before its first cell.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from babelbits.errors import StudyError
from babelbits.recipes.catalogue import RECIPES
from babelbits.recipes.family import list_families
from babelbits.study.config.spec import BASELINE
from babelbits.study.planning.plan_types import Plan
from babelbits.study.planning.tokenizer_probe import sample_texts
from babelbits.study.rehearsal.outcomes import RehearsalResult
from babelbits.study.rehearsal.parent import rehearse_variants
from babelbits.words import agreeing, plural


def rehearse(plan: Plan, *, tell: Callable[[RehearsalResult], None]) -> tuple[RehearsalResult, ...]:
    """Rehearse the variants of a plan that have cells to run.

    Parameters
    ----------
    plan : Plan
        Of a checkpoint; of a GGUF file nothing is rehearsed.
    tell : callable
        Told each result as soon as it is there.
    """
    study = plan.study
    if study.model.is_gguf:
        return ()
    steps = [
        step
        for step in plan.variants
        if step.needed
        and step.found is None
        and step.spec.endpoint is None
        and _has_open(plan, step.label)
    ]
    results = []
    for result in rehearse_variants(
        plan.base.folder,
        [step.spec for step in steps],
        engine=study.engine,
        seed=study.seed,
        texts=sample_texts(plan.cells),
        chat=any(suite.options.chat.template == "on" for suite in study.suites),
        trust=study.model.trust,
        allow_token_differences=study.model.allow_token_differences,
    ):
        tell(result)
        results.append(result)
    return tuple(results)


def _has_open(plan: Plan, label: str) -> bool:
    return any(cell.variant == label and cell.state != "done" for cell in plan.cells)


def refuse(results: Sequence[RehearsalResult], *, model: str) -> None:
    """Raise if variants failed; names all of them.

    Raises
    ------
    StudyError
        With recipe, architecture, library, fault and a way out of each.
    """
    failed = [result for result in results if result.outcome == "fails"]
    if not failed:
        return
    works = [r.label for r in results if r.outcome == "works" and r.recipe != BASELINE]
    count = f"{plural(len(failed), 'variant')} {agreeing(len(failed), 'does', 'do')}"
    lines = [line for result in failed for line in (_fault(result), f"  {_way_out(result)}")]
    if works:
        lines.append(f"these variants of the study work: {', '.join(works)}")
    lines.append("a fault of the rehearsal itself is passed by with --no-rehearse")
    raise StudyError(
        f"{count} not work on this model, as a rehearsal on a miniature of it shows",
        where=model,
        hint="\n  ".join(lines),
    )


def _fault(result: RehearsalResult) -> str:
    what = "unknown" if result.fault is None else result.fault.what
    return (
        f"variant '{result.label}': recipe '{result.recipe}' on '{result.architecture}' "
        f"({result.library}), {describe_outcome(result)}: {what}"
    )


def describe_outcome(result: RehearsalResult) -> str:
    """Where a rehearsal stopped; '' where it did not."""
    words = {
        "miniature": "shrinking the model",
        "shapes": "shapes",
        "making": "making it",
        "loading": "loading it",
        "modules": "what is quantized",
        "weights": "its weights",
        "activations": "its activations",
        "conversion": "conversion to GGUF",
        "generation": "generation",
        "attention": "attention",
        "prompt": "chat template",
    }
    return "" if result.fault is None else words[result.fault.check]


def _way_out(result: RehearsalResult) -> str:
    if result.fault is not None and result.fault.hint and result.fault.check == "shapes":
        return result.fault.hint
    if result.fault is not None and result.fault.known and result.fault.hint:
        return result.fault.hint
    if result.recipe == BASELINE:
        return "nothing can be measured on it with these versions; try others, or another model"
    return f"try a recipe of another library: {_elsewhere(RECIPES[result.recipe].family)}"


def _elsewhere(family: str) -> str:
    """Recipes of other families, e.g. "bitsandbytes' ('nf4') or llama.cpp's ('q8_0')"."""
    others = (one for one in list_families() if one.examples and one.name != family)
    return " or ".join(
        f"{_whose(one.title)} ({', '.join(map(repr, one.examples))})" for one in others
    )


def _whose(name: str) -> str:
    return f"{name}'" if name.endswith("s") else f"{name}'s"


def mark_plan(plan: Plan, results: Sequence[RehearsalResult]) -> Plan:
    """The plan in which variants that could not be rehearsed are to be checked when made."""
    reasons = {
        result.label: "" if result.fault is None else result.fault.what
        for result in results
        if result.outcome == "unrehearsable" and result.recipe != BASELINE
    }
    steps = (
        replace(step, unrehearsed=reasons.get(step.label)) if step.label in reasons else step
        for step in plan.variants
    )
    return replace(plan, variants=tuple(steps))
