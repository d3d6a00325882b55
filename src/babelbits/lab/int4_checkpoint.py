"""A model of int4 codes as a checkpoint in compressed-tensors' form, as transformers loads it.

torchao's own files would need torchao wherever they are read; these need what `babelbits[run]` has
anyway, and GPTQ's codes of the same format stand in the same form, so that every quantized arm runs
through the same code. Codes and scales are stored as they were computed, to the last bit, and the
form's words for the activations say what torchao does: int8, asymmetric, by token, as they come.

Never quantizes. Torch is imported inside the functions.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from babelbits.errors import ModelError
from babelbits.lab.fake_quantization import (
    ACTIVATION_BITS,
    GROUP_SIZE,
    WEIGHT_BITS,
    QuantizedWeight,
)

_BESIDE = ("tokenizer*", "*.jinja", "special_tokens_map.json", "generation_config.json")


def write_int4(
    out: Path,
    *,
    plain: Path,
    weights: Mapping[str, QuantizedWeight],
    others: Mapping[str, Any] | None = None,
) -> None:
    """Write a checkpoint: the codes of some layers, and all else as the plain checkpoint has it.

    Parameters
    ----------
    out : Path
        A folder that exists and is empty.
    plain : Path
        The unquantized checkpoint, in one safetensors file: config, tokenizer, and what is not
        quantized.
    weights : mapping
        Layer to codes and scales.
    others : mapping, optional
        Name to tensor, instead of the plain checkpoint's.

    Raises
    ------
    ModelError
        If the plain checkpoint is in parts, or has no weight of a layer that is given, or of
        another shape.
    """
    from safetensors.torch import load_file, save_file

    file = plain / "model.safetensors"
    if not file.is_file():
        raise ModelError("the weights are not in one file", where=str(file))
    tensors = load_file(file)
    tensors |= {name: one.detach().contiguous() for name, one in (others or {}).items()}
    for layer, weight in weights.items():
        name = f"{layer}.weight"
        if name not in tensors or tensors[name].shape != weight.codes.shape:
            raise ModelError(
                f"there is no '{name}' of shape {tuple(weight.codes.shape)}", where=str(plain)
            )
        tensors[name] = weight.codes.contiguous()
        tensors[f"{name}_scale"] = weight.scales.contiguous()
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    for pattern in _BESIDE:
        for file in plain.glob(pattern):
            shutil.copy(file, out / file.name)
    config = json.loads((plain / "config.json").read_text("utf-8"))
    config["quantization_config"] = make_quantization_config()
    (out / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")


def make_quantization_config() -> dict[str, Any]:
    """What compressed-tensors is told: `make_quantization_config` of a `config.json`."""
    from compressed_tensors import __version__
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme

    scheme = QuantizationScheme(
        targets=["Linear"],
        weights=QuantizationArgs(
            num_bits=WEIGHT_BITS, symmetric=True, strategy="group", group_size=GROUP_SIZE
        ),
        input_activations=QuantizationArgs(
            num_bits=ACTIVATION_BITS, symmetric=False, strategy="token", dynamic=True
        ),
        format="int-quantized",
    )
    return {
        "quant_method": "compressed-tensors",
        "format": "int-quantized",
        "quantization_status": "compressed",
        "config_groups": {"group_0": scheme.model_dump(mode="json")},
        "ignore": ["lm_head"],
        "version": __version__,
    }
