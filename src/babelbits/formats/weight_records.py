"""What is in a checkpoint: every weight with its stored type and bytes, read from file headers.

Torch-free: a safetensors file opens with the length of a JSON header (8 bytes, little-endian) that
names every tensor's type, shape and place. One `TensorRecord` stands for one weight of the model:
codes, scales, zero points and codebooks that were stored apart are counted with the weight they
belong to, so that bytes over weights is the truth about its size.

Formats: plain, compressed-tensors (pack-quantized int4, int8, fp8, fp4), bitsandbytes (LLM.int8,
NF4), GPTQ, AWQ and AutoRound (packed int32), FP8 in blocks and per tensor, MXFP4 in blocks. What
another library packed is recorded as it is stored, so that bytes are right and weights are not
(`is_understood`).
"""

import json
import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from babelbits.errors import ModelError
from babelbits.formats.quantization_config import find_module_weights, read_quantization
from babelbits.records import JSON, TensorRecord

_DTYPES = {
    "F64": "fp64",
    "F32": "fp32",
    "F16": "fp16",
    "BF16": "bf16",
    "F8_E4M3": "fp8",
    "F8_E5M2": "fp8 e5m2",
    "F8_E8M0": "fp8 e8m0",
    "I8": "int8",
    "U8": "uint8",
}
_SIDE = (
    *(".weight_scale", ".weight_zero_point", ".weight_shape", ".weight_g_idx"),
    *(".weight_global_scale", ".input_global_scale", ".input_scale"),
)
"""What compressed-tensors stores beside '<module>.weight' or '<module>.weight_packed'."""
_SIDE_INT8 = (".SCB", ".weight_format")
"""What bitsandbytes stores beside an int8 '<module>.weight'."""
_SIDE_FP8 = (".weight_scale_inv", ".input_scale", ".weight_scale_2", ".input_global_scale",
             ".weight_global_scale")  # fmt: skip
"""What is stored beside weights in FP8 and FP4."""
_PACKED = (".qweight", ".qzeros", ".scales", ".g_idx")
"""What GPTQ, AWQ and AutoRound store in place of '<module>.weight'."""
_BLOCKS = ("_blocks", "_scales")
"""Ends of what MXFP4 stores in place of a parameter."""
_WORD = 32
"""Bits of a packed word."""
_AWQ = "awq"
_LONGEST_HEADER = 100_000_000
"""Bytes; what the safetensors library itself allows."""
_QUANT_STATE = ".quant_state.bitsandbytes__"


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor of a safetensors file, as its header has it."""

    name: str
    dtype: str
    """The format's own word, e.g. 'BF16'."""
    shape: tuple[int, ...]
    file: Path
    start: int
    """Offset of the first byte in the file."""
    size: int
    """In bytes."""

    def read(self) -> bytes:
        """The tensor's bytes; for small ones."""
        with self.file.open("rb") as file:
            file.seek(self.start)
            return file.read(self.size)


def list_weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files of a checkpoint: those its index names, or all there are.

    Raises
    ------
    ModelError
        If the index cannot be read, or names a file outside the folder.
    """
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return tuple(folder / name for name in sorted(_names_of_index(index)))
    single = folder / "model.safetensors"
    return (single,) if single.is_file() else tuple(sorted(folder.glob("*.safetensors")))


def _names_of_index(index: Path) -> set[str]:
    """Files that an index names, each inside the index's folder."""
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        paths = [PurePosixPath(name) for name in names]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"this index cannot be read: {error}", where=str(index)) from error
    for path in paths:
        if path.is_absolute() or ".." in path.parts:
            raise ModelError(f"the index names a file outside the folder: {path}", where=str(index))
    return {str(path) for path in paths}


def read_header(file: Path) -> dict[str, StoredTensor]:
    """Every tensor of a safetensors file by name.

    Raises
    ------
    ModelError
        If the file is missing, cut short, or no safetensors file.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > min(size - 8, _LONGEST_HEADER):
                raise ValueError("its header is longer than the file or than any header may be")
            header: JSON = json.loads(stream.read(length))
        if not isinstance(header, dict):
            raise TypeError("its header is no JSON object")
        header.pop("__metadata__", None)
        return {
            name: _stored(name, entry, file, 8 + length, size) for name, entry in header.items()
        }
    except (OSError, ValueError, KeyError, TypeError, RecursionError, struct.error) as error:
        raise ModelError(
            f"not a whole safetensors file: {error}", where=str(file), hint="download it again"
        ) from error


def _stored(name: str, entry: Mapping[str, Any], file: Path, base: int, size: int) -> StoredTensor:
    start, end = entry["data_offsets"]
    numbers = [start, end, *entry["shape"]]
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers):
        raise ValueError(f"'{name}' has a size that is no number of things")
    if start > end or base + end > size:
        raise ValueError(f"'{name}' ends after the end of the file")
    return StoredTensor(
        name, str(entry["dtype"]), tuple(entry["shape"]), file, base + start, end - start
    )


def read_tensors(folder: Path) -> tuple[TensorRecord, ...]:
    """One record a weight of the checkpoint in `folder`, by name.

    Raises
    ------
    ModelError
        If there are no safetensors files or one is damaged.
    """
    stored: dict[str, StoredTensor] = {}
    for file in list_weight_files(folder):
        stored |= read_header(file)
    if not stored:
        raise ModelError("there are no safetensors weights", where=str(folder))
    said = _groups(folder)
    weights: JSON = {}
    if not said and any(name.endswith(".qweight") for name in stored):
        weights = _packing(folder)
    groups: dict[str, list[StoredTensor]] = {}
    for tensor in stored.values():
        groups.setdefault(_owner(tensor.name, stored), []).append(tensor)
    return tuple(
        _record(
            name, groups[name], weights or find_module_weights(said, name.removesuffix(".weight"))
        )
        for name in sorted(groups)
    )


def _groups(folder: Path) -> JSON:
    """Groups of compressed-tensors, which quantized weights alike; {} if it did not."""
    config: JSON = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return (read_quantization(config) or {}).get("config_groups") or {}


def _packing(folder: Path) -> JSON:
    """How GPTQ, AWQ or AutoRound packed the weights: 'num_bits', 'group_size' and 'packing'."""
    config: JSON = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    said = read_quantization(config) or {}
    words = f"{said.get('quant_method')} {said.get('packing_format')}"
    group = said.get("group_size", said.get("q_group_size"))
    return {
        "num_bits": said.get("bits", said.get("w_bit", 4)),
        "group_size": group if isinstance(group, int) and group > 0 else None,
        "symmetric": bool(said.get("sym", not said.get("zero_point", _AWQ in words))),
        "packing": _AWQ if _AWQ in words else "gptq",
    }


def _owner(name: str, stored: Mapping[str, StoredTensor]) -> str:
    """The weight that a stored tensor belongs to."""
    if name.endswith(".weight_packed"):
        return name.removesuffix("_packed")
    for suffix in (*_SIDE, *_SIDE_INT8, *_SIDE_FP8):
        if name.endswith(suffix):
            return f"{name.removesuffix(suffix)}.weight"
    for suffix in _PACKED:
        module = name.removesuffix(suffix)
        if name.endswith(suffix) and f"{module}.qweight" in stored:
            return f"{module}.weight"
    for suffix in _BLOCKS:
        if name.endswith(suffix) and f"{name.removesuffix(suffix)}_blocks" in stored:
            return name.removesuffix(suffix)
    head, mark, _ = name.rpartition(".weight.")
    return f"{head}.weight" if mark and f"{head}.weight" in stored else name


def _record(name: str, parts: Sequence[StoredTensor], weights: JSON) -> TensorRecord:
    shape, dtype = _shape_and_dtype(parts, weights)
    return TensorRecord(name=name, shape=shape, dtype=dtype, bytes=sum(part.size for part in parts))


def _shape_and_dtype(parts: Sequence[StoredTensor], weights: JSON) -> tuple[tuple[int, ...], str]:
    by_suffix = {part.name.rpartition(".")[2]: part for part in parts}
    packed = by_suffix.get("weight_packed")
    state = next((part for part in parts if _QUANT_STATE in part.name), None)
    if packed is not None:
        shape = by_suffix.get("weight_shape")
        if shape is None and weights.get("type") == "float":
            rows, octets = packed.shape
            return (rows, 2 * octets), f"fp4 g{weights.get('group_size', '?')}"
        if shape is None:
            raise ModelError(f"'{packed.name}' is packed, and its shape is not stored")
        rows_columns = struct.unpack("<2q", shape.read())
        return rows_columns, _integer_words(weights)
    if state is not None:
        return tuple(json.loads(state.read())["shape"]), state.name.rpartition("__")[2]
    if "qweight" in by_suffix:
        return _unpacked_shape(by_suffix["qweight"], weights), _integer_words(weights)
    blocks = next((part for part in parts if part.name.endswith("_blocks")), None)
    if blocks is not None:  # (..., blocks, bytes), two weights a byte
        *outer, count, size = blocks.shape
        return (*outer, count * size * 2), "mxfp4"
    main = by_suffix.get("weight", parts[0])
    return main.shape, _DTYPES.get(main.dtype, main.dtype.lower())


def _unpacked_shape(packed: StoredTensor, weights: JSON) -> tuple[int, int]:
    """(outputs, inputs) of a weight from its packed words: GPTQ packs inputs, AWQ outputs."""
    rows, columns = packed.shape
    bits = weights["num_bits"]
    if weights["packing"] == _AWQ:
        return columns * _WORD // bits, rows
    return columns, rows * _WORD // bits


def _integer_words(weights: JSON) -> str:
    group = weights.get("group_size")
    zero = "" if weights.get("symmetric", True) else " zero-point"
    return f"int{weights.get('num_bits', '?')}" + (f" g{group}" if group else "") + zero


def count(tensors: Iterable[TensorRecord]) -> int:
    """Number of weights in the tensors."""
    return sum(math.prod(tensor.shape) for tensor in tensors)


def bits_per_weight(tensors: Sequence[TensorRecord]) -> float | None:
    """Stored bits over weights, scales and all; None where there is no weight."""
    weights = count(tensors)
    return 8 * sum(tensor.bytes for tensor in tensors) / weights if weights else None


def is_quantized(tensor: TensorRecord) -> bool:
    """Whether a weight is stored in fewer bits than floating point models compute in."""
    return tensor.dtype.startswith(("int", "uint", "fp8", "nf4", "fp4", "mxfp"))
