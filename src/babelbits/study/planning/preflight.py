"""What a run would otherwise find out hours later: a missing device, calibration text too short.

Needs torch and the model's tokenizer, which a plan does not: `check_light` is the part that a plan
does. Computes nothing but the calibration text, which it must draw to know that there is enough.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from babelbits import devices
from babelbits.engines import open_engine
from babelbits.engines.base import EngineKind
from babelbits.errors import CalibrationError, MissingExtraError, ModelError
from babelbits.formats.description import ModelDescription
from babelbits.formats.quantization_methods import Method
from babelbits.libraries import RUN, find_version
from babelbits.llamacpp.vocabulary import open_vocabulary
from babelbits.quiet import quiet
from babelbits.recipes import base_loading as recipes
from babelbits.recipes.calibration import (
    Calibration,
    CalibrationSpec,
    Tokenizer,
    draw,
    find_matrix_file,
    read_documents,
)
from babelbits.recipes.catalogue import RECIPES
from babelbits.recipes.family import Family, list_families
from babelbits.registry import RECIPES as FAMILIES
from babelbits.study.config.engines import name_engine
from babelbits.study.planning import served
from babelbits.study.planning.found_variants import find_library_problems, find_needs
from babelbits.study.planning.memory import check_memory
from babelbits.study.planning.plan_types import Plan, VariantStep
from babelbits.words import plural

_OURS = "babelbits"
"""The distribution whose families read calibration text with the base model's tokenizer."""


def check(
    plan: Plan,
    *,
    tell: Callable[[str], None] = lambda _line: None,
    elsewhere: bool = False,
    allow_network: bool = False,
) -> dict[str, Calibration]:
    """Raise what would stop the plan's variants from being made or run.

    Parameters
    ----------
    plan : Plan
        What the run will do.
    tell : callable
        Told what takes a while.
    elsewhere : bool
        Other machines compute: device and memory of this one do not matter.
    allow_network : bool
        Ask servers elsewhere though `HF_HUB_OFFLINE` is set.

    Returns
    -------
    dict
        Calibration text by the label of the variant that is to be made with it; variants that see
        the same text share one draw. Families of other packages may read it with a tokenizer of
        their own, and draw it themselves.

    Raises
    ------
    StudyError, EngineError
        If a server cannot do what a task needs, or does not answer.
    ModelError
        If the device is not there, the weights are more than the memory, or the model's tokenizer
        cannot be loaded.
    MissingExtraError, EngineError
        If the library of a checkpoint's format is not there or too old; if llama.cpp or its
        converter is needed, and is not there or does not run here.
    CalibrationError
        If a variant's calibration text is too short or its windows do not fit; names the variant.
    """
    if plan.complete:
        return {}
    if not elsewhere:
        devices.resolve_torch_device(devices.resolve(plan.study.engine.device))
        check_memory(plan)
    if problems := _format_problems(plan):
        raise MissingExtraError(problems[0], hint="\n  ".join(problems[1:]) or None)
    for engine in _engines(plan):
        engine.prepare(tell=tell)
    served.refuse_unable(plan, tell=tell, allow_network=allow_network)
    for family in _families(plan):
        family.prepare(plan.base.folder, tell=tell)
    to_draw = [
        (step, spec)
        for step in plan.variants
        if step.to_make and (spec := step.spec.calibration) and find_matrix_file(spec) is None
    ]
    if not to_draw:
        return {}
    context = recipes.find_context_length(plan.base.config)
    drawn: dict[CalibrationSpec, Calibration] = {}
    kept: dict[str, Calibration] = {}
    with _tokenizer(plan) as tokenizer:
        for step, spec in to_draw:
            if spec not in drawn:
                drawn[spec] = _draw(spec, step.label, tokenizer=tokenizer, context=context)
            if FAMILIES.owner(RECIPES[step.spec.recipe].family) == _OURS:
                kept[step.label] = drawn[spec]
    return kept


def check_light(plan: Plan) -> tuple[str, ...]:
    """What of `check` needs no library that loads models; gives what a run would stop at.

    Raises
    ------
    ModelError
        If the device that the study names is not there.
    """
    if plan.complete:
        return ()
    devices.check_device(plan.study.engine.device)
    lacks = [
        f"{name} is not installed, and `babelbits run` needs it: pip install 'babelbits[run]'"
        for name in RUN
        if find_version(name) is None
    ]
    try:
        check_memory(plan)
    except ModelError as error:
        lacks.append(f"{error.what}; {error.hint}")
    lacks += _format_problems(plan)
    parts = [told for engine in _engines(plan) for told in engine.lacks()]
    parts += [told for family in _families(plan) for told in family.lacks(plan.base.folder)]
    lacks += dict.fromkeys(parts)
    folder = plan.study.folder
    there = next((path for path in (folder, *folder.parents) if path.exists()), None)
    if there is not None and not there.is_dir():
        lacks.append(f"the run folder cannot be made: a file of that name is there: {there}")
    elif there is not None and not os.access(there, os.W_OK | os.X_OK):
        lacks.append(f"the run folder cannot be written: {there}")
    for step in plan.variants:
        if step.to_make and (problem := _obvious_problem(step, plan)):
            lacks.append(problem)
    lacks += served.list_lacks(plan)
    return tuple(lacks)


def _format_problems(plan: Plan) -> list[str]:
    """What is missing to run checkpoints that somebody quantized, by variant."""
    device = devices.resolve(plan.study.engine.device)
    found = []
    for step in plan.variants:
        if not step.needed:
            continue
        about: ModelDescription | Method
        if step.found is not None:
            about = step.found.description
        elif step.spec.origin == "baseline" and not plan.study.model.is_gguf:
            about = find_needs(plan.base.config, plan.base.folder)
        else:
            continue
        found += [f"{step.label}: {one}" for one in find_library_problems(about, device=device)]
    return found


def _engines(plan: Plan) -> list[EngineKind]:
    """Those that run what is left."""
    study = plan.study
    names = (name_engine(study.engine, study.model, s.spec) for s in plan.variants if s.needed)
    kinds = map(open_engine.find_kind, dict.fromkeys(names))
    return [kind.configured(study.engine) for kind in kinds]


def _families(plan: Plan) -> list[Family]:
    """Those that make what is left."""
    names = dict.fromkeys(RECIPES[s.spec.recipe].family for s in plan.variants if s.to_make)
    return [family for family in list_families() if family.name in names]


def _obvious_problem(step: VariantStep, plan: Plan) -> str | None:
    """What is wrong with a draw of calibration text whatever the tokenizer."""
    spec = step.spec.calibration
    if spec is None or find_matrix_file(spec) is not None:
        return None
    context = recipes.find_context_length(plan.base.config)
    if spec.tokens is not None and spec.tokens > context:
        return (
            f"variant '{step.label}': samples of {plural(spec.tokens, 'token')} do not fit the "
            f"model's context of {context:,}"
        )
    return None


@contextmanager
def _tokenizer(plan: Plan) -> Iterator[Tokenizer]:
    """That of the base model."""
    if plan.study.model.is_gguf:
        with open_vocabulary(plan.base.folder) as vocabulary:
            yield vocabulary
        return
    with quiet():
        loaded = recipes.load_tokenizer(plan.base.folder, trust=plan.study.model.trust)
    yield loaded


def _draw(spec: CalibrationSpec, label: str, *, tokenizer: Tokenizer, context: int) -> Calibration:
    """The text that a variant will see."""
    try:
        return draw(spec, read_documents(spec), tokenizer=tokenizer, context=context)
    except CalibrationError as error:
        where = f"variant '{label}'" + (f", {error.where}" if error.where else "")
        raise CalibrationError(error.what, where=where, hint=error.hint) from error
