"""What a run would otherwise find out hours later: a missing device, calibration text too short.

Needs torch and the model's tokenizer, which a plan does not. Computes nothing that is kept.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from babelbits.errors import CalibrationError
from babelbits.llamacpp import converter, library
from babelbits.llamacpp.vocabulary import open_vocabulary
from babelbits.quiet import quiet
from babelbits.recipes import loading
from babelbits.recipes.calibration import Tokenizer, draw, matrix_file, read_documents
from babelbits.recipes.catalogue import RECIPES
from babelbits.study.identity import resolve_device
from babelbits.study.steps import Plan, VariantStep


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
    loading.resolve_device(resolve_device(plan.study.engine.device))
    from_file = plan.study.model.is_gguf
    makes = any(s.to_make and RECIPES[s.spec.recipe].family == "gguf" for s in plan.variants)
    if makes or from_file:
        _check_llama(tell, converts=makes and not from_file)
    to_draw = [
        step
        for step in plan.variants
        if step.to_make and step.spec.calibration and matrix_file(step.spec.calibration) is None
    ]
    if not to_draw:
        return
    context = loading.context_length(plan.base.config)
    with _tokenizer(plan) as tokenizer:
        for step in to_draw:
            _check_text(step, tokenizer=tokenizer, context=context)


@contextmanager
def _tokenizer(plan: Plan) -> Iterator[Tokenizer]:
    """That of the base model."""
    if plan.study.model.is_gguf:
        with open_vocabulary(plan.base.folder) as vocabulary:
            yield vocabulary
        return
    with quiet():
        loaded = loading.load_tokenizer(
            plan.base.folder, trust_remote_code=plan.study.model.trust_remote_code
        )
    yield loaded


def _check_llama(tell: Callable[[str], None], *, converts: bool) -> None:
    """Have the library, and the converter if it is needed, ready."""
    library.load()
    if converts and not converter.is_there():
        tell(
            f"getting llama.cpp's converter (77 MB, once), which comes with the source of "
            f"{library.DISTRIBUTION} {library.VERSION} only"
        )
        converter.get()


def _check_text(step: VariantStep, *, tokenizer: Tokenizer, context: int) -> None:
    """Draw the text that the variant would see, and throw it away."""
    spec = step.spec.calibration
    assert spec is not None  # noqa: S101  the caller's condition
    try:
        draw(spec, read_documents(spec), tokenizer=tokenizer, context=context)
    except CalibrationError as error:
        where = f"variant '{step.label}'" + (f", {error.where}" if error.where else "")
        raise CalibrationError(error.what, where=where, hint=error.hint) from error
