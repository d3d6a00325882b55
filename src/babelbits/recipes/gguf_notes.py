"""What a reader of a GGUF variant's results should know of how it was made. Pure."""

from collections.abc import Iterator, Sequence

from babelbits.recipes.gguf_tokens import note
from babelbits.records import ConversionRecord, ExpertsRecord
from babelbits.words import plural

_NAMED = 3
"""Weights that a note names; the others are counted."""


def conversion_notes(record: ConversionRecord | None) -> Iterator[str]:
    """Of a conversion: where it is not known to be right, or llama.cpp alone would read otherwise.

    That a conversion was compared and is right is in the record, and no note.
    """
    if record is None:
        return
    if record.not_compared is not None:
        yield f"the converted file was not compared with the checkpoint: {record.not_compared}"
    if record.other_tokens:
        yield note(record.other_tokens)


def matrix_notes(experts: ExpertsRecord | None, without_data: Sequence[str]) -> Iterator[str]:
    """Of an importance matrix: what it says nothing of."""
    if without_data:
        named = ", ".join(without_data[:_NAMED])
        left = len(without_data) - _NAMED
        more = f" and {plural(left, 'other')}" if left > 0 else ""
        yield (
            f"the importance matrix has no data for {named}{more}: llama.cpp quantized them as if "
            "all inputs mattered alike"
        )
    unrouted = list(_last(experts))
    if any(unrouted) and experts is not None:
        layers = sum(1 for one in unrouted if one)
        yield (
            f"{sum(unrouted)} of {sum(experts.n_experts)} experts (in {layers} of "
            f"{plural(len(unrouted), 'layer')}) are sent no token of the calibration text by their "
            "router: llama.cpp quantized them as if all inputs mattered alike"
        )


def _last(experts: ExpertsRecord | None) -> Sequence[int]:
    """Unrouted experts of each layer by all of the text."""
    return () if experts is None else list(experts.unrouted.values())[-1]
