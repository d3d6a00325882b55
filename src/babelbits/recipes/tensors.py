"""Under its name in this room: `formats.weight_records`, what is in a checkpoint."""

from babelbits.formats.weight_records import (
    StoredTensor,
    bits_per_weight,
    count,
    is_quantized,
    read_header,
    read_tensors,
    weight_files,
)

__all__ = [
    "StoredTensor",
    "bits_per_weight",
    "count",
    "is_quantized",
    "read_header",
    "read_tensors",
    "weight_files",
]
