"""A study file to an estimate for a machine that is not this one: no run folder, no weights needed.

The model's `config.json` is enough: shapes are then those of the model that transformers would
build of it, without memory for its weights. Where the weights are here, their headers count.
"""

from collections.abc import Sequence
from pathlib import Path

from babelbits.errors import MissingExtraError, ModelError
from babelbits.recipes.base_loading import read_config
from babelbits.recipes.catalogue import RECIPES
from babelbits.records import TensorRecord
from babelbits.study.config.spec import Study, SuiteSpec, VariantSpec
from babelbits.study.planning import estimate
from babelbits.study.planning.accelerators import Machine
from babelbits.study.planning.base_model import find_model_folder
from babelbits.study.planning.machine_estimate import (
    Assumptions,
    Load,
    StudyEstimate,
    estimate_study,
    make_shape,
)
from babelbits.tasks import catalogue
from babelbits.tasks.published_sizes import find_published_size

_SLOW = ("gptq", "awq", "autoround")
"""Methods that search for the best codes; all others read the text once at most."""


def estimate_on(study: Study, machine: Machine, *, assume: Assumptions) -> StudyEstimate:
    """Time, memory and disk of a study on a machine.

    Raises
    ------
    ModelError
        If the model's `config.json` is not here, or transformers knows no such model.
    """
    base = find_model_folder(study.model)
    if not study.model.is_gguf and not (base / "config.json").is_file():
        raise ModelError(
            "there is no config.json",
            where=str(base),
            hint="an estimate needs no weights, but the model's config.json",
        )
    config = read_config(base)
    tensors = estimate.read_base_tensors(base) or _tensors_by_config(base)
    shape = make_shape({one.name: one.shape for one in tensors}, config)
    variants = [
        (one.label, _bytes(one, tensors, config), RECIPES[one.recipe].method in _SLOW)
        for one in study.variants
        if one.origin in ("baseline", "made")
    ]
    loads = [load for suite in study.suites for load in _loads(suite, study, assume)]
    return estimate_study(variants, loads, shape=shape, machine=machine, assume=assume)


def _bytes(variant: VariantSpec, tensors: Sequence[TensorRecord], config: dict[str, object]) -> int:
    return estimate.estimate_variant_bytes(variant, tensors, config=config)


def _tensors_by_config(base: Path) -> tuple[TensorRecord, ...]:
    """The weights that a model of this config has, in 16 bits."""
    try:
        from babelbits.recipes.scope import build_skeleton
    except ImportError as error:
        raise MissingExtraError(
            "an estimate without weights needs transformers", hint="pip install 'babelbits[run]'"
        ) from error
    from babelbits.formats.trust import Trust

    model = build_skeleton(base, trust=Trust())
    return tuple(
        TensorRecord(name=name, shape=tuple(one.shape), dtype="bf16", bytes=2 * one.numel())
        for name, one in model.named_parameters()
    )


def _loads(suite: SuiteSpec, study: Study, assume: Assumptions) -> list[Load]:
    """What a task asks, a language each; published sizes where nobody counts."""
    options = suite.options
    info = catalogue.find_info(suite.suite, include_path=options.include_path, data=options.data)
    found = []
    for language in suite.languages:
        size = find_published_size(suite.suite, language)
        items = assume.items if size is None else size
        found.append(
            Load(
                suite=suite.suite,
                language=language,
                items=items if study.limit is None else min(items, study.limit),
                counted=size is not None,
                kind=info.output_type,
                choices=info.choices or 4,
            )
        )
    return found
