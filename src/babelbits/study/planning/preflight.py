"""What a run would otherwise find out hours later: a missing device, calibration text too short.

Needs torch and the model's tokenizer, which a plan does not: `check_light` is the part that a plan
does. Computes nothing that is kept.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from babelbits import devices
from babelbits.engines import open_engine
from babelbits.engines.base import EngineKind
from babelbits.errors import CalibrationError
from babelbits.libraries import RUN, version_of
from babelbits.llamacpp.vocabulary import open_vocabulary
from babelbits.quiet import quiet
from babelbits.recipes import base_loading as recipes
from babelbits.recipes.calibration import Tokenizer, draw, matrix_file, read_documents
from babelbits.recipes.catalogue import RECIPES
from babelbits.recipes.family import Family, families
from babelbits.study.config.engines import engine_name
from babelbits.study.planning.plan_types import Plan, VariantStep
from babelbits.words import plural


def check(plan: Plan, *, tell: Callable[[str], None] = lambda _line: None) -> None:
    """Raise what would stop the plan's variants from being made or run.

    Parameters
    ----------
    plan : Plan
        What the run will do.
    tell : callable
        Told what takes a while.

    Raises
    ------
    ModelError
        If the device is not there, or the model's tokenizer cannot be loaded.
    MissingExtraError, EngineError
        If llama.cpp or its converter is needed, and is not there or does not run here.
    CalibrationError
        If a variant's calibration text is too short or its windows do not fit; names the variant.
    """
    if plan.complete:
        return
    devices.of_torch(devices.resolve(plan.study.engine.device))
    for engine in _engines(plan):
        engine.prepare(tell=tell)
    for family in _families(plan):
        family.prepare(plan.base.folder, tell=tell)
    to_draw = [
        step
        for step in plan.variants
        if step.to_make and step.spec.calibration and matrix_file(step.spec.calibration) is None
    ]
    if not to_draw:
        return
    context = recipes.context_length(plan.base.config)
    with _tokenizer(plan) as tokenizer:
        for step in to_draw:
            _check_text(step, tokenizer=tokenizer, context=context)


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
        if version_of(name) is None
    ]
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
    return tuple(lacks)


def _engines(plan: Plan) -> list[EngineKind]:
    """Those that run what is left."""
    study = plan.study
    names = (engine_name(study.engine, study.model, s.spec) for s in plan.variants if s.needed)
    kinds = map(open_engine.kind, dict.fromkeys(names))
    return [kind.configured(study.engine) for kind in kinds]


def _families(plan: Plan) -> list[Family]:
    """Those that make what is left."""
    names = dict.fromkeys(RECIPES[s.spec.recipe].family for s in plan.variants if s.to_make)
    return [family for family in families() if family.name in names]


def _obvious_problem(step: VariantStep, plan: Plan) -> str | None:
    """What is wrong with a draw of calibration text whatever the tokenizer."""
    spec = step.spec.calibration
    if spec is None or matrix_file(spec) is not None:
        return None
    context = recipes.context_length(plan.base.config)
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


def _check_text(step: VariantStep, *, tokenizer: Tokenizer, context: int) -> None:
    """Draw the text that the variant would see, and throw it away."""
    spec = step.spec.calibration
    assert spec is not None  # noqa: S101  the caller's condition
    try:
        draw(spec, read_documents(spec), tokenizer=tokenizer, context=context)
    except CalibrationError as error:
        where = f"variant '{step.label}'" + (f", {error.where}" if error.where else "")
        raise CalibrationError(error.what, where=where, hint=error.hint) from error
