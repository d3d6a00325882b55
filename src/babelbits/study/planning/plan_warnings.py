"""What a plan's reader should know beside its numbers: nothing that stops a run.

Pure but for the header of a base model's files, and calibration text.
"""

from babelbits.analysis import format as shown
from babelbits.formats.quantization_methods import find_title
from babelbits.formats.quantized import find_method
from babelbits.formats.text_model import is_multimodal
from babelbits.recipes import gguf_base
from babelbits.recipes.catalogue import RECIPES
from babelbits.recipes.family import find_family
from babelbits.study.config.spec import Study
from babelbits.study.planning import estimate, served
from babelbits.study.planning.calibration_notes import note_calibration
from babelbits.study.planning.identity import couples_rows
from babelbits.study.planning.plan_types import Plan
from babelbits.study.planning.planned_comparisons import list_planned_comparisons
from babelbits.words import plural

_WHY = "LLM.int8 looks for outlier columns in all sequences of a batch"
_ALONE = f"every sequence is computed alone, which is slower: {_WHY}"
_TEXT_ONLY = (
    "the checkpoint also reads images or sound: its text model is measured, and variants leave the "
    "other parts unquantized, or out"
)
_COUPLED = {
    "auto": f'{_ALONE} ([engine] batch = "many" computes them together)',
    "single": _ALONE,
    "many": f"numbers depend on what is computed together ({_WHY}): --limit, batch_items, "
    'token_budget and a resumed run change them; [engine] batch = "auto" avoids that',
}


def list_warnings(plan: Plan) -> tuple[str, ...]:
    """One sentence each.

    A base model that is quantized itself, rows that do not fit blocks, calibration text that does
    not seem to be in its language, rows whose numbers depend on each other, tasks that are too
    small for their margin whatever comes out.
    """
    note = gguf_base.make_note(plan.base.config) or _quantized_note(plan)
    tensors = estimate.read_base_tensors(plan.base.folder) or ()
    labels: dict[str, list[str]] = {}
    for step in plan.variants:
        for told in () if step.found is None else step.found.notes[1:]:
            labels.setdefault(told, []).append(step.label)
        if not step.to_make:
            continue
        recipe = step.spec.recipe
        expected = find_family(recipe).expects(tensors, RECIPES[recipe])
        for told in (*([expected] if expected else []), *note_calibration(step.spec.calibration)):
            labels.setdefault(told, []).append(step.label)
    coupled = [step.label for step in plan.variants if couples_rows(step.spec)]
    if coupled:
        labels.setdefault(_COUPLED[plan.study.engine.batch], []).extend(coupled)
    return (
        *((note,) if note else ()),
        *((_TEXT_ONLY,) if is_multimodal(plan.base.config) else ()),
        *(f"{', '.join(names)}: {told}" for told, names in labels.items()),
        *served.list_notes(plan),
        *([] if plan.study.smoke else find_too_small(plan.study)),
    )


def _quantized_note(plan: Plan) -> str | None:
    """That the baseline is a quantized checkpoint itself; None where it is not."""
    method = find_method(plan.base.config, folder=plan.base.folder)
    if method is None:
        return None
    return (
        f"the baseline is quantized itself ({find_title(method)}): differences from it are not "
        "from the unquantized model"
    )


def find_too_small(study: Study) -> list[str]:
    """Tasks whose items cannot show their margin even if no score changes, and what would."""
    from babelbits.stats.detectable import fewest_items

    sentences: dict[str, None] = {}
    for one in list_planned_comparisons(study):
        if one.margin is None or one.n_items is None:
            continue
        cap = study.analysis.loss_caps.get(one.unit)
        fewest = fewest_items(
            binary=one.binary, margin=one.margin, cap=cap, alpha=study.analysis.alpha
        )
        margin = shown.size(one.margin, one.unit)
        if fewest is None:
            sentences[
                f"{one.suite}: a margin of {margin} cannot be shown: [analysis] loss_caps names no "
                f"cap on the loss of one item in {one.unit}"
            ] = None
        elif one.n_items < fewest:
            why = (
                ""
                if one.binary or cap is None
                else (f" (one item is taken to lose at most {shown.size(cap, one.unit)})")
            )
            sentences[
                f"{one.suite}: {plural(one.n_items, 'item')} a language; below {fewest:,} a margin "
                f"of {margin} cannot be shown{why}"
            ] = None
    return list(sentences)
