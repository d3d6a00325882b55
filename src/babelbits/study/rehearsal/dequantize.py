"""The weights that a variant's files hold, as plain numbers, unpacked here and by no library.

What a loader makes of the files is compared with this. Formats: compressed-tensors (packed int4 and
int8, int8, fp8 and fp4 with all their scales), bitsandbytes (LLM.int8, NF4 with and without double
quantization), and GGUF through the `gguf` package's own reference code, which llama.cpp does not
use.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from babelbits.formats import small_floats
from babelbits.formats.quantization_config import find_module_weights
from babelbits.llamacpp import gguf_file
from babelbits.recipes.tensors import list_weight_files
from babelbits.records import JSON

_STATE = ".weight.quant_state.bitsandbytes__"
_SIDES = (
    ".weight_scale", ".weight_zero_point", ".weight_shape", ".weight_g_idx", ".SCB",
    ".weight_format", ".weight.absmax", ".weight.quant_map", ".weight.nested_absmax",
    ".weight.nested_quant_map", ".weight_global_scale", ".input_global_scale", ".input_scale",
)  # fmt: skip


def read_plain(folder: Path) -> tuple[dict[str, Any], frozenset[str]]:
    """All weights of a variant by the names in its files, and which of them were quantized.

    Quantized ones are float32; the others are as they are stored.
    """
    stored = _stored(folder)
    config: JSON = json.loads((folder / "config.json").read_text("utf-8"))
    settings = config.get("quantization_config") or {}
    plain: dict[str, Any] = {}
    quantized = set()
    for name, tensor in stored.items():
        module = name.rpartition(".")[0]
        if name.endswith(_SIDES) or _STATE in name:
            continue
        weights = _dequantized(module, name, tensor, stored, settings)
        if weights is None:
            plain[name] = tensor
        else:
            plain[f"{module}.weight"] = weights
            quantized.add(f"{module}.weight")
    return plain, frozenset(quantized)


def _stored(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    stored: dict[str, Any] = {}
    for file in list_weight_files(folder):
        stored |= load_file(file)
    return stored


def _dequantized(
    module: str, name: str, tensor: Any, stored: Mapping[str, Any], settings: JSON
) -> Any:
    """The numbers of a quantized weight; None if it is stored plainly."""
    if name.endswith(".weight_packed"):
        if _weights(settings, module).get("type") == "float":
            return _four_bit_floats(module, tensor, stored)
        return _packed(module, tensor, stored, settings)
    if not name.endswith(".weight"):
        return None
    state = next((key for key in stored if key.startswith(f"{module}{_STATE}")), None)
    if state is not None:
        return _nf4(module, tensor, stored, json.loads(bytes(stored[state].tolist())))
    if f"{module}.SCB" in stored:
        return tensor.float() * stored[f"{module}.SCB"].float()[:, None] / 127
    if f"{module}.weight_scale" in stored:
        scale = stored[f"{module}.weight_scale"]
        if _weights(settings, module).get("strategy") == "block":
            return tensor.float() * small_floats.spread_blocks(scale.float(), tensor.shape)
        is_exponent = str(scale.dtype) == "torch.uint8"
        scale = small_floats.decode_mx_scale(scale) if is_exponent else scale.float()
        return _scaled(tensor.float(), scale, None)
    return None


def _weights(settings: JSON, module: str) -> JSON:
    """How compressed-tensors quantized a module's weights; {} for another library."""
    return find_module_weights(settings.get("config_groups") or {}, module)


def _four_bit_floats(module: str, octets: Any, stored: Mapping[str, Any]) -> Any:
    """E2M1 numbers times their groups' scales: powers of two, or E4M3 over one for the tensor."""
    scale = stored[f"{module}.weight_scale"]
    whole = stored.get(f"{module}.weight_global_scale")
    each = small_floats.decode_mx_scale(scale) if whole is None else scale.float() / whole.float()
    return _scaled(small_floats.unpack_e2m1(octets), each, None)


def _packed(module: str, words: Any, stored: Mapping[str, Any], settings: JSON) -> Any:
    """Integer codes in consecutive bits of 32-bit words, lowest first, shifted to be positive."""
    bits = int(_weights(settings, module)["num_bits"])
    rows, columns = (int(size) for size in stored[f"{module}.weight_shape"])
    codes = _unpack(words, bits, columns)
    zero = stored.get(f"{module}.weight_zero_point")
    if zero is not None and str(zero.dtype) == "torch.int32":
        zero = _unpack(zero.T.contiguous(), bits, rows).T
    scale = stored[f"{module}.weight_scale"].float()
    return _scaled(codes.float(), scale, None if zero is None else zero.float())


def _unpack(words: Any, bits: int, columns: int) -> Any:
    import numpy as np
    import torch

    stream = np.ascontiguousarray(words.numpy()).view(np.uint8)
    ones = np.unpackbits(stream, axis=1, bitorder="little")[:, : columns * bits]
    powers = 2 ** np.arange(bits)
    codes = (ones.reshape(len(ones), columns, bits) * powers).sum(axis=-1)
    return torch.from_numpy(codes.astype(np.int16) - 2 ** (bits - 1))


def _scaled(codes: Any, scale: Any, zero: Any) -> Any:
    """Codes less zero point, times scale, each of which stands for a row or a group of columns."""
    rows, columns = codes.shape
    groups = scale.reshape(rows, -1).shape[1]
    shape = (rows, groups, columns // groups)
    values = codes.reshape(shape)
    if zero is not None:
        values = values - zero.reshape(rows, groups, 1)
    return (values * scale.reshape(rows, groups, 1)).reshape(rows, columns)


def _nf4(module: str, codes: Any, stored: Mapping[str, Any], state: JSON) -> Any:
    """Two codes a byte, the first in the upper half; each block has its largest magnitude."""
    import torch

    codes = codes.flatten()
    index = torch.stack((codes >> 4, codes & 15), dim=1).flatten().long()
    values = stored[f"{module}.weight.quant_map"].float()[index]
    largest = stored[f"{module}.weight.absmax"]
    if f"{module}.weight.nested_absmax" in stored:
        outer = stored[f"{module}.weight.nested_absmax"].float()
        names = stored[f"{module}.weight.nested_quant_map"].float()[largest.long()]
        block = int(state["nested_blocksize"])
        outer = outer.repeat_interleave(block)[: len(names)]
        largest = names * outer + float(state["nested_offset"])
    size = int(state["blocksize"])
    count = 1
    for side in state["shape"]:
        count *= int(side)
    values = values[:count] * largest.float().repeat_interleave(size)[:count]
    return values.reshape(state["shape"])


def write_plain_gguf(source: Path, target: Path) -> None:
    """The same GGUF model with every tensor in float32, dequantized by the `gguf` package."""
    gguf = gguf_file.import_package()
    reader = gguf_file.open_gguf(source)
    architecture = gguf_file.read_metadata(reader, "general.architecture")
    writer = gguf.GGUFWriter(target, architecture)
    for field in reader.fields.values():
        if field.name == "general.architecture" or field.name.startswith("GGUF."):
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=inner)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.quants.dequantize(tensor.data, tensor.tensor_type))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
