"""What a plan's reader should know beside its numbers: nothing that stops a run.

Pure but for the header of a base model's files.
"""

from babelbits.recipes import gguf_base, gguf_blocks
from babelbits.study import estimate
from babelbits.study.steps import Plan


def notices(plan: Plan) -> tuple[str, ...]:
    """One sentence each: a base model that is quantized itself, rows that do not fit blocks."""
    note = gguf_base.note(plan.base.config)
    tensors = estimate.base_tensors(plan.base.folder) or ()
    labels: dict[str, list[str]] = {}
    for step in plan.variants:
        if step.to_make and (told := gguf_blocks.expected(tensors, step.spec.recipe)):
            labels.setdefault(told, []).append(step.label)
    return (
        *((note,) if note else ()),
        *(f"{', '.join(names)}: {told}" for told, names in labels.items()),
    )
