"""What a plan's reader should know beside its numbers: nothing that stops a run.

Pure but for the header of a base model's files.
"""

from babelbits.formats.text_model import is_multimodal
from babelbits.recipes import gguf_base, gguf_blocks
from babelbits.study import estimate
from babelbits.study.identity import couples_rows
from babelbits.study.steps import Plan

_WHY = "LLM.int8 looks for outlier columns in all sequences of a batch"
_ALONE = f"every sequence is computed alone, which is slower: {_WHY}"
_TEXT_ONLY = (
    "the checkpoint also reads images or sound: its text model is measured, and variants leave the "
    "other parts unquantized, or out"
)
_COUPLED = {
    "auto": f'{_ALONE} ([engine] batch = "many" computes them together)',
    "single": _ALONE,
    "many": f"numbers depend on what is computed together ({_WHY}): --limit, chunk, token_budget "
    'and a resumed run change them; [engine] batch = "auto" avoids that',
}


def notices(plan: Plan) -> tuple[str, ...]:
    """One sentence each: a base model that is quantized itself, rows that do not fit blocks, ..."""
    note = gguf_base.note(plan.base.config)
    tensors = estimate.base_tensors(plan.base.folder) or ()
    labels: dict[str, list[str]] = {}
    for step in plan.variants:
        if step.to_make and (told := gguf_blocks.expected(tensors, step.spec.recipe)):
            labels.setdefault(told, []).append(step.label)
    coupled = [step.label for step in plan.variants if couples_rows(step.spec)]
    if coupled:
        labels.setdefault(_COUPLED[plan.study.engine.batch], []).extend(coupled)
    return (
        *((note,) if note else ()),
        *((_TEXT_ONLY,) if is_multimodal(plan.base.config) else ()),
        *(f"{', '.join(names)}: {told}" for told, names in labels.items()),
    )
