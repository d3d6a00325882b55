"""What each variant is compared with: the baseline as the variant's own engine runs it.

Two engines round differently. A k-quant in llama.cpp held against a checkpoint in transformers
would be charged with that; held against the same weights in llama.cpp it is not. So a study has one
more reference for each further engine, `baseline@<engine>`, which is compared with "baseline"
itself: that is the engine change, and no question of the report.

Its weights are those of the main baseline, rounded no further: an engine that runs the base model's
format gets the base model as it is; llama.cpp gets the recipe `gguf` in f32, which holds every
16-bit and 32-bit checkpoint exactly, or in the 16-bit type that `[engine] dtype` names, to which
transformers rounds the same weights. It does not depend on the machine, so that a study has the
same variants everywhere.

A served variant has none: nothing here can be made to run on somebody's server. Nor has a study
whose baseline is served: there are no weights here.
"""

from collections.abc import Sequence
from dataclasses import replace

from babelbits.engines import open_engine
from babelbits.engines.base import EngineSettings
from babelbits.recipes.catalogue import RECIPES
from babelbits.recipes.gguf_base import GGUF
from babelbits.study.config.engines import name_engine
from babelbits.study.config.spec import BASELINE, ModelSpec, VariantSpec

_GGUF_TYPES = {"float16": "f16", "bfloat16": "bf16"}
"""Compute dtypes to which a checkpoint's weights are rounded, to GGUF's names of them."""
_CONVERT = "gguf"
"""The recipe that converts a checkpoint to llama.cpp's format."""


def with_engine_baselines(
    variants: Sequence[VariantSpec], *, model: ModelSpec, engine: EngineSettings
) -> tuple[VariantSpec, ...]:
    """The variants with a baseline for each engine, and each with the one it is compared with.

    Applied again it changes nothing. An engine whose baseline the study has already, as a variant
    of the same recipe and parameters, gets no other: that variant is its baseline then.

    Parameters
    ----------
    variants : sequence of VariantSpec
        The study's, its baseline first.
    model : ModelSpec
        The base model.
    engine : EngineSettings
        The study's `[engine]`.
    """
    main = variants[0]
    if main.endpoint is not None:
        return tuple(variants)
    ours = _engine_of(main, model=model, engine=engine)
    names = {one.label: _engine_of(one, model=model, engine=engine) for one in variants}
    known: dict[str, VariantSpec] = {}
    for name in dict.fromkeys(names.values()):
        made = None if name is None or name == ours else _reference(name, model, engine)
        if name is not None and made is not None:
            known[name] = next((one for one in variants if _is_same(one, made)), made)
    labels = {name: one.label for name, one in known.items()}
    compared = tuple(
        replace(one, baseline=labels.get(names[one.label] or "", BASELINE)) for one in variants
    )
    there = {one.label for one in variants}
    added = (one for one in known.values() if one.label not in there)
    return (compared[0], *added, *compared[1:])


def _engine_of(variant: VariantSpec, *, model: ModelSpec, engine: EngineSettings) -> str | None:
    """The engine of a variant; None for a served one. Files that were found tell by their name."""
    if variant.endpoint is not None or variant.origin == "served":
        return None
    if variant.source is not None and variant.engine is None and engine.name == "auto":
        return open_engine.list_engines_for(variant.source.format)[0]
    return name_engine(engine, model, variant)


def _reference(name: str, model: ModelSpec, engine: EngineSettings) -> VariantSpec | None:
    """The baseline as an engine runs it; None where it cannot run these weights."""
    label = f"{BASELINE}@{name}"
    kind = open_engine.find_kind(name)
    if kind.runs(model.format):
        return VariantSpec(label=label, recipe=BASELINE, engine=name, baseline=label)
    if kind.runs(GGUF) and not model.is_gguf:
        usual = {key: one.default for key, one in RECIPES[_CONVERT].parameters.items()}
        exact = {**usual, "type": _GGUF_TYPES.get(engine.dtype, "f32")}
        return VariantSpec(label=label, recipe=_CONVERT, parameters=exact, baseline=label)
    return None


def _is_same(variant: VariantSpec, reference: VariantSpec) -> bool:
    """Whether a variant of the study is that very reference, whatever it is called."""
    same = replace(variant, label=reference.label, baseline=reference.baseline)
    return same == reference
