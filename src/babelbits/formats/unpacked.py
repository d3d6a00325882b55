"""Checkpoints of GPTQ and AWQ as plain weights, to compute with where their library is not needed.

The weights are those that the files stand for: codes less zero points, times scales as they are
stored. What a kernel does beside that, multiplying in 16 bits, is the engine's type of numbers.
Words are read by their shapes, so that layers of other bits ('dynamic') need no more than a look.

Sources: AutoGPTQ's formats 'gptq' (zero points stored less one) and 'gptq_v2', AutoAWQ's 'gemm'.
Other layouts (AWQ's 'gemv', 'gemv_fast', 'llm-awq', GPTQ's 'marlin') are not read.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from babelbits.errors import ModelError
from babelbits.formats.packed_integers import dequantize_awq, dequantize_gptq
from babelbits.formats.weight_records import list_weight_files

UNPACKED = ("gptq", "awq")
"""Methods whose checkpoints run unpacked, in transformers' words."""
_LAYOUTS = {"gptq": ("gptq", "gptq_v2"), "awq": ("gemm",)}
_PACKED = (".qweight", ".qzeros", ".scales", ".g_idx")
_WORD = 32
_AWQ_BITS = 4


def find_layout_problem(method: str, said: Mapping[str, Any]) -> str | None:
    """Why a checkpoint's words cannot be unpacked; None where they can.

    Parameters
    ----------
    method : str
        One of `UNPACKED`.
    said : mapping
        `quantization_config` of its `config.json`.
    """
    layout, known = _layout(method, said), _LAYOUTS[method]
    if layout not in known:
        return (
            f"its weights are packed in the layout '{layout}', and {' and '.join(known)} are read "
            "here: get the checkpoint in one of these"
            if len(known) > 1
            else f"its weights are packed in the layout '{layout}', and only '{known[0]}' is read "
            "here: get the checkpoint in that"
        )
    bits = said.get("bits", said.get("w_bit", _AWQ_BITS))
    allowed = (2, 3, 4, 8) if method == "gptq" else (_AWQ_BITS,)
    if bits not in allowed:
        return f"{bits} bits are not read here, but {', '.join(map(str, allowed))}"
    return None


def _layout(method: str, said: Mapping[str, Any]) -> str:
    if method == "gptq":
        return str(said.get("checkpoint_format") or said.get("format") or "gptq").lower()
    return str(said.get("version") or said.get("format") or "gemm").lower()


def read_unpacked(
    folder: Path, *, method: str, said: Mapping[str, Any], dtype: Any
) -> dict[str, Any]:
    """Every weight of a checkpoint by its name, floating point ones in `dtype`.

    Parameters
    ----------
    folder : Path
        Of the checkpoint.
    method : str
        One of `UNPACKED`.
    said : mapping
        `quantization_config` of its `config.json`.
    dtype : torch.dtype
        What the model will compute in.

    Raises
    ------
    ModelError
        If the layout is not read, or a packed weight lacks a part.
    """
    problem = find_layout_problem(method, said)
    if problem is not None:
        raise ModelError(problem, where=str(folder))
    less_one = _layout(method, said) == "gptq"
    found: dict[str, Any] = {}
    packed: dict[str, dict[str, Any]] = {}
    for name, tensor in _stored(folder):
        end = next((one for one in _PACKED if name.endswith(one)), None)
        if end is None:
            found[name] = tensor.to(dtype) if tensor.is_floating_point() else tensor
        else:
            packed.setdefault(name.removesuffix(end), {})[end] = tensor
        module = name.removesuffix(end or "")
        if end is not None and _is_whole(packed[module], method):
            weight = _weight(packed.pop(module), method, zeros_less_one=less_one)
            found[f"{module}.weight"] = weight.to(dtype)
    if packed:
        module, parts = next(iter(packed.items()))
        raise ModelError(
            f"'{module}' is packed, and of its parts only {', '.join(sorted(parts))} are there",
            where=str(folder),
            hint="get the checkpoint again",
        )
    return found


def _stored(folder: Path) -> Iterator[tuple[str, Any]]:
    from safetensors import safe_open

    for file in list_weight_files(folder):
        with safe_open(file, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118  no mapping
                yield name, opened.get_tensor(name)


def _is_whole(parts: Mapping[str, Any], method: str) -> bool:
    needed = _PACKED if method == "gptq" else _PACKED[:3]
    return all(end in parts for end in needed)


def _weight(parts: Mapping[str, Any], method: str, *, zeros_less_one: bool) -> Any:
    """(outputs, inputs) of one layer, in float32."""
    import torch

    words, zeros = (parts[end].numpy() for end in (".qweight", ".qzeros"))
    scales = parts[".scales"].float().numpy()
    if method == "awq":
        return torch.from_numpy(dequantize_awq(words, zeros, scales))
    weight = dequantize_gptq(
        words,
        zeros,
        scales,
        bits=_WORD * zeros.shape[1] // scales.shape[1],
        group_of=parts[".g_idx"].numpy(),
        zeros_less_one=zeros_less_one,
    )
    return torch.from_numpy(weight)
