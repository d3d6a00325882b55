"""Which engine runs a variant: the one that `[engine] name` names, or that of its format."""

from collections.abc import Sequence

from babelbits.engines import open_engine
from babelbits.engines.base import EngineSettings
from babelbits.engines.served import FORMAT
from babelbits.errors import StudyError
from babelbits.recipes.family import HF, find_family
from babelbits.study.config.spec import ModelSpec, VariantSpec
from babelbits.suggest import one_of


def format_of(model: ModelSpec, variant: VariantSpec) -> str:
    """Format of a variant's files; the baseline of a GGUF file is one itself."""
    if variant.endpoint is not None:
        return FORMAT
    if variant.origin == "baseline":
        return model.format
    if variant.source is not None:
        return variant.format or variant.source.format
    return find_family(variant.recipe).format


def name_engine(settings: EngineSettings, model: ModelSpec, variant: VariantSpec) -> str:
    """Name of the engine that runs a variant: its own, the study's, or that of its format."""
    if variant.engine is not None:
        return variant.engine
    if variant.endpoint is not None:
        return open_engine.list_engines_for(FORMAT)[0]
    if settings.name != "auto":
        return settings.name
    if variant.origin == "baseline":
        return open_engine.list_engines_for(model.format)[0]
    if variant.source is not None:
        return (
            open_engine.list_engines_for(format_of(model, variant))
            or open_engine.list_engines_for(HF)
        )[0]
    return find_family(variant.recipe).default_engine


def format_problem(
    engine: str, model: ModelSpec, variants: Sequence[VariantSpec]
) -> StudyError | None:
    """What an engine cannot run of a study, and what can; None where it runs all of it.

    Parameters
    ----------
    engine : str
        As in `[engine] name`; for 'auto' there is no problem.
    model : ModelSpec
        The base model.
    variants : sequence of VariantSpec
        The baseline among them.
    """
    if engine == "auto":
        return None
    formats = {one.label: format_of(model, one) for one in variants if one.endpoint is None}
    kind = open_engine.find_kind(engine)
    for label, format_ in formats.items():
        if not kind.runs(format_):
            able = [
                name
                for name in open_engine.list_engines_for(format_)
                if all(map(open_engine.find_kind(name).runs, formats.values()))
            ]
            some = one_of(able or open_engine.list_engines_for(format_))
            return StudyError(
                f"the engine '{engine}' cannot run '{label}', whose format is '{format_}'",
                hint=f"{some} can; or leave `name` out: each variant then runs in the engine of "
                "its format",
            )
    return None
