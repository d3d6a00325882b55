"""What a reader of a GGUF variant's results should know of how it was made. Pure."""

from collections.abc import Iterator

from babelbits.recipes.gguf_tokens import note
from babelbits.records import ConversionRecord


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
