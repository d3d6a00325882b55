"""Under its name in this room: `formats.weight_records`, what is in a checkpoint."""

from babelbits.formats.weight_records import (
    StoredTensor,
    bits_per_weight,
    count,
    is_quantized,
    list_weight_files,
    read_header,
    read_tensors,
)

__all__ = [
    "StoredTensor",
    "bits_per_weight",
    "count",
    "is_quantized",
    "list_weight_files",
    "read_header",
    "read_tensors",
]
