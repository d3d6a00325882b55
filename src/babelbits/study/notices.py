"""What a plan's reader should know beside its numbers: nothing that stops a run.

Pure but for the header of a base model's files, and calibration text.
"""

from babelbits.recipes import gguf_base, gguf_blocks
from babelbits.study import estimate
from babelbits.study.calibration_notes import calibration_notes
from babelbits.study.steps import Plan


def notices(plan: Plan) -> tuple[str, ...]:
    """One sentence each.

    A base model that is quantized itself, rows that do not fit blocks, calibration text that does
    not seem to be in its language.
    """
    note = gguf_base.note(plan.base.config)
    tensors = estimate.base_tensors(plan.base.folder) or ()
    labels: dict[str, list[str]] = {}
    for step in plan.variants:
        if not step.to_make:
            continue
        blocks = gguf_blocks.expected(tensors, step.spec.recipe)
        for told in (*([blocks] if blocks else []), *calibration_notes(step.spec.calibration)):
            labels.setdefault(told, []).append(step.label)
    return (
        *((note,) if note else ()),
        *(f"{', '.join(names)}: {told}" for told, names in labels.items()),
    )
