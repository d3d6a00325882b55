"""Quantized weights read from a variant's files by our own unpacking, and inputs by the formulas.

Written from the formats' documents, without compressed-tensors or bitsandbytes: pack-quantized puts
codes of n bits into int32 from the lowest bit on, shifted by 2^(n-1); NF4 puts the first code into
the upper half of a byte, and blocks of 64 run on across rows (Dettmers et al. 2023, appendix E).
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0,
)  # fmt: skip
_HUB_EXPERTS = {"w1": "gate_proj", "w3": "up_proj", "w2": "down_proj"}


def read_floats(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of a variant: the dequantized weights by layer, and all other tensors by name."""
    stored = _stored(folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))["quantization_config"]
    bits = next((g["weights"]["num_bits"] for g in config.get("config_groups", {}).values()), 4)
    quantized = {}
    for name in stored:
        layer, _, kind = name.rpartition(".")
        value = _float(layer, stored, bits=bits) if kind in ("weight", "weight_packed") else None
        if value is not None:
            quantized[layer] = value
    others = {
        name: value
        for name, value in stored.items()
        if name.rpartition(".")[0] not in quantized or name.endswith(".bias")
    }
    return quantized, {name: v for name, v in others.items() if ".weight." not in name}


def _stored(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    stored: dict[str, Any] = {}
    for file in sorted(folder.glob("*.safetensors")):
        stored |= load_file(file)
    return stored


def _float(layer: str, stored: Mapping[str, Any], *, bits: int) -> Any:
    packed, weight = stored.get(f"{layer}.weight_packed"), stored.get(f"{layer}.weight")
    if packed is not None:
        return _unpacked(layer, stored, bits=bits)
    if f"{layer}.weight_scale" in stored:
        return weight.float() * stored[f"{layer}.weight_scale"].float().reshape(-1, 1)
    if f"{layer}.SCB" in stored:
        return weight.float() * stored[f"{layer}.SCB"].float().reshape(-1, 1) / 127
    state = stored.get(f"{layer}.weight.quant_state.bitsandbytes__nf4")
    if state is None:
        return None
    return nf4(weight, stored[f"{layer}.weight.absmax"], json.loads(bytes(state.tolist())))


def _unpacked(layer: str, stored: Mapping[str, Any], *, bits: int) -> Any:
    import torch

    packed, scale = stored[f"{layer}.weight_packed"], stored[f"{layer}.weight_scale"].float()
    rows, columns = stored[f"{layer}.weight_shape"].tolist()
    shifts = range(0, 32, bits)
    codes = torch.stack([(packed >> shift) & (2**bits - 1) for shift in shifts], dim=-1)
    values = codes.reshape(rows, -1)[:, :columns].float() - 2 ** (bits - 1)
    return values * scale.repeat_interleave(columns // scale.shape[1], dim=1)


def nf4(packed: Any, scales: Any, state: Mapping[str, Any]) -> Any:
    """NF4 weights as floats; `state` has 'blocksize' and 'shape'."""
    import torch

    octets = packed.flatten()
    codes = torch.stack([octets >> 4, octets & 15], dim=-1).flatten().long()
    values = torch.tensor(NF4)[codes]
    each = scales.float().repeat_interleave(state["blocksize"])[: len(values)]
    rows, columns = state["shape"]
    return (values * each)[: rows * columns].reshape(rows, columns)


def into_base(model: Any, quantized: Mapping[str, Any], others: Mapping[str, Any]) -> set[str]:
    """Put weights of a variant into the unquantized model, whose experts are fused.

    Names are compared from the layer's number on, as files and models differ before it.

    Returns
    -------
    set of str
        Layers and tensors that the model has no place for.
    """
    import torch

    places = {_key(name): value for name, value in model.state_dict().items()}
    lost = set()
    with torch.no_grad():
        for layer, weight in quantized.items():
            expert = re.search(r"(.*\.experts)\.(\d+)\.(\w+)$", _key(layer))
            if expert is not None:
                lost |= set() if _fuse(places, expert, weight) else {layer}
            elif f"{_key(layer)}.weight" in places:
                _copy(places[f"{_key(layer)}.weight"], weight)
            else:
                lost.add(layer)
        for name, value in others.items():
            if _key(name) in places:
                _copy(places[_key(name)], value)
            elif ".experts." not in name:
                lost.add(name)
    return lost


def _copy(place: Any, value: Any) -> None:
    """GPT-2's weights are transposed in the model."""
    place.copy_(value if place.shape == value.shape else value.T)


def _fuse(places: Mapping[str, Any], expert: re.Match[str], weight: Any) -> bool:
    """One expert's layer into the parameter of all: gate first, or in turns as in gpt-oss."""
    owner, number, part = expert[1], int(expert[2]), _HUB_EXPERTS.get(expert[3], expert[3])
    if part == "down_proj":
        place = places.get(f"{owner}.down_proj")
    else:
        place = places.get(f"{owner}.gate_up_proj", places.get(f"{owner}.up_proj"))
    if place is None:
        return False
    target = place[number]
    transposed = weight.shape[1] != target.shape[1] or f"{owner}.gate_up_proj_bias" in places
    target = target.T if transposed else target
    if part == "down_proj" or f"{owner}.gate_up_proj" not in places:
        target.copy_(weight)
    elif f"{owner}.gate_up_proj_bias" in places:
        target[("gate_proj", "up_proj").index(part) :: 2].copy_(weight)
    else:
        target.chunk(2)[("gate_proj", "up_proj").index(part)].copy_(weight)
    return True


def _key(name: str) -> str:
    """A name from the layer's number on, with the hub's words for experts replaced."""
    match = re.search(r"(?:^|\.)(?:layers|h)\.(\d+\..*)", name)
    inner = (
        match[1] if match else re.sub(r"^.*?((?:embed|lm_head|norm|ln_f|wte|wpe).*)$", r"\1", name)
    )
    inner = inner.replace("block_sparse_moe", "mlp").replace("router.layer.", "router.")
    return inner.replace("mlp.gate.", "mlp.router.")


# --- inputs ------------------------------------------------------------------------------------


def int8_by_token(states: Any) -> Any:
    """Inputs as int8 with a scale a token: the range [-128, 127] over the largest magnitude."""
    import torch

    scale = states.abs().amax(dim=-1, keepdim=True) / 127.5
    return torch.round(states / scale).clamp(-128, 127) * scale


def fp8_by_token(states: Any) -> Any:
    """Inputs as E4M3, whose largest value is 448, with a scale a token."""
    import torch

    scale = states.abs().amax(dim=-1, keepdim=True) / 448
    return (states / scale).clamp(-448, 448).to(torch.float8_e4m3fn).float() * scale
